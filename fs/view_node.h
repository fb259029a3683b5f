// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fs/dir_stream.h"
#include "fs/inode_table.h"
#include "fs/request.h"

namespace holdfast::fs {

struct Mount;

/// What an open file or directory is to us; the kernel keeps a pointer to a shared pointer to it (handle_cast.h).
class Handle {
 public:
  Handle() = default;
  virtual ~Handle() = default;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
};

class DirHandle final : public Handle {
 public:
  template <typename... Arguments>
  explicit DirHandle(Arguments&&... arguments) : stream(std::forward<Arguments>(arguments)...) {}
  DirStream stream;
};

/// An open file of a read-only branch. Safe from any thread.
class ReadableHandle : public Handle {
 public:
  /// Answers with up to `size` bytes from `offset`; fewer only at the end.
  virtual void read(Request request, std::size_t size, std::uint64_t offset) = 0;
  /// lseek(2) with SEEK_DATA or SEEK_HOLE; EINVAL unless overridden.
  virtual void seek(Request request, std::uint64_t offset, int whence);
};

/// A node of the branches that cannot be written: /, /live itself, /snapshots, /at, /.holdfast and all below the last three. The defaults are those of a thing that
/// is neither directory nor file nor link and has no attributes. Safe from any thread.
class ViewNode : public Node {
 public:
  using Node::Node;

  virtual Result<struct stat> attributes(Mount& mount, const CallContext& context) const = 0;
  /// How long the kernel may keep the attributes, in seconds.
  [[nodiscard]] virtual double attribute_timeout() const { return 1; }
  /// How messages call it.
  [[nodiscard]] virtual std::string describe() const = 0;

  // Directories.
  [[nodiscard]] virtual bool is_directory() const { return false; }
  /// An entry whose node is counted once (if it is of the kind that is counted). Errors: kNotFound; those of sources.
  virtual Result<fuse_entry_param> look_up(Mount& mount, const std::string& name, const CallContext& context) const;
  /// As DirStream::Fetch.
  virtual Result<std::vector<DirItem>> list(Mount& mount, const std::string& after, std::size_t count_max, bool plus,
                                            const CallContext& context) const;
  /// Whether the kernel may keep the listing for ever.
  [[nodiscard]] virtual bool has_constant_listing() const { return false; }
  /// mkdir and rmdir of a name in it; EROFS unless overridden.
  virtual void make_directory(Mount& mount, Request request, const std::string& name) const;
  virtual void remove_directory(Mount& mount, Request request, const std::string& name) const;
  /// The errno of every other change to a name in it.
  [[nodiscard]] virtual int change_errno() const;

  // Links and files.
  virtual Result<std::string> read_link(Mount& mount, const CallContext& context) const;
  virtual Result<std::shared_ptr<ReadableHandle>> open(Mount& mount, fuse_file_info& info, const CallContext& context) const;

  // Extended attributes. Errors: kNotFound with NameRefusal::kNoAttribute.
  virtual Result<std::string> attribute(Mount& mount, const std::string& name, const CallContext& context) const;
  virtual Result<std::vector<std::string>> attribute_names(Mount& mount, const CallContext& context) const;

 protected:
  [[nodiscard]] std::shared_ptr<const ViewNode> self() const {
    return std::static_pointer_cast<const ViewNode>(shared_from_this());
  }
};

/// Counts `node` and makes the entry that tells the kernel of it.
Result<fuse_entry_param> counted_entry(Mount& mount, std::shared_ptr<ViewNode> node, double entry_timeout,
                                       const CallContext& context);
/// The entry of a node that was counted for it already; an error takes the count back.
Result<fuse_entry_param> held_entry(Mount& mount, const std::shared_ptr<Node>& held, double entry_timeout, const CallContext& context);
/// An entry of a plain listing: type and inode number alone.
DirItem plain_item(std::string name, std::uint64_t ino, std::uint32_t type);
/// The part of a complete, ascending list of items that DirStream asked for.
std::vector<DirItem> slice_items(std::vector<DirItem> all, const std::string& after, std::size_t count_max);
/// Attributes of a folder that we make up.
struct stat folder_stat(const Mount& mount, std::uint64_t ino, std::uint32_t permissions, WallNanos time);

/// A symbolic link that we make up.
class LinkNode final : public ViewNode {
 public:
  LinkNode(std::shared_ptr<const Node> parent, std::string key, std::string target, WallNanos time)
      : ViewNode(std::move(parent), std::move(key)), target_(std::move(target)), time_(time) {}
  Result<struct stat> attributes(Mount& mount, const CallContext& context) const override;
  [[nodiscard]] std::string describe() const override { return "link to " + target_; }
  Result<std::string> read_link(Mount&, const CallContext&) const override { return target_; }

 private:
  const std::string target_;
  const WallNanos time_;
};

/// A read-only file whose text is made when it is opened (/.holdfast/status.json and metrics).
class TextNode final : public ViewNode {
 public:
  using Make = std::string (*)(Mount&);
  TextNode(std::shared_ptr<const Node> parent, std::string name, Make make)
      : ViewNode(std::move(parent), std::move(name)), make_(make) {}
  Result<struct stat> attributes(Mount& mount, const CallContext& context) const override;
  [[nodiscard]] std::string describe() const override { return "/.holdfast/" + key(); }
  Result<std::shared_ptr<ReadableHandle>> open(Mount& mount, fuse_file_info& info, const CallContext&) const override;

 private:
  const Make make_;
};

}  // namespace holdfast::fs
