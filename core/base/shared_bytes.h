// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
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
  static SharedBytes of(Bytes bytes) { return {std::make_shared<const Bytes>(std::move(bytes))}; }
  static SharedBytes copy_of(ByteView bytes) { return {std::make_shared<const Bytes>(bytes.begin(), bytes.end())}; }

  /// Copies of both, one after the other.
  static SharedBytes joined(ByteView first, ByteView second);

  [[nodiscard]] ByteView view() const noexcept { return view_; }
  [[nodiscard]] std::size_t size() const noexcept { return view_.size(); }
  [[nodiscard]] bool empty() const noexcept { return view_.empty(); }
  /// A part of them, which keeps all in memory. It lies within them.
  [[nodiscard]] SharedBytes part(std::size_t offset, std::size_t size) const { return {view_.subspan(offset, size), owner_}; }
  [[nodiscard]] LentBytes lend() const;
  friend bool operator==(const SharedBytes& left, ByteView right) noexcept { return std::ranges::equal(left.view_, right); }

 private:
  ByteView view_;
  std::shared_ptr<const void> owner_;
};

/// Memory to be filled and then shared. Its bytes are not set to anything before, which costs as much as filling them: whoever makes one fills all of it.
class FreshBytes {
 public:
  explicit FreshBytes(std::size_t size) : memory_(std::make_shared_for_overwrite<std::uint8_t[]>(size)), size_(size) {}
  [[nodiscard]] MutableByteView view() noexcept { return {memory_.get(), size_}; }
  /// What it holds; it is empty then.
  [[nodiscard]] SharedBytes share() && {
    const ByteView all{memory_.get(), std::exchange(size_, 0)};
    return {all, std::move(memory_)};
  }

 private:
  std::shared_ptr<std::uint8_t[]> memory_;
  std::size_t size_;
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

inline SharedBytes SharedBytes::joined(ByteView first, ByteView second) {
  FreshBytes both(first.size() + second.size());
  std::copy_n(first.data(), first.size(), both.view().data());
  std::copy_n(second.data(), second.size(), both.view().data() + first.size());
  return std::move(both).share();
}

inline LentBytes SharedBytes::lend() const { return {view_, owner_}; }

}  // namespace holdfast
