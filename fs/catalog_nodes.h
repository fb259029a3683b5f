// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "core/repo/repository.h"
#include "fs/view_node.h"

namespace holdfast::fs {

/// Registers /, /live, /snapshots, /at and /.holdfast with its files under their fixed ids.
void add_fixed_nodes(Mount& mount);

/// A folder that we make up, with a fixed id.
class FixedFolder : public ViewNode {
 public:
  using ViewNode::ViewNode;
  Result<struct stat> attributes(Mount& mount, const CallContext& context) const override;
  [[nodiscard]] bool is_directory() const override { return true; }
  [[nodiscard]] std::string describe() const override { return "/" + key(); }

 protected:
  /// The entry of another node with a fixed id.
  static Result<fuse_entry_param> fixed_entry(Mount& mount, NodeId id, const CallContext& context);
};

/// The mountpoint.
class RootFolder final : public FixedFolder {
 public:
  using FixedFolder::FixedFolder;
  Result<fuse_entry_param> look_up(Mount& mount, const std::string& name, const CallContext& context) const override;
  Result<std::vector<DirItem>> list(Mount& mount, const std::string& after, std::size_t count_max, bool plus,
                                    const CallContext& context) const override;
};

/// /.holdfast: status for scripts.
class StatusFolder final : public FixedFolder {
 public:
  using FixedFolder::FixedFolder;
  Result<fuse_entry_param> look_up(Mount& mount, const std::string& name, const CallContext& context) const override;
  Result<std::vector<DirItem>> list(Mount& mount, const std::string& after, std::size_t count_max, bool plus,
                                    const CallContext& context) const override;
};

/// /live: one folder for each database; mkdir makes a database.
class LiveFolder final : public FixedFolder {
 public:
  using FixedFolder::FixedFolder;
  Result<fuse_entry_param> look_up(Mount& mount, const std::string& name, const CallContext& context) const override;
  Result<std::vector<DirItem>> list(Mount& mount, const std::string& after, std::size_t count_max, bool plus,
                                    const CallContext& context) const override;
  void make_directory(Mount& mount, Request request, const std::string& name) const override;
  void remove_directory(Mount& mount, Request request, const std::string& name) const override;
  [[nodiscard]] int change_errno() const override;
};

/// /snapshots: one folder for each database.
class SnapshotsFolder final : public FixedFolder {
 public:
  using FixedFolder::FixedFolder;
  Result<fuse_entry_param> look_up(Mount& mount, const std::string& name, const CallContext& context) const override;
  Result<std::vector<DirItem>> list(Mount& mount, const std::string& after, std::size_t count_max, bool plus,
                                    const CallContext& context) const override;
};

/// /snapshots/<db>: sealed snapshots, labels and `latest` as links; mkdir seals.
class DatabaseFolder final : public ViewNode {
 public:
  DatabaseFolder(std::shared_ptr<const Node> parent, std::string database) : ViewNode(std::move(parent), std::move(database)) {}
  Result<struct stat> attributes(Mount& mount, const CallContext& context) const override;
  [[nodiscard]] bool is_directory() const override { return true; }
  [[nodiscard]] std::string describe() const override { return "/snapshots/" + key(); }
  Result<fuse_entry_param> look_up(Mount& mount, const std::string& name, const CallContext& context) const override;
  Result<std::vector<DirItem>> list(Mount& mount, const std::string& after, std::size_t count_max, bool plus,
                                    const CallContext& context) const override;
  void make_directory(Mount& mount, Request request, const std::string& name) const override;
  void remove_directory(Mount& mount, Request request, const std::string& name) const override;
};

/// /at: a folder for each moment that is asked for; lists nothing.
class AtFolder final : public FixedFolder {
 public:
  using FixedFolder::FixedFolder;
  Result<fuse_entry_param> look_up(Mount& mount, const std::string& name, const CallContext& context) const override;
  Result<std::vector<DirItem>> list(Mount& mount, const std::string& after, std::size_t count_max, bool plus,
                                    const CallContext& context) const override;
};

/// /at/<moment>: every database as it was. Its folders are directories with nodes of their own (not those of /snapshots), so that neither
/// name moves the other's dentry and `cd ..`, find and cp -r work as anywhere.
class MomentFolder final : public ViewNode {
 public:
  MomentFolder(std::shared_ptr<const Node> parent, std::string name, WallNanos moment)
      : ViewNode(std::move(parent), std::move(name)), moment_(moment) {}
  void set_moment(WallNanos moment) noexcept { moment_ = moment; }
  Result<struct stat> attributes(Mount& mount, const CallContext& context) const override;
  [[nodiscard]] bool is_directory() const override { return true; }
  [[nodiscard]] std::string describe() const override { return "/at/" + key(); }
  Result<fuse_entry_param> look_up(Mount& mount, const std::string& name, const CallContext& context) const override;
  Result<std::vector<DirItem>> list(Mount& mount, const std::string& after, std::size_t count_max, bool plus,
                                    const CallContext& context) const override;

 private:
  std::atomic<WallNanos> moment_;
};

}  // namespace holdfast::fs
