// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <thread>

namespace holdfast::fs {

struct Mount;

/// Bounds what the mount keeps in memory for names that the kernel remembers: the kernel forgets none while it has memory itself, so that whoever walks through millions of files
/// would fill ours. Above the bound it is asked to forget files and links, those that it was told of first before others; they are looked up again when they are wanted.
class Forgetter {
 public:
  explicit Forgetter(Mount& mount);
  /// Ends the thread, which may wait for a directory that is being read: requests must go on to be answered meanwhile, or the connection be cut.
  ~Forgetter() = default;

  /// About what is kept, in bytes.
  static std::uint64_t held_bytes(Mount& mount);

 private:
  static void run(Mount& mount, const std::stop_token& stop);
  static void shrink(Mount& mount, const std::stop_token& stop);

  std::jthread thread_;
};

}  // namespace holdfast::fs
