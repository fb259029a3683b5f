// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "fs/view_node.h"

namespace holdfast::fs {

/// Answers requests on nodes that cannot be written. `node` is null for ids that we don't know (ESTALE).
struct ViewRequests {
  using NodePtr = std::shared_ptr<ViewNode>;
  static void look_up(Mount& mount, Request request, const NodePtr& node, const std::string& name);
  static void attributes(Mount& mount, Request request, const NodePtr& node);
  static void read_link(Mount& mount, Request request, const NodePtr& node);
  static void open(Mount& mount, Request request, const NodePtr& node, fuse_file_info info);
  static void open_directory(Mount& mount, Request request, const NodePtr& node, fuse_file_info info);
  static void get_xattr(Mount& mount, Request request, const NodePtr& node, const std::string& name, std::size_t size);
  static void list_xattrs(Mount& mount, Request request, const NodePtr& node, std::size_t size);
};

}  // namespace holdfast::fs
