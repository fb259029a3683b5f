// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "core/base/log.h"
#include "core/complete/completeness.h"
#include "core/repo/folder_changes.h"
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
Completeness RepositoryImpl::judge_file(Database* database, const std::string& path, const Inode& inode) {
  if (!inode.is_regular()) return Completeness::kNotApplicable;
  StoredBytes bytes(*rebuilding_source_, inode);
  const std::string name = split_path(path).second;
  const DumpInput input{name, bytes, nullptr};
  if (database != nullptr) {
    const auto compression = find_inner_compression(input);
    const std::lock_guard lock(database->mutex);
    if (compression) database->judged.add(inode.size_bytes, *compression);
  }
  const auto verdict = check_completeness(input);
  if (!verdict) return Completeness::kUnchecked;
  // The folder is judged as a whole when it is sealed; alone, its table of contents says nothing.
  return verdict->depends_on_siblings ? Completeness::kNotApplicable : verdict->completeness;
}

CompletenessJudge RepositoryImpl::completeness_judge(const std::string& database) {
  const auto found = find(database);
  return [this, database = found ? *found : nullptr](const std::string& path, const Inode& inode) { return judge_file(database.get(), path, inode); };
}

/// Notes besides in which folders files changed.
CompletenessJudge RepositoryImpl::judge_of(Database& database) {
  return [this, &database](const std::string& path, const Inode& inode) {
    if (inode.is_regular()) {
      const std::lock_guard lock(database.mutex);
      database.changed_folders.insert(split_path(path).first);
    }
    return judge_file(&database, path, inode);
  };
}

/// Once for each database.
void RepositoryImpl::tell_of_compression(Database& database) {
  CompressionNotices::Amount judged;
  {
    const std::lock_guard lock(database.mutex);
    std::swap(judged, database.judged);
  }
  if (const auto notice = notices_->note(database.id, database.name, judged)) log_warning(*notice);
}

std::string RepositoryImpl::notice(const std::string& database) const {
  const auto found = find(database);
  return found ? notices_->text((*found)->id) : "";
}

/// The folders of `tree` whose dumps have to be looked at: all that differ from the newest snapshot, however that came about, and those that were incomplete
/// or could not be proved then. Moving a folder changes nothing about it.
std::set<std::string> RepositoryImpl::folders_to_judge(Database& database, const SealedTree& tree, const CallContext& context) {
  std::set<std::string> folders;
  {
    const std::lock_guard lock(database.mutex);
    folders.swap(database.changed_folders);
  }
  TreeRoot earlier;
  std::vector<std::string> incomplete;
  const auto current = list();
  if (const auto found = current->by_database.find(database.name); found != current->by_database.end()) {
    const auto row = catalog_->view().snapshot(current->all[found->second.front()].id);
    // A full list of incomplete files is no list of all of them.
    if (row && row->fields && row->fields->incomplete_paths.size() < kIncompletePathsMax) {
      earlier = directory_of(row->fields->root);
      incomplete = row->fields->incomplete_paths;
    }
  }
  for (const auto& path : incomplete) folders.insert(split_path(path).first);
  const auto changes = compare_folders(*rebuilding_source_, earlier, directory_of(tree.root), context);
  if (!changes) {
    log_warning("looking for dumps that are folders in " + database.name + ": " + changes.error().message());
    return folders;
  }
  for (const auto& folder : changes->changed) {
    if (!folder.moved_from) {
      folders.insert(folder.path);
      continue;
    }
    const std::string from = folder.moved_from->empty() ? "" : *folder.moved_from + "/";
    for (const auto& path : incomplete) {
      if (!path.starts_with(from)) continue;
      const std::string inner = split_path(path.substr(from.size())).first;
      folders.insert(folder.path.empty() || inner.empty() ? folder.path + inner : folder.path + "/" + inner);
    }
  }
  return folders;
}

/// Checks dumps that are folders. What can't be read now is looked at again by the next seal.
void RepositoryImpl::judge_folders(Database& database, SealedTree& tree, const CallContext& context) {
  for (const auto& path : folders_to_judge(database, tree, context)) {
    const auto folder = find_folder(*rebuilding_source_, tree.root, path);
    if (folder && !*folder) continue;
    Completeness found = Completeness::kUnchecked;
    if (folder) {
      SealedFolder files(*rebuilding_source_, **folder, tree.links);
      const auto toc = files.open(kFolderDump);
      if (toc && *toc == nullptr) continue;
      const auto verdict = toc ? check_completeness({kFolderDump, **toc, &files}) : Result<CompletenessVerdict>(toc.error());
      if (verdict) found = verdict->completeness;
    }
    if (found == Completeness::kComplete) continue;
    const bool incomplete = found == Completeness::kIncomplete;
    if (incomplete || tree.completeness == Completeness::kComplete) tree.completeness = found;
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
