// SPDX-License-Identifier: Apache-2.0
#include "fs/catalog_nodes.h"

#include <cerrno>

#include "core/base/log.h"
#include "fs/mount.h"
#include "fs/status_text.h"

namespace holdfast::fs {

void add_fixed_nodes(Mount& mount) {
  const auto root = std::make_shared<RootFolder>(nullptr, "");
  mount.table.add_fixed(kRootId, root);
  mount.table.add_fixed(kLiveId, std::make_shared<LiveFolder>(root, "live"));
  mount.table.add_fixed(kSnapshotsId, std::make_shared<SnapshotsFolder>(root, "snapshots"));
  mount.table.add_fixed(kAtId, std::make_shared<AtFolder>(root, "at"));
  const auto status = std::make_shared<StatusFolder>(root, ".holdfast");
  mount.table.add_fixed(kStatusId, status);
  mount.table.add_fixed(kStatusJsonId, std::make_shared<TextNode>(status, "status.json", &status_json));
  mount.table.add_fixed(kMetricsId, std::make_shared<TextNode>(status, "metrics", &metrics_text));
}

Result<struct stat> FixedFolder::attributes(Mount& mount, const CallContext&) const {
  return folder_stat(mount, id(), 0755, mount.started);
}

Result<fuse_entry_param> FixedFolder::fixed_entry(Mount& mount, NodeId id, const CallContext& context) {
  const auto node = std::static_pointer_cast<ViewNode>(mount.table.find(id));
  fuse_entry_param entry{};
  entry.ino = id;
  HOLDFAST_ASSIGN(entry.attr, node->attributes(mount, context));
  entry.attr_timeout = node->attribute_timeout();
  entry.entry_timeout = kForEver;
  return entry;
}

Result<fuse_entry_param> RootFolder::look_up(Mount& mount, const std::string& name, const CallContext& context) const {
  if (name == "live") return fixed_entry(mount, kLiveId, context);
  if (name == "snapshots") return fixed_entry(mount, kSnapshotsId, context);
  if (name == "at") return fixed_entry(mount, kAtId, context);
  if (name == ".holdfast") return fixed_entry(mount, kStatusId, context);
  return Error(ErrorCode::kNotFound, "no " + name + " in the mountpoint");
}

Result<std::vector<DirItem>> RootFolder::list(Mount&, const std::string& after, std::size_t count_max, bool,
                                              const CallContext&) const {
  std::vector<DirItem> items;
  items.push_back(plain_item("at", kAtId, S_IFDIR));
  items.push_back(plain_item("live", kLiveId, S_IFDIR));
  items.push_back(plain_item("snapshots", kSnapshotsId, S_IFDIR));
  return slice_items(std::move(items), after, count_max);
}

Result<fuse_entry_param> StatusFolder::look_up(Mount& mount, const std::string& name, const CallContext& context) const {
  if (name == "status.json") return fixed_entry(mount, kStatusJsonId, context);
  if (name == "metrics") return fixed_entry(mount, kMetricsId, context);
  return Error(ErrorCode::kNotFound, "no " + name + " in .holdfast");
}

Result<std::vector<DirItem>> StatusFolder::list(Mount&, const std::string& after, std::size_t count_max, bool,
                                                const CallContext&) const {
  std::vector<DirItem> items;
  items.push_back(plain_item("metrics", kMetricsId, S_IFREG));
  items.push_back(plain_item("status.json", kStatusJsonId, S_IFREG));
  return slice_items(std::move(items), after, count_max);
}

Result<fuse_entry_param> LiveFolder::look_up(Mount& mount, const std::string& name, const CallContext& context) const {
  return mount.live.database_entry(name, context);
}

Result<std::vector<DirItem>> LiveFolder::list(Mount& mount, const std::string& after, std::size_t count_max, bool,
                                              const CallContext&) const {
  std::vector<DirItem> items;
  for (const std::string& database : mount.names.live_databases()) {
    items.push_back(plain_item(database, mount.live.root_public_ino(database), S_IFDIR));
  }
  return slice_items(std::move(items), after, count_max);
}

void LiveFolder::make_directory(Mount& mount, Request request, const std::string& name) const {
  const fuse_ctx caller = request.caller();
  const CallContext context = request.context();
  const Status made = mount.repository.create_database(name, DatabasePolicy{}, caller.uid, caller.gid);
  if (!made) {
    request.fail(made.error(), "making database " + name);
    return;
  }
  auto entry = mount.live.database_entry(name, context);
  if (!entry) {
    request.fail(entry.error(), "making database " + name);
    return;
  }
  (void)request.entry(*entry);  // roots of live trees are not counted
}

void LiveFolder::remove_directory(Mount&, Request request, const std::string& name) const {
  log_warning("rmdir of /live/" + name + " was refused: a database and its history are not removed through the folder");
  request.fail(EPERM);
}

int LiveFolder::change_errno() const { return EPERM; }

Result<fuse_entry_param> SnapshotsFolder::look_up(Mount& mount, const std::string& name, const CallContext& context) const {
  if (!mount.names.has_database(name)) return Error(ErrorCode::kNotFound, "no database " + name);
  return counted_entry(mount, std::make_shared<DatabaseFolder>(self(), name), kListTimeout, context);
}

Result<std::vector<DirItem>> SnapshotsFolder::list(Mount& mount, const std::string& after, std::size_t count_max, bool,
                                                   const CallContext&) const {
  std::vector<DirItem> items;
  for (const std::string& database : mount.names.databases()) items.push_back(plain_item(database, 1, S_IFDIR));
  return slice_items(std::move(items), after, count_max);
}

}  // namespace holdfast::fs
