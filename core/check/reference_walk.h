// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "core/tree/tree.h"

namespace holdfast {

/// Gives every reference that a snapshot's trees hold, nodes included, with the path that it belongs to. One thread a walk.
struct ReferenceWalk {
  /// The chunk behind `ref` belongs to `path` ("" for the root, "a/b" below; "inode 12" for files of the link table). A node is given before what is below it. False skips
  /// what is below a node (it was seen before). An error ends the walk with it.
  std::function<Result<bool>(const ChunkRef& ref, const std::string& path)> visit;
  /// A node could not be read or does not parse: what is below it is unknown. An error ends the walk with it.
  std::function<Status(const ChunkRef& ref, const std::string& path, const Error& error)> unreadable;
};

/// Walks root directory and link table. Errors: those of the walk's functions.
Status walk_references(ChunkSource& source, const Inode& root, const TreeRoot& links, const ReferenceWalk& walk, const CallContext& context);

}  // namespace holdfast
