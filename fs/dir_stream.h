// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "fs/request.h"

namespace holdfast::fs {

/// One name of a directory. With `counted` the entry is complete and its node was counted once on behalf of the kernel.
struct DirItem {
  std::string name;
  fuse_entry_param entry{};
  bool counted = false;
};

/// An open directory being read: turns "the names after this one" into the kernel's numbered positions, which may be gone back to.
/// Safe from any thread.
class DirStream {
 public:
  /// Up to `count_max` items with names after `after` (from the first one when empty), ascending; fewer only at the end. `plus`: counted ones are wanted.
  using Fetch = std::function<Result<std::vector<DirItem>>(const std::string& after, std::size_t count_max, bool plus,
                                                           const CallContext& context)>;
  /// Takes back the count of an item that the kernel did not get.
  using Uncount = std::function<void(const DirItem& item)>;

  DirStream(Fetch fetch, Uncount uncount, std::uint64_t own_ino, std::uint64_t parent_ino)
      : fetch_(std::move(fetch)), uncount_(std::move(uncount)), own_ino_(own_ino), parent_ino_(parent_ino) {}
  ~DirStream();
  DirStream(const DirStream&) = delete;
  DirStream& operator=(const DirStream&) = delete;

  /// Answers a READDIR or READDIRPLUS for at most `size` bytes from position `offset` (0, or one given earlier).
  void read(Request request, std::size_t size, std::uint64_t offset, bool plus, std::string_view subject);

 private:
  // Positions: 0 and 1 are "." and "..", then names in order from 2.
  Status move_to(std::uint64_t position, const CallContext& context);
  Status refill(std::size_t count, bool plus, const CallContext& context);
  void drop_ready();
  bool add_dots(Bytes& out, std::size_t size, std::uint64_t& offset, bool plus, fuse_req_t request) const;

  const Fetch fetch_;
  const Uncount uncount_;
  const std::uint64_t own_ino_;
  const std::uint64_t parent_ino_;

  std::mutex mutex_;
  std::deque<DirItem> ready_;       ///< fetched, next to be given
  bool ready_plus_ = false;         ///< how they were fetched
  std::uint64_t position_ = 2;      ///< of the front of ready_
  std::string before_;              ///< the name before that position
  std::string last_;                ///< the last name fetched
  bool at_end_ = false;             ///< nothing follows ready_
  std::map<std::uint64_t, std::string> starts_{{2, {}}};  ///< position to the name before it: where a seek can begin
};

}  // namespace holdfast::fs
