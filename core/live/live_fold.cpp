// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/live/live_tree_impl.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kRoot = 1;
constexpr std::size_t kIncompletePathsMax = 100;

/// Writes a frozen memtable into trees, from the leaves up. One fold; the memtable does not change meanwhile.
class Folder {
 public:
  Folder(const Memtable& frozen, const ContentParts& parts, const TreeEditor& editor, const CompletenessJudge& judge, const CallContext& context)
      : frozen_(frozen), parts_(parts), editor_(editor), judge_(judge), context_(context) {}

  Result<FoldOutcome> run(const Inode& base_root, const TreeRoot& links) {
    outcome_.root = base_root;
    outcome_.links = links;
    plan();
    for (auto directory = order_.rbegin(); directory != order_.rend(); ++directory) HOLDFAST_TRY(fold_directory(*directory));
    HOLDFAST_TRY(fold_links());
    return std::move(outcome_);
  }

 private:
  struct Directory {
    std::uint64_t ino;
    std::string path;
  };

  static std::string below(const std::string& path, const std::string& name) { return path.empty() ? name : path + "/" + name; }

  /// Directories that changed, each before those below it. Iterative: trees may be deep.
  void plan() {
    std::vector<Directory> stack;
    if (frozen_.names.contains(kRoot) || frozen_.inodes.contains(kRoot)) stack.push_back({kRoot, {}});
    while (!stack.empty()) {
      Directory directory = std::move(stack.back());
      stack.pop_back();
      const auto names = frozen_.names.find(directory.ino);
      if (names != frozen_.names.end()) {
        for (const auto& [name, ino] : names->second) {
          if (ino != Memtable::kNoName && frozen_.names.contains(ino)) stack.push_back({ino, below(directory.path, name)});
        }
      }
      order_.push_back(std::move(directory));
    }
  }

  Status fold_directory(const Directory& directory) {
    if (context_.stop.stop_requested()) return Error(ErrorCode::kCancelled, "the fold was called off");
    const auto value = frozen_.inodes.find(directory.ino);
    if (value == frozen_.inodes.end()) return Error(ErrorCode::kInternal, "a changed directory without an inode");
    const auto* content = std::get_if<DirectoryContent>(&value->second->inode.content);
    TreeRoot root = content == nullptr ? TreeRoot() : TreeRoot(content->root);
    if (const auto names = frozen_.names.find(directory.ino); names != frozen_.names.end()) {
      std::vector<TreeEdit> edits;
      edits.reserve(names->second.size());
      for (const auto& [name, ino] : names->second) {
        TreeEdit edit{name, std::nullopt};
        if (ino != Memtable::kNoName) {
          HOLDFAST_ASSIGN(edit.inode, entry_inode(ino, below(directory.path, name)));
        }
        edits.push_back(std::move(edit));
      }
      HOLDFAST_ASSIGN(root, editor_.apply(root, edits, context_));
    }
    Content fresh;
    if (root) fresh = DirectoryContent{*root};
    if (directory.ino == kRoot) {
      outcome_.root = value->second->inode;
      outcome_.root.content = fresh;
    }
    outcome_.directories[directory.ino] = std::move(fresh);
    return ok_status();
  }

  /// What a directory's entry for `ino` holds.
  Result<Inode> entry_inode(std::uint64_t ino, const std::string& path) {
    const auto found = frozen_.inodes.find(ino);
    if (found == frozen_.inodes.end()) return Error(ErrorCode::kInternal, "a changed name without an inode");
    const LiveInodePtr& value = found->second;
    if (value->linked) {
      linked_paths_.try_emplace(ino, path);
      Inode stub;
      stub.ino = ino;
      stub.mode = value->inode.mode;
      stub.nlink = 2;  // the true count stands in the link table: a change of it leaves directories alone
      stub.content = LinkTableContent{};
      return stub;
    }
    if (value->inode.is_directory()) {
      Inode inode = value->inode;
      if (const auto folded = outcome_.directories.find(ino); folded != outcome_.directories.end()) inode.content = folded->second;
      return inode;
    }
    if (value->inode.is_regular()) return finished_file(value, path);
    return value->inode;
  }

  /// A file as closed files are stored: no tail, long lists in nodes, judged.
  Result<Inode> finished_file(const LiveInodePtr& value, const std::string& path) {
    LiveInode fresh = *value;
    bool is_changed = false;
    if (fresh.tail) {
      HOLDFAST_ASSIGN(const ChunkRef ref, parts_.pipeline.put(parts_.domain, ChunkKind::kData, *fresh.tail, {}));
      if (!std::holds_alternative<ExtentContent>(fresh.inode.content)) fresh.inode.content = ExtentContent{};
      std::get<ExtentContent>(fresh.inode.content).extents.push_back({fresh.tail->size(), ref});
      fresh.tail = nullptr;
      is_changed = true;
    }
    if (const auto* extents = std::get_if<ExtentContent>(&fresh.inode.content); extents != nullptr && extents->extents.size() > kExtentContentMaxCount) {
      HOLDFAST_ASSIGN(fresh.inode.content, build_content(extents->extents, parts_.pipeline, parts_.domain));
      is_changed = true;
    }
    if (fresh.inode.completeness == Completeness::kNotApplicable && judge_) {
      fresh.inode.completeness = judge_(path, fresh.inode);
      is_changed = is_changed || fresh.inode.completeness != Completeness::kNotApplicable;
    }
    outcome_.judgements.push_back({fresh.inode.ino, fresh.inode.completeness, path});
    Inode inode = fresh.inode;
    if (is_changed) outcome_.files.push_back({value, std::make_shared<const LiveInode>(std::move(fresh))});
    return inode;
  }

  Status fold_links() {
    std::vector<std::uint64_t> changed(frozen_.links.begin(), frozen_.links.end());
    std::sort(changed.begin(), changed.end());
    std::vector<TreeEdit> edits;
    edits.reserve(changed.size());
    for (const std::uint64_t ino : changed) {
      TreeEdit edit{link_name(ino), std::nullopt};
      if (const auto found = frozen_.inodes.find(ino); found != frozen_.inodes.end()) {
        const auto path = linked_paths_.find(ino);
        const std::string shown = path == linked_paths_.end() ? "inode " + std::to_string(ino) : path->second;
        if (found->second->inode.is_regular()) {
          HOLDFAST_ASSIGN(edit.inode, finished_file(found->second, shown));
        } else {
          edit.inode = found->second->inode;
        }
      }
      edits.push_back(std::move(edit));
    }
    if (edits.empty()) return ok_status();
    HOLDFAST_ASSIGN(outcome_.links, editor_.apply(outcome_.links, edits, context_, TreeForm::kLinkTable));
    return ok_status();
  }

  const Memtable& frozen_;
  const ContentParts& parts_;
  const TreeEditor& editor_;
  const CompletenessJudge& judge_;
  const CallContext& context_;
  std::vector<Directory> order_;
  std::unordered_map<std::uint64_t, std::string> linked_paths_;
  FoldOutcome outcome_;
};

/// Leaves only what changes the set of noted files.
void keep_news(std::vector<LiveBase::Judgement>& judgements, const Memtable& frozen, const std::map<std::uint64_t, LiveState::Judged>& known) {
  for (const std::uint64_t ino : frozen.gone) judgements.push_back({ino, Completeness::kNotApplicable, {}});
  std::erase_if(judgements, [&](const LiveBase::Judgement& judgement) {
    const bool is_noted = judgement.completeness == Completeness::kIncomplete || judgement.completeness == Completeness::kUnchecked;
    const auto found = known.find(judgement.ino);
    if (found == known.end()) return !is_noted;
    return is_noted && found->second.completeness == judgement.completeness && found->second.path == judgement.path;
  });
}

}  // namespace

Status LiveTreeImpl::fold(const CompletenessJudge& wanted_judge, bool is_seal, SealedTree& sealed, const CallContext& context) {
  const Memtable* frozen = nullptr;
  Inode base_root;
  TreeRoot links;
  CompletenessJudge judge;
  bool had_changed = false;
  {
    const std::lock_guard lock(mutex_);
    judge = wanted_judge ? wanted_judge : judge_;
    const bool has_unpublished = note_open_writers(is_seal, sealed);
    had_changed = changed_since_seal_;
    LiveBatch batch;
    frozen = state_.begin_fold(batch);
    if (!batch.empty()) journal_.append(batch.payload(options_.database));
    if (is_seal) changed_since_seal_ = has_unpublished;
    base_root = state_.base_root();
    links = state_.links();
    if (frozen == nullptr) {
      describe(sealed, static_cast<bool>(judge));
      return ok_status();
    }
  }
  // Only this thread changes the base, and a frozen memtable does not change: no lock while chunks are written.
  Result<FoldOutcome> outcome = Folder(*frozen, content_parts_, editor_, judge, context).run(base_root, links);
  if (outcome) keep_news(outcome->judgements, *frozen, state_.judged());
  const std::lock_guard lock(mutex_);
  if (!outcome) {
    state_.abandon_fold();
    changed_since_seal_ = changed_since_seal_ || had_changed;
    return outcome.error();
  }
  journal_.append(encode_live_base(state_.finish_fold(*outcome), options_.database));
  last_fold_error_.reset();
  fold_changed_.notify_all();
  describe(sealed, static_cast<bool>(judge));
  return ok_status();
}

/// mutex_ held. Whether any of them has more than a seal can take now.
bool LiveTreeImpl::note_open_writers(bool is_seal, SealedTree& sealed) const {
  bool has_unpublished = false;
  for (OpenFile* file : open_writers_) {
    const LiveState::Node* node = state_.find(file->ino());
    if (node == nullptr || node->is_orphan()) continue;
    ++sealed.open_writers;
    has_unpublished = has_unpublished || file->has_unpublished();
    if (is_seal) file->set_open_at_seal();
    if (sealed.open_paths.size() == kIncompletePathsMax) continue;
    std::string path = node->parent == 0 ? "inode " + std::to_string(file->ino()) : node->name;
    for (node = state_.find(node->parent); node != nullptr && node->parent != 0; node = state_.find(node->parent)) path = node->name + "/" + path;
    sealed.open_paths.push_back(std::move(path));
  }
  return has_unpublished;
}

/// mutex_ held.
void LiveTreeImpl::describe(SealedTree& sealed, bool has_judge) const {
  sealed.root = state_.base_root();
  sealed.links = state_.links();
  sealed.completeness = has_judge ? Completeness::kComplete : Completeness::kUnchecked;
  for (const auto& [ino, judged] : state_.judged()) {
    if (judged.completeness == Completeness::kIncomplete) {
      sealed.completeness = Completeness::kIncomplete;
      if (sealed.incomplete_paths.size() < kIncompletePathsMax) sealed.incomplete_paths.push_back(judged.path);
    } else if (sealed.completeness != Completeness::kIncomplete) {
      sealed.completeness = Completeness::kUnchecked;
    }
  }
}

Result<SealedTree> LiveTreeImpl::seal(const CompletenessJudge& judge, const CallContext& context) {
  const std::lock_guard folding(fold_mutex_);
  SealedTree sealed;
  HOLDFAST_TRY(fold(judge, true, sealed, context));
  return sealed;
}

}  // namespace holdfast
