// SPDX-License-Identifier: Apache-2.0
// /snapshots/<db> and /at: the folders whose entries are snapshots.
#include <algorithm>
#include <cerrno>

#include "core/base/log.h"
#include "core/repo/moment.h"
#include "fs/attributes.h"
#include "fs/catalog_nodes.h"
#include "fs/errno_map.h"
#include "fs/mount.h"
#include "fs/snapshot_node.h"

namespace holdfast::fs {

namespace {

/// The directory that mkdir answers with has an id of its own, beside the link that its name stands for from then on.
const std::string kJustMade("\0made", 5);

Error no_such(const std::string& name) { return {ErrorCode::kNotFound, "no snapshot " + name}; }

/// A root below a folder that is not its own: the key holds the snapshot, so that another snapshot under the same name is another node.
std::string alias_key(const std::string& name, const SnapshotId& id) { return name + '\0' + id.hex(); }

}  // namespace

Result<struct stat> DatabaseFolder::attributes(Mount& mount, const CallContext& context) const {
  struct stat result = folder_stat(mount, id(), 0700, mount.started);
  if (const auto live = mount.live.root_attributes(key(), context)) {
    result.st_uid = live->uid;
    result.st_gid = live->gid;
    result.st_mode = S_IFDIR | (live->mode & 0777U);
  }
  const auto names = mount.names.of(key());
  if (names->newest != 0) result.st_mtim = result.st_ctim = to_timespec(names->newest);
  return result;
}

Result<fuse_entry_param> DatabaseFolder::look_up(Mount& mount, const std::string& name, const CallContext& context) const {
  const auto names = mount.names.of(key());
  const auto link = names->links.find(name);
  if (link != names->links.end()) {
    // The target is in the key: another target is another node, so that the kernel's copy of a link is never wrong.
    const auto target = names->by_name.find(link->second);
    return counted_entry(mount, std::make_shared<LinkNode>(self(), name + '\0' + link->second, link->second, target->second.time),
                         kListTimeout, context);
  }
  const auto found = names->by_name.find(name);
  if (found == names->by_name.end()) return no_such(key() + "@" + name);
  if (const auto held = mount.table.acquire_held(id(), name)) return held_entry(mount, held, kListTimeout, context);
  HOLDFAST_ASSIGN(auto node, SnapshotNode::open_root(mount, self(), name, found->second.id, context));
  return counted_entry(mount, std::move(node), kListTimeout, context);
}

Result<std::vector<DirItem>> DatabaseFolder::list(Mount& mount, const std::string& after, std::size_t count_max, bool,
                                                  const CallContext&) const {
  const auto names = mount.names.of(key());
  std::vector<DirItem> items;
  for (auto at = names->by_name.upper_bound(after); at != names->by_name.end() && items.size() < count_max; ++at) {
    items.push_back(plain_item(at->first, public_ino(space_of(at->second.id.hex()), 1), S_IFDIR));
  }
  for (auto at = names->links.upper_bound(after); at != names->links.end(); ++at) {
    items.push_back(plain_item(at->first, 1, S_IFLNK));
  }
  std::sort(items.begin(), items.end(), [](const DirItem& a, const DirItem& b) { return a.name < b.name; });
  if (items.size() > count_max) items.resize(count_max);
  return items;
}

void DatabaseFolder::make_directory(Mount& mount, Request request, const std::string& name) const {
  // A seal takes as long as it takes: it has threads of its own, and the answer comes when it is durable.
  auto job = [&mount, self = std::static_pointer_cast<const DatabaseFolder>(self()), name,
              request = std::make_shared<Request>(std::move(request))] {
    CallContext context = request->context();
    context.deadline = MonoTime::max();
    const std::string what = "sealing " + self->key() + " as " + name;
    SealOptions options;
    options.label = name;
    auto sealed = mount.repository.seal(self->key(), options, context);
    if (!sealed) {
      log_warning(what + ": " + sealed.error().message());
      request->fail(sealed.error(), what);
      return;
    }
    auto root = SnapshotNode::open_root(mount, self, name + kJustMade, sealed->snapshot.id, context);
    if (!root) {
      request->fail(root.error(), what);
      return;
    }
    auto entry = counted_entry(mount, std::move(*root), kNoTime, context);
    if (!entry) {
      request->fail(entry.error(), what);
    } else if (!request->entry(*entry)) {
      mount.table.release(entry->ino, 1);
    }
  };
  mount.seals.submit(std::move(job));
}

void DatabaseFolder::remove_directory(Mount& mount, Request request, const std::string& name) const {
  if (!mount.options.rmdir_forget) {
    log_warning("rmdir of snapshot " + key() + "@" + name + " was refused: snapshots go by `holdfast forget`, or mount with -o rmdir=forget");
    request.fail(EPERM);
    return;
  }
  log_warning("rmdir of snapshot " + key() + "@" + name + ": forgetting a snapshot is not built yet");
  request.fail(EOPNOTSUPP);
}


Result<fuse_entry_param> AtFolder::look_up(Mount& mount, const std::string& name, const CallContext& context) const {
  const auto moment = parse_moment(name, mount.clock.wall_now());
  if (!moment) return Error(ErrorCode::kNotFound, moment.error().message());
  // A folder that the kernel holds stays the same one; what "3h ago" means moves on with every look-up of the folder.
  if (const auto held = std::static_pointer_cast<MomentFolder>(mount.table.acquire_held(id(), name))) {
    held->set_moment(*moment);
    return held_entry(mount, held, kListTimeout, context);
  }
  return counted_entry(mount, std::make_shared<MomentFolder>(self(), name, *moment), kListTimeout, context);
}

Result<std::vector<DirItem>> AtFolder::list(Mount&, const std::string&, std::size_t, bool, const CallContext&) const {
  return std::vector<DirItem>{};
}

Result<struct stat> MomentFolder::attributes(Mount& mount, const CallContext&) const {
  return folder_stat(mount, id(), 0755, mount.started);
}

Result<fuse_entry_param> MomentFolder::look_up(Mount& mount, const std::string& name, const CallContext& context) const {
  HOLDFAST_ASSIGN(const auto info, mount.repository.at(name, moment_));
  const std::string alias = alias_key(name, info.id);
  if (const auto held = mount.table.acquire_held(id(), alias)) return held_entry(mount, held, kListTimeout, context);
  HOLDFAST_ASSIGN(auto node, SnapshotNode::open_root(mount, self(), alias, info.id, context));
  return counted_entry(mount, std::move(node), kListTimeout, context);
}

Result<std::vector<DirItem>> MomentFolder::list(Mount& mount, const std::string& after, std::size_t count_max, bool,
                                                const CallContext&) const {
  std::vector<DirItem> items;
  for (const std::string& database : mount.names.databases()) {
    const auto info = mount.repository.at(database, moment_);
    if (info) items.push_back(plain_item(database, public_ino(space_of(info->id.hex()), 1), S_IFDIR));
  }
  return slice_items(std::move(items), after, count_max);
}

}  // namespace holdfast::fs
