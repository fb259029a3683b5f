// SPDX-License-Identifier: Apache-2.0
#include "core/complete/completeness.h"
#include "core/repo/repository_impl.h"

// Completeness of files that no seal has judged yet.
namespace holdfast {
namespace {

using namespace std::chrono_literals;
constexpr auto kJudgeTimeout = 30s;  // gzip and RDB are read whole
constexpr std::size_t kRememberedMax = 256;
// close(2) returns before the kernel tells the filesystem that the file is closed.
constexpr auto kReleasePause = 10ms;
constexpr int kReleaseAttempts = 20;

/// A live file's bytes as they were last made visible.
class LiveBytes final : public RandomBytes {
 public:
  LiveBytes(std::shared_ptr<LiveFile> file, std::uint64_t size, const CallContext& context)
      : file_(std::move(file)), size_(size), context_(context) {}
  [[nodiscard]] std::uint64_t size() const override { return size_; }
  Status read(std::uint64_t offset, MutableByteView out) override {
    HOLDFAST_ASSIGN(const std::size_t got, file_->read(offset, out, context_));
    if (got != out.size()) return Error(ErrorCode::kConflict, "it was cut while it was looked at");
    return ok_status();
  }

 private:
  const std::shared_ptr<LiveFile> file_;
  const std::uint64_t size_;
  const CallContext& context_;
};

/// The files of one directory of a live tree.
class LiveSiblings final : public SiblingFiles {
 public:
  LiveSiblings(LiveTree& tree, std::uint64_t directory, const CallContext& context)
      : tree_(tree), directory_(directory), context_(context) {}
  Result<std::unique_ptr<RandomBytes>> open(std::string_view name) override {
    const Result<LiveAttributes> found = tree_.lookup(directory_, name, context_);
    if (!found && found.error().code() == ErrorCode::kNotFound) return std::unique_ptr<RandomBytes>();
    if (!found) return found.error();
    const bool is_regular = (found->mode & kTypeMask) == kTypeRegular;
    Result<std::shared_ptr<LiveFile>> file =
        is_regular ? tree_.open_file(found->ino, false, context_) : std::shared_ptr<LiveFile>();
    tree_.forget(found->ino, 1);  // an open file holds it
    if (!file) return std::move(file).error();
    if (*file == nullptr) return std::unique_ptr<RandomBytes>();
    return std::unique_ptr<RandomBytes>(std::make_unique<LiveBytes>(std::move(*file), found->size_bytes, context_));
  }

 private:
  static constexpr std::uint32_t kTypeMask = 0170000;
  static constexpr std::uint32_t kTypeRegular = 0100000;
  LiveTree& tree_;
  const std::uint64_t directory_;
  const CallContext& context_;
};

}  // namespace

/// Waits a moment for the word that a file was closed which close(2) has flushed.
Result<LiveTree::FileVersion> RepositoryImpl::closed_version(LiveTree& tree, std::uint64_t ino,
                                                             const CallContext& context) {
  for (int i = 0;; ++i) {
    HOLDFAST_ASSIGN(LiveTree::FileVersion version, tree.file_version(ino));
    const bool may_be_closing = version.is_open_for_writing && !version.has_unpublished;
    if (!may_be_closing || i == kReleaseAttempts) return version;
    HOLDFAST_TRY(options_.clock->sleep_until(options_.clock->mono_now() + kReleasePause, context.stop));
  }
}

Result<Repository::Judgement> RepositoryImpl::judge_now(Database& database, const Inode& inode,
                                                        const CallContext& context) {
  LiveTree& tree = *database.live;
  HOLDFAST_ASSIGN(const LiveTree::FileVersion version, closed_version(tree, inode.ino, context));
  if (version.is_open_for_writing) return Judgement{Completeness::kUnchecked, "it is open for writing"};
  if (version.has_unpublished) return Judgement{Completeness::kUnchecked, "what was written last is not stored yet"};
  {
    const std::lock_guard lock(database.mutex);
    const auto known = database.live_judgements.find(inode.ino);
    const bool is_same =
        known != database.live_judgements.end() && known->second.content_serial == version.content_serial;
    if (is_same && known->second.name == version.name) return known->second.judgement;
  }
  const CallContext bounded = with_timeout(context, *options_.clock, kJudgeTimeout);
  HOLDFAST_ASSIGN(const LiveAttributes attributes, tree.attributes(inode.ino, bounded));
  HOLDFAST_ASSIGN(std::shared_ptr<LiveFile> file, tree.open_file(inode.ino, false, bounded));
  LiveBytes bytes(std::move(file), attributes.size_bytes, bounded);
  LiveSiblings siblings(tree, version.parent, bounded);
  const auto verdict = check_completeness({version.name, bytes, version.parent == 0 ? nullptr : &siblings});
  if (!verdict) {
    if (context.stop.stop_requested()) return verdict.error();
    return Judgement{Completeness::kUnchecked, "it can't be read now: " + verdict.error().message()};
  }
  HOLDFAST_ASSIGN(const LiveTree::FileVersion after, tree.file_version(inode.ino));
  if (after.content_serial != version.content_serial || after.has_unpublished) {
    return Judgement{Completeness::kUnchecked, "it was changed while it was looked at"};
  }
  Judgement judgement{verdict->completeness, verdict->reason};
  if (verdict->depends_on_siblings) return judgement;  // they may change without it
  const std::lock_guard lock(database.mutex);
  if (database.live_judgements.size() >= kRememberedMax) database.live_judgements.clear();
  database.live_judgements[inode.ino] = {version.content_serial, version.name, judgement};
  return judgement;
}

Result<Repository::Judgement> RepositoryImpl::judge_live(const std::string& name, std::uint64_t ino, bool with_reason,
                                                         const CallContext& context) {
  HOLDFAST_ASSIGN(const DatabasePtr database, find(name));
  HOLDFAST_ASSIGN(const Inode inode, database->live->inode(ino, context));
  if (!inode.is_regular()) return Judgement{Completeness::kNotApplicable, "only files are judged"};
  HOLDFAST_ASSIGN(const LiveTree::FileVersion version, database->live->file_version(ino));
  const bool is_sealed = inode.completeness != Completeness::kNotApplicable && !version.has_unpublished;
  if (is_sealed && (!with_reason || inode.completeness == Completeness::kComplete))
    return Judgement{inode.completeness, ""};
  HOLDFAST_ASSIGN(Judgement judged, judge_now(*database, inode, context));
  if (!is_sealed) return judged;
  // What the seal said stands.
  if (judged.completeness != inode.completeness) judged.reason = "as the last seal found it";
  judged.completeness = inode.completeness;
  return judged;
}

}  // namespace holdfast
