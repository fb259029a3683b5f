// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/live/live_tree.h"
#include "fs/inode_table.h"
#include "fs/view_node.h"

namespace holdfast::fs {

struct Mount;

/// The live tree of one database as the mount knows it. Lives as long as the mount.
struct LiveDatabase {
  LiveDatabase(std::string name_in, LiveTree& tree_in, std::uint64_t serial_in, std::uint64_t space_in)
      : name(std::move(name_in)), tree(tree_in), serial(serial_in), space(space_in) {}
  const std::string name;
  LiveTree& tree;
  const std::uint64_t serial;
  const std::uint64_t space;  ///< public_ino()'s
  /// Grows when a security.capability is set, so that open files look again whether there is one to clear.
  std::atomic<std::uint64_t> capability_changes = 1;
};

/// An open file of a live tree.
class LiveHandle final : public Handle {
 public:
  LiveHandle(LiveDatabase& database_in, std::shared_ptr<LiveFile> file_in, bool writable_in)
      : database(database_in), file(std::move(file_in)), writable(writable_in) {}
  LiveDatabase& database;
  const std::shared_ptr<LiveFile> file;
  const bool writable;
  std::atomic<bool> wrote = false;                   ///< since the last flush
  std::atomic<std::uint64_t> capability_cleared = 0;  ///< LiveDatabase::capability_changes when it was last seen to
};

/// /live/<db> and all below: passes the kernel's requests on to live trees. Node ids are made of the database's serial and the inode number; the trees count
/// what the kernel holds (their pins). Safe from any thread.
class LiveBranch {
 public:
  explicit LiveBranch(Mount& mount) : mount_(mount) {}

  /// Whether `id` is the node of a live inode.
  static bool owns(NodeId id) noexcept { return (id & kLiveBit) != 0; }
  void forget(NodeId id, std::uint64_t count);
  /// Of all trees.
  std::uint64_t inodes_in_memory() const;
  /// Names that the kernel could forget without loss (LiveTree::held_names); some of each tree.
  std::vector<std::pair<NodeId, std::string>> held_names() const;

  // For the folders above.
  Result<fuse_entry_param> database_entry(const std::string& name, const CallContext& context);
  Result<LiveAttributes> root_attributes(const std::string& name, const CallContext& context);
  std::uint64_t root_public_ino(const std::string& name);
  /// The node that the kernel knows `ino` of a database by; 0 when the mount has never met the database.
  NodeId known_node(const std::string& database, std::uint64_t ino);

  // Requests on names.
  void look_up(Request request, NodeId parent, const std::string& name);
  void make_node(Request request, NodeId parent, const std::string& name, NewNode node);
  void create(Request request, NodeId parent, const std::string& name, NewNode node, fuse_file_info info);
  void link(Request request, NodeId id, NodeId parent, const std::string& name);
  void unlink(Request request, NodeId parent, const std::string& name);
  void remove_directory(Request request, NodeId parent, const std::string& name);
  void rename(Request request, NodeId parent, const std::string& name, NodeId new_parent, const std::string& new_name,
              unsigned flags);
  void open_directory(Request request, NodeId id, fuse_file_info info);
  void sync_directory(Request request, NodeId id);

  // Requests on inodes.
  void attributes(Request request, NodeId id);
  void set_attributes(Request request, NodeId id, const struct stat& wanted, int valid);
  void read_link(Request request, NodeId id);
  void get_xattr(Request request, NodeId id, const std::string& name, std::size_t size);
  void list_xattrs(Request request, NodeId id, std::size_t size);
  void set_xattr(Request request, NodeId id, const std::string& name, std::string value, int flags);
  void remove_xattr(Request request, NodeId id, const std::string& name);

  // Requests on open files (live_files.cpp).
  void open(Request request, NodeId id, fuse_file_info info);
  void read(Request request, const std::shared_ptr<LiveHandle>& handle, std::size_t size, std::uint64_t offset);
  void write(Request request, const std::shared_ptr<LiveHandle>& handle, const LentBytes& data, std::uint64_t offset);
  void flush(Request request, const std::shared_ptr<LiveHandle>& handle);
  void sync(Request request, const std::shared_ptr<LiveHandle>& handle);
  void release(Request request, const std::shared_ptr<LiveHandle>& handle);
  /// For a file that was still open when the connection to the kernel ended, so that no flush comes any more.
  void keep_what_was_written(const std::shared_ptr<LiveHandle>& handle);
  void allocate(Request request, const std::shared_ptr<LiveHandle>& handle, int mode, ByteRange range);
  void seek(Request request, NodeId id, const std::shared_ptr<LiveHandle>& handle, std::uint64_t offset, int whence);

 private:
  static constexpr NodeId kLiveBit = 1ULL << 62U;
  static constexpr unsigned kSerialShift = 48;
  static constexpr std::uint64_t kInoMask = (1ULL << kSerialShift) - 1;
  static constexpr std::uint64_t kSerialMax = (1ULL << 14U) - 1;

  struct Target {
    LiveDatabase& database;
    std::uint64_t ino;
  };
  static std::uint64_t ino_of(NodeId id) noexcept { return id & kInoMask; }
  static NodeId node_of(const LiveDatabase& database, std::uint64_t ino) noexcept {
    return kLiveBit | (database.serial << kSerialShift) | ino;
  }
  Result<LiveDatabase*> database(const std::string& name);
  [[nodiscard]] Target target(NodeId id) const;
  [[nodiscard]] std::string subject(NodeId id, std::string_view doing) const;
  static Result<fuse_entry_param> entry_of(const LiveDatabase& database, const LiveAttributes& attributes);
  Status inherit_group(const Target& parent, NewNode& node, const CallContext& context);
  void answer_entry(Request request, LiveDatabase& database, const Result<LiveAttributes>& attributes, std::string_view what);
  void drop_capability(const Target& at, const CallContext& context);
  Status before_write(LiveHandle& handle, bool kill_suidgid, const CallContext& context);
  Result<std::vector<DirItem>> list(const Target& directory, const std::string& after, std::size_t count_max, bool plus,
                                    const CallContext& context);
  /// Runs `work` now, or when staging has room if `handle` has written and there is none. Errors reach the request.
  void with_room(Request request, const std::shared_ptr<LiveHandle>& handle, std::function<void(Request)> work);
  void write_now(Request request, LiveHandle& handle, const LentBytes& data, std::uint64_t offset, bool kill_suidgid);

  Mount& mount_;
  mutable std::mutex mutex_;
  std::map<std::string, std::uint64_t> serials_;
  [[nodiscard]] std::vector<const LiveDatabase*> known_databases() const;
  std::vector<std::unique_ptr<LiveDatabase>> databases_;  ///< by serial; only grows
};

}  // namespace holdfast::fs
