// SPDX-License-Identifier: Apache-2.0
#include "fs/live_branch.h"

#include <linux/fs.h>
#include <sys/stat.h>

#include <cerrno>

#include "core/base/check.h"
#include "core/live/live_error.h"
#include "fs/attributes.h"
#include "fs/handle_cast.h"
#include "fs/mount.h"
#include "fs/slowly.h"

namespace holdfast::fs {

namespace {
/// The kernel is the only one who changes a live tree through this mount, so it may believe itself; a minute bounds what a missed invalidation costs.
constexpr double kLiveTimeout = 60;
/// Commands that run in the owner process (wal-push) make names behind the kernel's back.
constexpr double kAbsentTimeout = 1;
}  // namespace

Result<LiveDatabase*> LiveBranch::database(const std::string& name) {
  {
    const std::lock_guard lock(mutex_);
    const auto known = serials_.find(name);
    if (known != serials_.end()) return databases_[known->second].get();
  }
  HOLDFAST_ASSIGN(LiveTree * tree, mount_.repository.live(name));
  const std::lock_guard lock(mutex_);
  const auto [known, is_new] = serials_.try_emplace(name, databases_.size());
  if (is_new) {
    if (databases_.size() > kSerialMax) {
      serials_.erase(known);
      return Error(ErrorCode::kUnsupported, "more than 16,384 databases in one mount");
    }
    databases_.push_back(std::make_unique<LiveDatabase>(name, *tree, known->second, space_of("live/" + name)));
  }
  return databases_[known->second].get();
}

LiveBranch::Target LiveBranch::target(NodeId id) const {
  const std::lock_guard lock(mutex_);
  const std::uint64_t serial = (id & ~kLiveBit) >> kSerialShift;
  HOLDFAST_CHECK(serial < databases_.size());  // the kernel repeats only ids that we gave
  return {*databases_[serial], ino_of(id)};
}

std::string LiveBranch::subject(NodeId id, std::string_view doing) const {
  const Target at = target(id);
  return std::string(doing) + " /live/" + at.database.name + " (inode " + std::to_string(at.ino) + ")";
}

std::vector<const LiveDatabase*> LiveBranch::known_databases() const {
  const std::lock_guard lock(mutex_);
  std::vector<const LiveDatabase*> known;
  for (const auto& database : databases_) known.push_back(database.get());
  return known;
}

std::uint64_t LiveBranch::inodes_in_memory() const {
  std::uint64_t count = 0;
  for (const LiveDatabase* database : known_databases()) count += database->tree.stats().inodes_in_memory;
  return count;
}

std::vector<std::pair<NodeId, std::string>> LiveBranch::held_names() const {
  constexpr std::size_t kOfOneTree = 100'000;  // a short time under its lock
  std::vector<std::pair<NodeId, std::string>> all;
  for (const LiveDatabase* database : known_databases()) {
    for (auto& held : database->tree.held_names(kOfOneTree)) all.emplace_back(node_of(*database, held.parent), std::move(held.name));
  }
  return all;
}

void LiveBranch::forget(NodeId id, std::uint64_t count) {
  const Target at = target(id);
  if (at.ino != LiveTree::kRootIno) at.database.tree.forget(at.ino, count);
}

Result<fuse_entry_param> LiveBranch::entry_of(const LiveDatabase& database, const LiveAttributes& attributes) {
  if (attributes.ino > kInoMask) return Error(ErrorCode::kUnsupported, "an inode number beyond 2^48");
  fuse_entry_param entry{};
  entry.ino = node_of(database, attributes.ino);
  entry.attr = to_stat(attributes, database.space);
  entry.attr_timeout = kLiveTimeout;
  entry.entry_timeout = kLiveTimeout;
  return entry;
}

Result<fuse_entry_param> LiveBranch::database_entry(const std::string& name, const CallContext& context) {
  HOLDFAST_ASSIGN(LiveDatabase * of_name, database(name));
  HOLDFAST_ASSIGN(const auto attributes, of_name->tree.attributes(LiveTree::kRootIno, context));
  return entry_of(*of_name, attributes);
}

Result<LiveAttributes> LiveBranch::root_attributes(const std::string& name, const CallContext& context) {
  HOLDFAST_ASSIGN(LiveDatabase * of_name, database(name));
  return of_name->tree.attributes(LiveTree::kRootIno, context);
}

std::uint64_t LiveBranch::root_public_ino(const std::string& name) {
  return public_ino(space_of("live/" + name), LiveTree::kRootIno);
}

NodeId LiveBranch::known_node(const std::string& database, std::uint64_t ino) {
  const std::lock_guard lock(mutex_);
  const auto known = serials_.find(database);
  return known == serials_.end() ? 0 : node_of(*databases_[known->second], ino);
}

void LiveBranch::answer_entry(Request request, LiveDatabase& database, const Result<LiveAttributes>& attributes,
                              std::string_view what) {
  if (!attributes) {
    request.fail(attributes.error(), what);
    return;
  }
  const auto entry = entry_of(database, *attributes);
  if (!entry) {
    request.fail(entry.error(), what);
  } else if (request.entry(*entry)) {
    return;
  }
  database.tree.forget(attributes->ino, 1);
}

void LiveBranch::look_up(Request request, NodeId parent, const std::string& name) {
  run_slowly(mount_, std::move(request), [this, parent, name](Request asked) {
    const Target at = target(parent);
    const auto found = at.database.tree.lookup(at.ino, name, asked.context());
    if (!found && found.error().code() == ErrorCode::kNotFound) {
      fuse_entry_param absent{};
      absent.entry_timeout = kAbsentTimeout;
      (void)asked.entry(absent);
      return;
    }
    answer_entry(std::move(asked), at.database, found, subject(parent, "looking up a name in"));
  });
}

// As every Linux filesystem does (inode_init_owner): a directory with sgid hands its group down.
Status LiveBranch::inherit_group(const Target& parent, NewNode& node, const CallContext& context) {
  HOLDFAST_ASSIGN(const auto above, parent.database.tree.attributes(parent.ino, context));
  if ((above.mode & S_ISGID) == 0) return ok_status();
  node.gid = above.gid;
  if (S_ISDIR(node.mode)) node.mode |= S_ISGID;
  return ok_status();
}

void LiveBranch::make_node(Request request, NodeId parent, const std::string& name, NewNode node) {
  run_slowly(mount_, std::move(request), [this, parent, name, node](Request asked) mutable {
    const Target at = target(parent);
    const CallContext context = asked.context();
    const Status inherited = inherit_group(at, node, context);
    Result<LiveAttributes> made = inherited ? at.database.tree.make_node(at.ino, name, node, context)
                                            : Result<LiveAttributes>(inherited.error());
    answer_entry(std::move(asked), at.database, made, subject(parent, "making a name in"));
  });
}

void LiveBranch::link(Request request, NodeId id, NodeId parent, const std::string& name) {
  const Target from = target(id);
  const Target to = target(parent);
  if (&from.database != &to.database) {
    request.fail(EXDEV);
    return;
  }
  run_slowly(mount_, std::move(request), [this, from, to, parent, name](Request asked) {
    const auto linked = to.database.tree.link(from.ino, to.ino, name, asked.context());
    answer_entry(std::move(asked), to.database, linked, subject(parent, "linking into"));
  });
}

void LiveBranch::unlink(Request request, NodeId parent, const std::string& name) {
  run_slowly(mount_, std::move(request), [this, parent, name](Request asked) {
    const Target at = target(parent);
    const CallContext context = asked.context();
    asked.finish(at.database.tree.unlink(at.ino, name, context), subject(parent, "unlinking in"));
  });
}

void LiveBranch::remove_directory(Request request, NodeId parent, const std::string& name) {
  run_slowly(mount_, std::move(request), [this, parent, name](Request asked) {
    const Target at = target(parent);
    const CallContext context = asked.context();
    asked.finish(at.database.tree.remove_directory(at.ino, name, context), subject(parent, "removing a directory in"));
  });
}

void LiveBranch::rename(Request request, NodeId parent, const std::string& name, NodeId new_parent,
                        const std::string& new_name, unsigned flags) {
  RenameMode mode = RenameMode::kReplace;
  if (flags == RENAME_NOREPLACE) {
    mode = RenameMode::kNoReplace;
  } else if (flags == RENAME_EXCHANGE) {
    mode = RenameMode::kExchange;
  } else if (flags != 0) {
    request.fail(EINVAL);
    return;
  }
  const Target from = target(parent);
  const Target to = target(new_parent);
  if (&from.database != &to.database) {
    request.fail(EXDEV);
    return;
  }
  run_slowly(mount_, std::move(request), [this, from, to, parent, name, new_name, mode](Request asked) {
    const CallContext context = asked.context();
    asked.finish(from.database.tree.rename(from.ino, name, to.ino, new_name, mode, context), subject(parent, "renaming in"));
  });
}

Result<std::vector<DirItem>> LiveBranch::list(const Target& directory, const std::string& after, std::size_t count_max,
                                              bool plus, const CallContext& context) {
  LiveDatabase& database = directory.database;
  HOLDFAST_ASSIGN(auto found, database.tree.list(directory.ino, after, count_max, plus, context));
  std::vector<DirItem> items;
  items.reserve(found.size());
  for (LiveItem& live : found) {
    DirItem item;
    if (plus) {
      const auto entry = entry_of(database, live.attributes);
      if (!entry) {
        for (const LiveItem& pinned : found) database.tree.forget(pinned.attributes.ino, 1);
        return entry.error();
      }
      item.entry = *entry;
      item.counted = true;
    } else {
      item.entry.attr.st_ino = public_ino(database.space, live.attributes.ino);
      item.entry.attr.st_mode = live.attributes.mode;
    }
    item.name = std::move(live.name);
    items.push_back(std::move(item));
  }
  return items;
}

void LiveBranch::open_directory(Request request, NodeId id, fuse_file_info info) {
  const Target at = target(id);
  std::uint64_t above = kLiveId;
  if (at.ino != LiveTree::kRootIno) {
    const auto parent = at.database.tree.parent_of(at.ino);
    if (parent) above = public_ino(at.database.space, *parent);
  }
  auto handle = std::make_shared<DirHandle>(
      [this, at](const std::string& after, std::size_t count_max, bool plus, const CallContext& context) {
        return list(at, after, count_max, plus, context);
      },
      [at](const DirItem& item) { at.database.tree.forget(ino_of(item.entry.ino), 1); },
      public_ino(at.database.space, at.ino), above);
  answer_opened(std::move(request), info, std::move(handle));
}

void LiveBranch::sync_directory(Request request, NodeId id) {
  run_slowly(mount_, std::move(request), [this, id](Request asked) {
    asked.finish(target(id).database.tree.sync(), subject(id, "syncing"));
  });
}

}  // namespace holdfast::fs
