// SPDX-License-Identifier: Apache-2.0
#include "fs/snapshot_node.h"

#include "core/live/live_error.h"
#include "core/tree/content.h"
#include "core/tree/tree.h"
#include "fs/attributes.h"
#include "fs/errno_map.h"
#include "fs/mount.h"
#include "fs/snapshot_file.h"

namespace holdfast::fs {

namespace {
constexpr std::size_t kLinkTargetMaxBytes = 4095;  // PATH_MAX less its end

TreeRoot tree_root(const std::unique_ptr<const NodeRef>& directory) {
  return directory ? TreeRoot(*directory) : std::nullopt;
}
}  // namespace

SnapshotNode::SnapshotNode(const OpenedSnapshot* snapshot, std::shared_ptr<const Node> parent, std::string key, const Inode& inode)
    : ViewNode(std::move(parent), std::move(key)),
      snapshot_(snapshot),
      shown_(shown_attributes(inode)),
      completeness_(inode.completeness),
      has_xattrs_(!inode.xattrs.empty()) {
  if (const auto* content = std::get_if<DirectoryContent>(&inode.content)) {
    directory_ = std::make_unique<const NodeRef>(content->root);
  }
}

Result<std::shared_ptr<SnapshotNode>> SnapshotNode::open_root(Mount& mount, std::shared_ptr<const Node> parent,
                                                              std::string key, const SnapshotId& id,
                                                              const CallContext& context) {
  HOLDFAST_ASSIGN(auto view, mount.repository.open_snapshot(id, context));
  if (!view.root.is_directory()) return Error(ErrorCode::kCorrupt, "the root of snapshot " + id.hex() + " is no directory");
  auto opened = std::make_shared<OpenedSnapshot>();
  opened->space = space_of(id.hex());
  opened->view = std::move(view);
  auto node = std::make_shared<SnapshotNode>(opened.get(), std::move(parent), std::move(key), opened->view.root);
  node->opened_ = std::move(opened);
  return node;
}

double SnapshotNode::attribute_timeout() const { return kForEver; }

std::string SnapshotNode::describe() const {
  std::string path;
  const SnapshotNode* at = this;
  while (!at->is_root()) {
    path.insert(0, at->key()).insert(0, "/");
    at = static_cast<const SnapshotNode*>(at->parent().get());
  }
  const SnapshotInfo& info = snapshot_->view.info;
  return "snapshot " + info.database + "@" + info.name + ":" + path;
}

Result<Inode> SnapshotNode::resolved(Mount& mount, Inode inode, const CallContext& context) const {
  if (!std::holds_alternative<LinkTableContent>(inode.content)) return inode;
  const TreeReader reader(mount.repository.source());
  HOLDFAST_ASSIGN(auto linked, data_result(reader.find_link(snapshot_->view.links, inode.ino, context)));
  if (!linked) return Error(ErrorCode::kCorrupt, "a hard link to inode " + std::to_string(inode.ino) + " that is not in the link table");
  return *std::move(linked);
}

Result<fuse_entry_param> SnapshotNode::child_entry(Mount& mount, const std::string& name, Inode inode,
                                                   const CallContext& context) const {
  HOLDFAST_ASSIGN(auto real, resolved(mount, std::move(inode), context));
  auto full = std::make_shared<const Inode>(std::move(real));
  HOLDFAST_ASSIGN(auto entry, counted_entry(mount, std::make_shared<SnapshotNode>(snapshot_, self(), name, *full),
                                            kForEver, context));
  mount.recent.put(entry.ino, std::move(full));
  return entry;
}

Result<fuse_entry_param> SnapshotNode::look_up(Mount& mount, const std::string& name, const CallContext& context) const {
  if (!is_directory()) return ViewNode::look_up(mount, name, context);
  const TreeReader reader(mount.repository.source());
  HOLDFAST_ASSIGN(auto found, data_result(reader.find(tree_root(directory_), name, context)));
  if (!found) {
    fuse_entry_param absent{};  // node 0: the kernel may remember that there is no such name
    absent.entry_timeout = kForEver;
    return absent;
  }
  return child_entry(mount, name, std::move(found->inode), context);
}

Result<std::vector<DirItem>> SnapshotNode::list(Mount& mount, const std::string& after, std::size_t count_max, bool plus,
                                                const CallContext& context) const {
  if (!is_directory()) return ViewNode::list(mount, after, count_max, plus, context);
  const TreeReader reader(mount.repository.source());
  HOLDFAST_ASSIGN(auto entries, data_result(reader.list(tree_root(directory_), after, count_max, context)));
  std::vector<DirItem> items;
  items.reserve(entries.size());
  for (Entry& child : entries) {
    if (!plus) {
      items.push_back(plain_item(child.name, public_ino(snapshot_->space, child.inode.ino), child.inode.mode));
      continue;
    }
    DirItem item;
    item.name = child.name;
    auto entry = child_entry(mount, child.name, std::move(child.inode), context);
    if (!entry) {
      for (const DirItem& given : items) mount.table.release(given.entry.ino, 1);
      return std::move(entry).error();
    }
    item.entry = *entry;
    item.counted = true;
    items.push_back(std::move(item));
  }
  return items;
}

Result<std::shared_ptr<const Inode>> SnapshotNode::inode(Mount& mount, const CallContext& context) const {
  if (is_root()) return std::make_shared<const Inode>(snapshot_->view.root);
  if (auto recent = mount.recent.find(id())) return recent;
  const auto& above = static_cast<const SnapshotNode&>(*parent());
  const TreeReader reader(mount.repository.source());
  HOLDFAST_ASSIGN(auto found, data_result(reader.find(tree_root(above.directory_), key(), context)));
  if (!found) return Error(ErrorCode::kCorrupt, "an entry of a sealed directory is gone");
  HOLDFAST_ASSIGN(auto real, resolved(mount, std::move(found->inode), context));
  auto full = std::make_shared<const Inode>(std::move(real));
  mount.recent.put(id(), full);
  return full;
}

Result<std::string> SnapshotNode::read_link(Mount& mount, const CallContext& context) const {
  if (!S_ISLNK(shown_.mode)) return ViewNode::read_link(mount, context);
  HOLDFAST_ASSIGN(auto full, inode(mount, context));
  if (full->size_bytes > kLinkTargetMaxBytes) return Error(ErrorCode::kCorrupt, "a symbolic link with too long a target");
  std::string target(full->size_bytes, '\0');
  const MutableByteView out(reinterpret_cast<std::uint8_t*>(target.data()), target.size());
  HOLDFAST_ASSIGN(const auto size, data_result(ContentReader(mount.repository.source()).read(*full, 0, out, context)));
  target.resize(size);
  return target;
}

Result<std::shared_ptr<ReadableHandle>> SnapshotNode::open(Mount& mount, fuse_file_info& info,
                                                           const CallContext& context) const {
  if (!S_ISREG(shown_.mode)) return ViewNode::open(mount, info, context);
  HOLDFAST_ASSIGN(auto full, inode(mount, context));
  info.keep_cache = 1;
  std::shared_ptr<ReadableHandle> handle = std::make_shared<SnapshotFile>(mount, self(), std::move(full));
  return handle;
}

Result<std::string> SnapshotNode::attribute(Mount& mount, const std::string& name, const CallContext& context) const {
  if (name.starts_with(kHoldfastPrefix)) {
    // State and networks change after a snapshot was opened.
    const SnapshotInfo info = mount.repository.resolve(snapshot_->view.info.id.hex()).value_or(snapshot_->view.info);
    const auto value = snapshot_attribute(info, std::string_view(name).substr(kHoldfastPrefix.size()),
                                          is_root() ? std::nullopt : std::optional(completeness_));
    if (value) return *value;
  } else if (has_xattrs_) {
    HOLDFAST_ASSIGN(auto full, inode(mount, context));
    const auto found = full->xattrs.find(name);
    if (found != full->xattrs.end()) return found->second;
  }
  return name_error(NameRefusal::kNoAttribute, "no attribute " + name);
}

Result<std::vector<std::string>> SnapshotNode::attribute_names(Mount& mount, const CallContext& context) const {
  // Ours are not listed, so that what copies attributes (rsync -X, cp -a) finds a copy equal to its original.
  std::vector<std::string> names;
  if (!has_xattrs_) return names;
  HOLDFAST_ASSIGN(auto full, inode(mount, context));
  for (const auto& [name, value] : full->xattrs) names.push_back(name);
  return names;
}

}  // namespace holdfast::fs
