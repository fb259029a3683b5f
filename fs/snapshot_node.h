// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "core/repo/repository.h"
#include "core/tree/inode.h"
#include "fs/view_node.h"

namespace holdfast::fs {

/// An opened snapshot, shared by all its nodes.
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
  SnapshotNode(std::shared_ptr<const OpenedSnapshot> snapshot, std::shared_ptr<const Node> parent, std::string key,
               const Inode& inode);

  Result<struct stat> attributes(Mount&, const CallContext&) const override { return stat_; }
  [[nodiscard]] double attribute_timeout() const override;
  [[nodiscard]] std::string describe() const override;
  [[nodiscard]] bool is_directory() const override { return S_ISDIR(stat_.st_mode); }
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
  [[nodiscard]] bool is_root() const { return root_; }
  Result<std::shared_ptr<const Inode>> inode(Mount& mount, const CallContext& context) const;
  Result<Inode> resolved(Mount& mount, Inode inode, const CallContext& context) const;
  Result<fuse_entry_param> child_entry(Mount& mount, const std::string& name, Inode inode,
                                       const CallContext& context) const;

  const std::shared_ptr<const OpenedSnapshot> snapshot_;
  struct stat stat_{};
  const Completeness completeness_;
  const bool has_xattrs_;
  bool root_ = false;
  std::unique_ptr<const NodeRef> directory_;  ///< null: an empty directory, or none
};

/// user.holdfast.NAME of a snapshot or, with `file_completeness`, of a file in it; nullopt: no such name.
std::optional<std::string> snapshot_attribute(const SnapshotInfo& info, std::string_view name,
                                              std::optional<Completeness> file_completeness);
inline constexpr std::string_view kHoldfastPrefix = "user.holdfast.";

}  // namespace holdfast::fs
