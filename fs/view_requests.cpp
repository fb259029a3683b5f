// SPDX-License-Identifier: Apache-2.0
#include "fs/view_requests.h"

#include <fcntl.h>

#include <cerrno>

#include "fs/handle_cast.h"
#include "fs/live_branch.h"
#include "fs/mount.h"
#include "fs/slowly.h"

namespace holdfast::fs {

namespace {
void uncount(Mount& mount, NodeId id) {
  if (!LiveBranch::owns(id)) mount.table.release(id, 1);  // the only live nodes that views give are roots, which are not counted
}
}  // namespace

void ViewRequests::look_up(Mount& mount, Request request, const NodePtr& node, const std::string& name) {
  run_slowly(mount, std::move(request), [&mount, node, name](Request asked) {
    const auto entry = node->look_up(mount, name, asked.context());
    if (!entry) {
      asked.fail(entry.error(), "looking up " + name + " in " + node->describe());
    } else if (!asked.entry(*entry) && entry->ino != 0) {
      uncount(mount, entry->ino);
    }
  });
}

void ViewRequests::attributes(Mount& mount, Request request, const NodePtr& node) {
  const auto found = node->attributes(mount, request.context());
  if (found) {
    request.attributes(*found, node->attribute_timeout());
  } else {
    request.fail(found.error(), "reading attributes of " + node->describe());
  }
}

void ViewRequests::read_link(Mount& mount, Request request, const NodePtr& node) {
  run_slowly(mount, std::move(request), [&mount, node](Request asked) {
    const auto target = node->read_link(mount, asked.context());
    if (target) {
      asked.link_target(*target);
    } else {
      asked.fail(target.error(), "reading the link " + node->describe());
    }
  });
}

void ViewRequests::open(Mount& mount, Request request, const NodePtr& node, fuse_file_info info) {
  if ((info.flags & O_ACCMODE) != O_RDONLY || (info.flags & O_TRUNC) != 0) {
    request.fail(EROFS);
    return;
  }
  run_slowly(mount, std::move(request), [&mount, node, info](Request asked) mutable {
    auto handle = node->open(mount, info, asked.context());
    if (handle) {
      answer_opened(std::move(asked), info, *std::move(handle));
    } else {
      asked.fail(handle.error(), "opening " + node->describe());
    }
  });
}

void ViewRequests::open_directory(Mount& mount, Request request, const NodePtr& node, fuse_file_info info) {
  if (!node->is_directory()) {
    request.fail(ENOTDIR);
    return;
  }
  const CallContext context = request.context();
  const auto own = node->attributes(mount, context);
  const auto* parent = static_cast<const ViewNode*>(node->parent().get());
  const auto above = parent != nullptr ? parent->attributes(mount, context) : own;
  if (node->has_constant_listing()) {
    info.cache_readdir = 1;
    info.keep_cache = 1;
  }
  auto handle = std::make_shared<DirHandle>(
      [&mount, node](const std::string& after, std::size_t count_max, bool plus, const CallContext& call) {
        return node->list(mount, after, count_max, plus, call);
      },
      [&mount](const DirItem& item) { uncount(mount, item.entry.ino); }, own ? own->st_ino : node->id(),
      above ? above->st_ino : kRootId);
  answer_opened(std::move(request), info, std::move(handle));
}

void ViewRequests::get_xattr(Mount& mount, Request request, const NodePtr& node, const std::string& name, std::size_t size) {
  if (name.starts_with("system.")) {  // access control lists are not kept
    request.fail(EOPNOTSUPP);
    return;
  }
  run_slowly(mount, std::move(request), [&mount, node, name, size](Request asked) {
    const auto value = node->attribute(mount, name, asked.context());
    if (value) {
      asked.attribute_value(*value, size);
    } else {
      asked.fail(value.error(), "reading " + name + " of " + node->describe());
    }
  });
}

void ViewRequests::list_xattrs(Mount& mount, Request request, const NodePtr& node, std::size_t size) {
  run_slowly(mount, std::move(request), [&mount, node, size](Request asked) {
    const auto names = node->attribute_names(mount, asked.context());
    if (!names) {
      asked.fail(names.error(), "listing attributes of " + node->describe());
      return;
    }
    std::string list;
    for (const std::string& name : *names) {
      if (name.starts_with("trusted.") && asked.caller().uid != 0) continue;
      list.append(name).push_back('\0');
    }
    asked.attribute_value(list, size);
  });
}

}  // namespace holdfast::fs
