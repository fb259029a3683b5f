// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <utility>

#include "core/base/bytes.h"

namespace holdfast {

class LentBytes;

/// Bytes that don't change, with what keeps them in memory: a vector of their own, or a larger buffer that they are part of. Copies share the bytes.
/// Safe to read from any thread.
class SharedBytes {
 public:
  SharedBytes() = default;
  /// All of `whole`, which is not null.
  SharedBytes(std::shared_ptr<const Bytes> whole) : view_(*whole), owner_(std::move(whole)) {}
  /// `view` lies in what `owner` keeps.
  SharedBytes(ByteView view, std::shared_ptr<const void> owner) : view_(view), owner_(std::move(owner)) {}
  static SharedBytes copy_of(ByteView bytes) { return {std::make_shared<const Bytes>(bytes.begin(), bytes.end())}; }

  [[nodiscard]] ByteView view() const noexcept { return view_; }
  [[nodiscard]] std::size_t size() const noexcept { return view_.size(); }
  [[nodiscard]] bool empty() const noexcept { return view_.empty(); }
  [[nodiscard]] LentBytes lend() const;

 private:
  ByteView view_;
  std::shared_ptr<const void> owner_;
};

/// Bytes that a caller hands in. With an owner they stay as they are while somebody holds it, so that they need not be
/// copied to be kept; without one they may change as soon as the call returns.
class LentBytes {
 public:
  LentBytes(ByteView view) : view_(view) {}
  LentBytes(const Bytes& bytes) : view_(bytes) {}
  LentBytes(ByteView view, std::shared_ptr<const void> owner) : view_(view), owner_(std::move(owner)) {}

  [[nodiscard]] ByteView view() const noexcept { return view_; }
  [[nodiscard]] std::size_t size() const noexcept { return view_.size(); }
  /// For keeping `part`, which lies in view(): shared with the owner, copied where there is none.
  [[nodiscard]] SharedBytes keep(ByteView part) const { return owner_ ? SharedBytes(part, owner_) : SharedBytes::copy_of(part); }

 private:
  ByteView view_;
  std::shared_ptr<const void> owner_;
};

inline LentBytes SharedBytes::lend() const { return {view_, owner_}; }

}  // namespace holdfast
