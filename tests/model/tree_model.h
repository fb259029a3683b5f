// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/base/bytes.h"

namespace holdfast::testing {

/// What a live tree should be: POSIX names over plain bytes. `data` is what readers see, `flushed` what a crash after a commit
/// leaves and what a seal covers.
struct ModelNode {
  enum class Type { kDirectory, kFile, kSymlink };
  Type type = Type::kFile;
  std::uint32_t permissions = 0644;
  std::uint64_t links = 1;
  Bytes data;
  Bytes flushed;
  std::string target;
  std::map<std::string, std::string> xattrs;
  std::map<std::string, std::shared_ptr<ModelNode>> names;

  [[nodiscard]] bool is_directory() const { return type == Type::kDirectory; }
  [[nodiscard]] std::uint64_t subdirectories() const {
    std::uint64_t count = 0;
    for (const auto& [name, node] : names) count += node->is_directory() ? 1U : 0U;
    return count;
  }
};
using ModelNodePtr = std::shared_ptr<ModelNode>;

/// A copy as a crash would leave it; hard links stay shared.
inline ModelNodePtr durable_copy(const ModelNodePtr& node, std::unordered_map<const ModelNode*, ModelNodePtr>& seen) {
  ModelNodePtr& copy = seen[node.get()];
  if (copy) return copy;
  copy = std::make_shared<ModelNode>(*node);
  copy->data = copy->flushed;
  const ModelNodePtr made = copy;  // the map may move
  for (auto& [name, child] : made->names) child = durable_copy(child, seen);
  return made;
}
inline ModelNodePtr durable_copy(const ModelNodePtr& root) {
  std::unordered_map<const ModelNode*, ModelNodePtr> seen;
  return durable_copy(root, seen);
}

inline bool contains_node(const ModelNodePtr& tree, const ModelNodePtr& wanted) {
  if (tree == wanted) return true;
  for (const auto& [name, child] : tree->names) {
    if (child->is_directory() && contains_node(child, wanted)) return true;
  }
  return false;
}

struct ModelPlace {
  std::vector<std::string> path;  ///< of the directory
  ModelNodePtr directory;
};
inline void collect_directories(const ModelNodePtr& node, std::vector<std::string>& path, std::vector<ModelPlace>& out) {
  out.push_back({path, node});
  for (const auto& [name, child] : node->names) {
    if (!child->is_directory()) continue;
    path.push_back(name);
    collect_directories(child, path, out);
    path.pop_back();
  }
}

/// Whether rename(2) would succeed; then it is done. `mode` 0 replaces, 1 does not, 2 exchanges.
inline bool model_rename(const ModelPlace& from, const std::string& name, const ModelPlace& to, const std::string& new_name, int mode) {
  const auto source = from.directory->names.find(name);
  if (source == from.directory->names.end()) return false;
  const ModelNodePtr moved = source->second;
  const auto target = to.directory->names.find(new_name);
  const bool is_there = target != to.directory->names.end();
  if ((mode == 1 && is_there) || (mode == 2 && !is_there)) return false;
  if (moved->is_directory() && contains_node(moved, to.directory)) return false;
  if (is_there && target->second == moved) return true;
  if (mode == 2) {
    if (target->second->is_directory() && contains_node(target->second, from.directory)) return false;
    std::swap(source->second, target->second);
    return true;
  }
  if (is_there) {
    const ModelNodePtr old = target->second;
    if (old->is_directory() && (!moved->is_directory() || !old->names.empty())) return false;
    if (moved->is_directory() && !old->is_directory()) return false;
    --old->links;
  }
  from.directory->names.erase(name);
  to.directory->names[new_name] = moved;
  return true;
}

}  // namespace holdfast::testing
