// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/tree/tree.h"

namespace holdfast {

/// What differs between two trees of one database, folder by folder.
struct FolderChanges {
  struct Folder {
    std::string path;  ///< "" for the root
    std::optional<std::string> moved_from;  ///< it is what the earlier tree had at that path, which went or changed
  };
  std::vector<Folder> changed;  ///< in the later tree: new, moved, or otherwise than in the earlier one
};

/// Compares `later` to `earlier`. Reads the nodes that differ, not the trees; below a folder that only the later tree has, all of it. A folder that was moved
/// stands for all below it; one that was moved out of a folder that went counts as new. Files in link tables are not compared. Errors: those of the source; kCancelled.
Result<FolderChanges> compare_folders(ChunkSource& source, const TreeRoot& earlier, const TreeRoot& later, const CallContext& context);

}  // namespace holdfast
