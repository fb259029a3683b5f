// SPDX-License-Identifier: Apache-2.0
#include "fs/view_node.h"

#include <algorithm>
#include <cerrno>

#include "core/live/live_error.h"
#include "fs/attributes.h"
#include "fs/mount.h"

namespace holdfast::fs {

void ReadableHandle::seek(Request request, std::uint64_t, int) { request.fail(EINVAL); }

Result<fuse_entry_param> ViewNode::look_up(Mount&, const std::string&, const CallContext&) const {
  return name_error(NameRefusal::kNotDirectory, describe() + " is not a directory");
}
Result<std::vector<DirItem>> ViewNode::list(Mount&, const std::string&, std::size_t, bool, const CallContext&) const {
  return name_error(NameRefusal::kNotDirectory, describe() + " is not a directory");
}
int ViewNode::change_errno() const { return EROFS; }
void ViewNode::make_directory(Mount&, Request request, const std::string&) const { request.fail(change_errno()); }
void ViewNode::remove_directory(Mount&, Request request, const std::string&) const { request.fail(change_errno()); }
Result<std::string> ViewNode::read_link(Mount&, const CallContext&) const {
  return Error(ErrorCode::kInvalidArgument, describe() + " is not a symbolic link");
}
Result<std::shared_ptr<ReadableHandle>> ViewNode::open(Mount&, fuse_file_info&, const CallContext&) const {
  return name_error(NameRefusal::kIsDirectory, describe() + " is not a file");
}
Result<std::string> ViewNode::attribute(Mount&, const std::string& name, const CallContext&) const {
  return name_error(NameRefusal::kNoAttribute, "no attribute " + name);
}
Result<std::vector<std::string>> ViewNode::attribute_names(Mount&, const CallContext&) const {
  return std::vector<std::string>{};
}

Result<fuse_entry_param> counted_entry(Mount& mount, std::shared_ptr<ViewNode> node, double entry_timeout,
                                       const CallContext& context) {
  return held_entry(mount, mount.table.acquire(std::move(node)), entry_timeout, context);
}

Result<fuse_entry_param> held_entry(Mount& mount, const std::shared_ptr<Node>& node, double entry_timeout, const CallContext& context) {
  const auto held = std::static_pointer_cast<ViewNode>(node);
  fuse_entry_param entry{};
  entry.ino = held->id();
  auto attributes = held->attributes(mount, context);
  if (!attributes) {
    mount.table.release(held->id(), 1);
    return std::move(attributes).error();
  }
  entry.attr = *attributes;
  entry.attr_timeout = held->attribute_timeout();
  entry.entry_timeout = entry_timeout;
  return entry;
}

DirItem plain_item(std::string name, std::uint64_t ino, std::uint32_t type) {
  DirItem item;
  item.name = std::move(name);
  item.entry.attr.st_ino = ino;
  item.entry.attr.st_mode = type & S_IFMT;
  return item;
}

std::vector<DirItem> slice_items(std::vector<DirItem> all, const std::string& after, std::size_t count_max) {
  auto first = all.begin();
  if (!after.empty()) {
    first = std::upper_bound(all.begin(), all.end(), after,
                             [](const std::string& name, const DirItem& item) { return name < item.name; });
  }
  all.erase(all.begin(), first);
  if (all.size() > count_max) all.erase(all.begin() + static_cast<std::ptrdiff_t>(count_max), all.end());
  return all;
}

struct stat folder_stat(const Mount& mount, std::uint64_t ino, std::uint32_t permissions, WallNanos time) {
  struct stat result{};
  result.st_ino = ino;
  result.st_mode = S_IFDIR | permissions;
  result.st_nlink = 2;
  result.st_uid = mount.options.uid;
  result.st_gid = mount.options.gid;
  result.st_atim = result.st_mtim = result.st_ctim = to_timespec(time);
  return result;
}

Result<struct stat> LinkNode::attributes(Mount& mount, const CallContext&) const {
  struct stat result = folder_stat(mount, id(), 0, time_);
  result.st_mode = S_IFLNK | 0777;
  result.st_nlink = 1;
  result.st_size = static_cast<off_t>(target_.size());
  return result;
}

namespace {
class TextHandle final : public ReadableHandle {
 public:
  explicit TextHandle(std::string text) : text_(std::move(text)) {}
  void read(Request request, std::size_t size, std::uint64_t offset) override {
    request.text(offset < text_.size() ? std::string_view(text_).substr(offset, size) : std::string_view{});
  }

 private:
  const std::string text_;
};
}  // namespace

Result<struct stat> TextNode::attributes(Mount& mount, const CallContext&) const {
  struct stat result = folder_stat(mount, id(), 0, mount.clock.wall_now());
  result.st_mode = S_IFREG | 0444;
  result.st_nlink = 1;
  return result;
}

Result<std::shared_ptr<ReadableHandle>> TextNode::open(Mount& mount, fuse_file_info& info, const CallContext&) const {
  info.direct_io = 1;  // the size is not known before, so it is given as 0
  std::shared_ptr<ReadableHandle> handle = std::make_shared<TextHandle>(make_(mount));
  return handle;
}

}  // namespace holdfast::fs
