// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "core/complete/completeness.h"
#include "core/repo/repository_impl.h"
#include "core/tree/content.h"

namespace holdfast {
namespace {

/// A stored file's bytes.
class StoredBytes final : public RandomBytes {
 public:
  StoredBytes(ChunkSource& source, Inode inode) : reader_(source), inode_(std::move(inode)) {}
  [[nodiscard]] std::uint64_t size() const override { return inode_.size_bytes; }
  Status read(std::uint64_t offset, MutableByteView out) override {
    HOLDFAST_ASSIGN(const std::size_t got, reader_.read(inode_, offset, out, CallContext::unbounded()));
    if (got != out.size()) return Error(ErrorCode::kCorrupt, "a file is shorter than its size");
    return ok_status();
  }

 private:
  ContentReader reader_;
  Inode inode_;
};

TreeRoot directory_of(const Inode& inode) {
  const auto* directory = std::get_if<DirectoryContent>(&inode.content);
  return directory == nullptr ? TreeRoot() : TreeRoot(directory->root);
}

/// The files of one folder of a sealed tree.
class SealedFolder final : public SiblingFiles {
 public:
  SealedFolder(ChunkSource& source, TreeRoot folder, TreeRoot links) : source_(source), reader_(source), folder_(std::move(folder)), links_(std::move(links)) {}
  Result<std::unique_ptr<RandomBytes>> open(std::string_view name) override {
    HOLDFAST_ASSIGN(std::optional<Entry> entry, reader_.find(folder_, name, CallContext::unbounded()));
    if (!entry || !entry->inode.is_regular()) return std::unique_ptr<RandomBytes>();
    if (std::holds_alternative<LinkTableContent>(entry->inode.content)) {
      HOLDFAST_ASSIGN(const auto inode, reader_.find_link(links_, entry->inode.ino, CallContext::unbounded()));
      if (!inode) return Error(ErrorCode::kCorrupt, "a hard link to no inode");
      entry->inode = *inode;
    }
    return std::unique_ptr<RandomBytes>(std::make_unique<StoredBytes>(source_, std::move(entry->inode)));
  }

 private:
  ChunkSource& source_;
  TreeReader reader_;
  TreeRoot folder_;
  TreeRoot links_;
};

/// The folder at `path` ("" is the root) of a sealed tree; nullopt when there is none (any more).
Result<std::optional<TreeRoot>> find_folder(ChunkSource& source, const Inode& root, std::string_view path) {
  const TreeReader reader(source);
  TreeRoot folder = directory_of(root);
  while (!path.empty()) {
    const auto slash = std::min(path.find('/'), path.size());
    HOLDFAST_ASSIGN(const auto entry, reader.find(folder, path.substr(0, slash), CallContext::unbounded()));
    if (!entry || !entry->inode.is_directory()) return std::optional<TreeRoot>();
    folder = directory_of(entry->inode);
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return std::optional<TreeRoot>(std::move(folder));
}

std::pair<std::string, std::string> split_path(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

constexpr std::string_view kFolderDump = "toc.dat";  // pg_dump -Fd: its table of contents names the files beside it
constexpr std::size_t kIncompletePathsMax = 100;

}  // namespace

/// Sees one file and not its folder: dumps of several files are checked by judge_folders when they are sealed.
CompletenessJudge RepositoryImpl::completeness_judge() {
  return [this](const std::string& path, const Inode& inode) {
    if (!inode.is_regular()) return Completeness::kNotApplicable;
    StoredBytes bytes(*rebuilding_source_, inode);
    const std::string name = split_path(path).second;
    const auto verdict = check_completeness({name, bytes, nullptr});
    if (!verdict) return Completeness::kUnchecked;
    // The folder is judged as a whole when it is sealed; alone, its table of contents says nothing.
    return verdict->depends_on_siblings ? Completeness::kNotApplicable : verdict->completeness;
  };
}

/// Notes besides in which folders files changed.
CompletenessJudge RepositoryImpl::judge_of(Database& database) {
  return [&database, judge = completeness_judge()](const std::string& path, const Inode& inode) {
    if (inode.is_regular()) {
      const std::lock_guard lock(database.mutex);
      database.changed_folders.insert(split_path(path).first);
    }
    return judge(path, inode);
  };
}

/// Checks dumps that are folders, where a file of theirs changed or that were incomplete when they were looked at last. What can't be read is left as it is.
void RepositoryImpl::judge_folders(Database& database, SealedTree& tree) {
  std::set<std::string> folders;
  {
    const std::lock_guard lock(database.mutex);
    folders.swap(database.changed_folders);
    // What was incomplete before this process began is looked at again, changed or not.
    if (!std::exchange(database.folders_remembered, true)) {
      const auto current = list();
      const auto found = current->by_database.find(database.name);
      if (found != current->by_database.end()) {
        for (const std::string& path : current->all[found->second.front()].incomplete_paths) folders.insert(split_path(path).first);
      }
    }
  }
  for (const auto& path : folders) {
    const auto folder = find_folder(*rebuilding_source_, tree.root, path);
    if (!folder || !*folder) continue;
    SealedFolder files(*rebuilding_source_, **folder, tree.links);
    const auto toc = files.open(kFolderDump);
    if (!toc || *toc == nullptr) continue;
    const auto verdict = check_completeness({kFolderDump, **toc, &files});
    if (!verdict || verdict->completeness == Completeness::kComplete) continue;
    const bool incomplete = verdict->completeness == Completeness::kIncomplete;
    if (incomplete || tree.completeness == Completeness::kComplete) tree.completeness = verdict->completeness;
    {
      const std::lock_guard lock(database.mutex);
      database.changed_folders.insert(path);
    }
    if (!incomplete) continue;
    const std::string name = path.empty() ? std::string(kFolderDump) : path + "/" + std::string(kFolderDump);
    if (tree.incomplete_paths.size() < kIncompletePathsMax) tree.incomplete_paths.push_back(name);
  }
}

}  // namespace holdfast
