// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "core/repo/repository.h"
#include "core/tree/inode.h"
#include "fs/attributes.h"
#include "fs/view_node.h"

namespace holdfast::fs {

/// An opened snapshot. Its root owns it; what keeps any of its nodes keeps the root.
struct OpenedSnapshot {
  SnapshotView view;
  std::uint64_t space = 0;  ///< public_ino()'s
};

/// A file, directory or link of a sealed snapshot. Keeps what stat shows; the rest (references, attributes) is read again when it is asked for.
class SnapshotNode final : public ViewNode {
 public:
  /// Opens the snapshot: its root below `parent` under `key`. Errors: those of Repository::open_snapshot.
  static Result<std::shared_ptr<SnapshotNode>> open_root(Mount& mount, std::shared_ptr<const Node> parent,
                                                         std::string key, const SnapshotId& id,
                                                         const CallContext& context);
  SnapshotNode(const OpenedSnapshot* snapshot, std::shared_ptr<const Node> parent, std::string key, const Inode& inode);

  Result<struct stat> attributes(Mount&, const CallContext&) const override { return to_stat(shown_, snapshot_->space); }
  [[nodiscard]] double attribute_timeout() const override;
  [[nodiscard]] std::string describe() const override;
  [[nodiscard]] bool is_directory() const override { return S_ISDIR(shown_.mode); }
  [[nodiscard]] bool is_leaf() const noexcept override { return !is_directory(); }
  Result<fuse_entry_param> look_up(Mount& mount, const std::string& name, const CallContext& context) const override;
  Result<std::vector<DirItem>> list(Mount& mount, const std::string& after, std::size_t count_max, bool plus,
                                    const CallContext& context) const override;
  [[nodiscard]] bool has_constant_listing() const override { return true; }
  Result<std::string> read_link(Mount& mount, const CallContext& context) const override;
  Result<std::shared_ptr<ReadableHandle>> open(Mount& mount, fuse_file_info& info,
                                               const CallContext& context) const override;
  Result<std::string> attribute(Mount& mount, const std::string& name, const CallContext& context) const override;
  Result<std::vector<std::string>> attribute_names(Mount& mount, const CallContext& context) const override;

 private:
  [[nodiscard]] bool is_root() const { return opened_ != nullptr; }
  Result<std::shared_ptr<const Inode>> inode(Mount& mount, const CallContext& context) const;
  Result<Inode> resolved(Mount& mount, Inode inode, const CallContext& context) const;
  Result<fuse_entry_param> child_entry(Mount& mount, const std::string& name, Inode inode,
                                       const CallContext& context) const;

  /// The root's; the others, of which there may be a million, have a root above them as long as they live.
  std::shared_ptr<const OpenedSnapshot> opened_;
  const OpenedSnapshot* const snapshot_;
  const LiveAttributes shown_;
  const Completeness completeness_;
  const bool has_xattrs_;
  std::unique_ptr<const NodeRef> directory_;  ///< null: an empty directory, or none
};

/// user.holdfast.NAME of a snapshot or, with `file_completeness`, of a file in it; nullopt: no such name.
std::optional<std::string> snapshot_attribute(const SnapshotInfo& info, std::string_view name,
                                              std::optional<Completeness> file_completeness);
inline constexpr std::string_view kHoldfastPrefix = "user.holdfast.";

}  // namespace holdfast::fs
