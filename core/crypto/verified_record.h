// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "core/base/ids.h"
#include "core/base/shared_bytes.h"

namespace holdfast {

/// The bytes of a record that are what its id names. There is no other way to one than comparing them, so whoever is given one need not compare them again.
/// Copies share the bytes. Safe to read from any thread.
class VerifiedRecord {
 public:
  /// Nullopt: they are something else.
  [[nodiscard]] static std::optional<VerifiedRecord> check(const ChunkId& id, SharedBytes record);
  /// Each by itself; hashed side by side, which costs less than one after the other. The spans have equal length.
  [[nodiscard]] static std::vector<std::optional<VerifiedRecord>> check_all(std::span<const ChunkId> ids, std::span<const SharedBytes> records);

  [[nodiscard]] const ChunkId& id() const noexcept { return id_; }
  [[nodiscard]] ByteView view() const noexcept { return record_.view(); }
  [[nodiscard]] std::size_t size() const noexcept { return record_.size(); }
  /// The same in memory of its own, where the bytes are a part of a larger piece that should not be kept for them.
  [[nodiscard]] VerifiedRecord copied() const { return {id_, SharedBytes::copy_of(view())}; }
  friend bool operator==(const VerifiedRecord& left, ByteView right) noexcept { return left.record_ == right; }

 private:
  VerifiedRecord(const ChunkId& id, SharedBytes record) : id_(id), record_(std::move(record)) {}

  ChunkId id_;
  SharedBytes record_;
};

}  // namespace holdfast
