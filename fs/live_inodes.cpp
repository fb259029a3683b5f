// SPDX-License-Identifier: Apache-2.0
// Requests on inodes of live trees: attributes, links, extended attributes.
#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>

#include "core/live/live_error.h"
#include "fs/attributes.h"
#include "fs/live_branch.h"
#include "fs/mount.h"
#include "fs/slowly.h"
#include "fs/snapshot_node.h"

namespace holdfast::fs {

namespace {

constexpr double kLiveTimeout = 60;
const std::string kCapability = "security.capability";

/// Access control lists and whatever else the kernel calls system.* are not kept.
bool is_unsupported(std::string_view name) { return name.starts_with("system."); }

SetAttributes changes_of(const struct stat& wanted, int valid, WallNanos now) {
  const auto has = [valid](int bit) { return (valid & bit) != 0; };
  SetAttributes changes;
  if (has(FUSE_SET_ATTR_MODE)) changes.mode = wanted.st_mode & 07777U;
  if (has(FUSE_SET_ATTR_UID)) changes.uid = wanted.st_uid;
  if (has(FUSE_SET_ATTR_GID)) changes.gid = wanted.st_gid;
  if (has(FUSE_SET_ATTR_SIZE)) changes.size_bytes = static_cast<std::uint64_t>(wanted.st_size);
  if (has(FUSE_SET_ATTR_ATIME)) changes.atime = has(FUSE_SET_ATTR_ATIME_NOW) ? now : from_timespec(wanted.st_atim);
  if (has(FUSE_SET_ATTR_MTIME)) changes.mtime = has(FUSE_SET_ATTR_MTIME_NOW) ? now : from_timespec(wanted.st_mtim);
  if (has(FUSE_SET_ATTR_CTIME)) changes.ctime = from_timespec(wanted.st_ctim);
  return changes;
}

}  // namespace

void LiveBranch::attributes(Request request, NodeId id) {
  run_slowly(mount_, std::move(request), [this, id](Request asked) {
    const Target at = target(id);
    const auto found = at.database.tree.attributes(at.ino, asked.context());
    if (found) {
      asked.attributes(to_stat(*found, at.database.space), kLiveTimeout);
    } else {
      asked.fail(found.error(), subject(id, "reading attributes in"));
    }
  });
}

void LiveBranch::drop_capability(const Target& at, const CallContext& context) {
  // Absent most of the time, which is no error here; a real one shows at the next use of the inode.
  (void)at.database.tree.remove_xattr(at.ino, kCapability, context).has_value();
}

void LiveBranch::set_attributes(Request request, NodeId id, const struct stat& wanted, int valid) {
  SetAttributes changes = changes_of(wanted, valid, mount_.clock.wall_now());
  const bool chown = changes.uid || changes.gid;
  // FUSE_HANDLE_KILLPRIV_V2: chown always takes suid, sgid and capabilities away, truncation takes the bits unless the caller may keep them.
  const bool killpriv = mount_.channel.has_killpriv();
  const bool kill_bits = killpriv && (chown || KernelChannel::current().kill_suidgid);
  const bool kill_capability = killpriv && (chown || changes.size_bytes);
  run_slowly(mount_, std::move(request), [this, id, changes, kill_bits, kill_capability](Request asked) mutable {
    const Target at = target(id);
    const CallContext context = asked.context();
    if (kill_bits || kill_capability) {
      const auto before = at.database.tree.attributes(at.ino, context);
      const bool directory = before && S_ISDIR(before->mode);
      changes.clear_suid = kill_bits && !directory && !changes.mode;
      if (kill_capability && !directory) drop_capability(at, context);
    }
    const auto after = at.database.tree.set_attributes(at.ino, changes, context);
    if (after) {
      asked.attributes(to_stat(*after, at.database.space), kLiveTimeout);
    } else {
      asked.fail(after.error(), subject(id, "changing attributes in"));
    }
  });
}

void LiveBranch::read_link(Request request, NodeId id) {
  run_slowly(mount_, std::move(request), [this, id](Request asked) {
    const Target at = target(id);
    const auto link = at.database.tree.read_link(at.ino, asked.context());
    if (link) {
      asked.link_target(*link);
    } else {
      asked.fail(link.error(), subject(id, "reading a link in"));
    }
  });
}

void LiveBranch::get_xattr(Request request, NodeId id, const std::string& name, std::size_t size) {
  if (is_unsupported(name)) {
    request.fail(EOPNOTSUPP);
    return;
  }
  run_slowly(mount_, std::move(request), [this, id, name, size](Request asked) {
    const Target at = target(id);
    const CallContext context = asked.context();
    Result<std::string> value = name_error(NameRefusal::kNoAttribute, "no attribute " + name);
    if (name == "user.holdfast.completeness" || name == "user.holdfast.completeness_reason") {
      const bool with_reason = name.ends_with("_reason");
      const auto judged = mount_.repository.judge_live(at.database.name, at.ino, with_reason, context);
      if (!judged) {
        value = judged.error();
      } else {
        value = with_reason ? judged->reason : std::string(completeness_name(judged->completeness));
      }
    } else if (name == "user.holdfast.database") {
      value = at.database.name;
    } else if (name == "user.holdfast.notice") {
      if (std::string notice = mount_.repository.notice(at.database.name); !notice.empty()) value = std::move(notice);
    } else if (name == "user.holdfast.state") {
      value = std::string("live");
    } else if (!name.starts_with(kHoldfastPrefix)) {
      value = at.database.tree.get_xattr(at.ino, name, context);
    }
    if (value) {
      asked.attribute_value(*value, size);
    } else {
      asked.fail(value.error(), subject(id, "reading an attribute in"));
    }
  });
}

void LiveBranch::list_xattrs(Request request, NodeId id, std::size_t size) {
  run_slowly(mount_, std::move(request), [this, id, size](Request asked) {
    const Target at = target(id);
    const auto names = at.database.tree.list_xattrs(at.ino, asked.context());
    if (!names) {
      asked.fail(names.error(), subject(id, "listing attributes in"));
      return;
    }
    std::string list;
    for (const std::string& name : *names) {
      if (name.starts_with("trusted.") && asked.caller().uid != 0) continue;  // as local filesystems do
      list.append(name).push_back('\0');
    }
    asked.attribute_value(list, size);
  });
}

void LiveBranch::set_xattr(Request request, NodeId id, const std::string& name, std::string value, int flags) {
  if (is_unsupported(name)) {
    request.fail(EOPNOTSUPP);
    return;
  }
  if (name.starts_with(kHoldfastPrefix)) {
    request.fail(EPERM);
    return;
  }
  const auto mode = flags == XATTR_CREATE ? LiveTree::XattrMode::kCreate
                    : flags == XATTR_REPLACE ? LiveTree::XattrMode::kReplace
                                             : LiveTree::XattrMode::kSet;
  run_slowly(mount_, std::move(request), [this, id, name, value = std::move(value), mode](Request asked) {
    const Target at = target(id);
    const CallContext context = asked.context();
    const Status set = at.database.tree.set_xattr(at.ino, name, value, mode, context);
    if (set && name == kCapability) ++at.database.capability_changes;
    asked.finish(set, subject(id, "setting an attribute in"));
  });
}

void LiveBranch::remove_xattr(Request request, NodeId id, const std::string& name) {
  if (is_unsupported(name)) {
    request.fail(EOPNOTSUPP);
    return;
  }
  run_slowly(mount_, std::move(request), [this, id, name](Request asked) {
    const Target at = target(id);
    const CallContext context = asked.context();
    asked.finish(at.database.tree.remove_xattr(at.ino, name, context), subject(id, "removing an attribute in"));
  });
}

}  // namespace holdfast::fs
