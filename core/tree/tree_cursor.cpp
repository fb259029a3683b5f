// SPDX-License-Identifier: Apache-2.0
#include "core/tree/tree_node.h"

namespace holdfast {
namespace {

/// The child that holds `name` or would: the last whose first name is not after it, else the first.
std::size_t child_for(const TreeNode& node, std::string_view name) {
  const std::size_t not_before = node.lower_bound(name);
  const bool exact = not_before < node.size() && node.name(not_before) == name;
  return exact || not_before == 0 ? not_before : not_before - 1;
}

}  // namespace

Status TreeCursor::step_down(const CallContext& context) {
  const Step& step = path_.back();
  HOLDFAST_ASSIGN(std::shared_ptr<const TreeNode> child, loader_.load_child(*step.node, step.index, context));
  path_.push_back({std::move(child), 0});
  if (const auto bound = next_first_name(); bound && node()->name(node()->size() - 1) >= *bound) {
    return Error(ErrorCode::kCorrupt, "a tree node that reaches into the next one's names");
  }
  return ok_status();
}

Status TreeCursor::seek(const std::shared_ptr<const TreeNode>& root, std::uint8_t level, std::string_view name,
                        const CallContext& context) {
  HOLDFAST_CHECK(level <= root->level());
  path_.clear();
  path_.push_back({root, 0});
  while (node()->level() > level) {
    path_.back().index = child_for(*node(), name);
    HOLDFAST_TRY(step_down(context));
  }
  return ok_status();
}

Result<bool> TreeCursor::next(const CallContext& context) {
  const std::uint8_t level = node()->level();
  std::size_t depth = path_.size() - 1;
  while (depth > 0 && path_[depth - 1].index + 1 >= path_[depth - 1].node->size()) --depth;
  if (depth == 0) return false;
  path_.resize(depth);
  ++path_.back().index;
  while (node()->level() > level) HOLDFAST_TRY(step_down(context));
  return true;
}

std::optional<std::string_view> TreeCursor::next_first_name() const noexcept {
  for (std::size_t depth = path_.size() - 1; depth > 0; --depth) {
    const Step& step = path_[depth - 1];
    if (step.index + 1 < step.node->size()) return step.node->name(step.index + 1);
  }
  return std::nullopt;
}

void TreeCursor::prefetch(std::size_t count_max) const {
  if (path_.size() < 2 || count_max == 0) return;
  const Step& step = path_[path_.size() - 2];
  loader_.prefetch_children(*step.node, step.index + 1, count_max);
}

}  // namespace holdfast
