// SPDX-License-Identifier: Apache-2.0
#include "core/restore/restorer.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <thread>

#include "core/base/bounded_queue.h"
#include "core/restore/restored_file.h"
#include "core/tree/content.h"

namespace holdfast {

namespace {

constexpr std::size_t kPageEntries = 1000;
constexpr std::uint64_t kWindowBytes = 64U << 20;  ///< of a file's extents that are looked up at a time
constexpr std::size_t kPartExtents = 16;           ///< about 1 MiB at the default chunk size
constexpr std::size_t kQueueParts = 64;
constexpr std::size_t kFailuresMax = 100;
/// Files up to this size share syncs, this many at a time: a sync of its own would cost a small file more than everything else. Each holds a descriptor until then.
constexpr std::uint64_t kSharedSyncMaxBytes = 4U << 20;
constexpr std::size_t kSharedSyncFiles = 256;

/// Consecutive extents of one file: what a worker does at a time.
struct Part {
  std::shared_ptr<RestoredFile> file;
  std::vector<ContentReader::Located> extents;
};

class Restorer {
 public:
  Restorer(ChunkSource& source, const TreeRoot& links, const RestoreOptions& options, RandomSource& random,
           const CallContext& context)
      : source_(source), reader_(source), content_(source), links_(links), options_(options), random_(random),
        context_(context), queue_(kQueueParts) {}

  Result<RestoreReport> run(const TreeRoot* root, const std::string& only_name, const Inode* only);

 private:
  struct Level {
    std::shared_ptr<RestoreDirectory> directory;
    std::string path;
    Inode inode;
    TreeRoot root;
    std::string after;
    std::vector<Entry> page;
    std::size_t next = 0;
  };

  Result<std::shared_ptr<RestoreDirectory>> open_target();
  Status walk(Level first);
  Status fill_page(Level& level);
  void restore_entry(const Level& level, const Entry& entry);
  Result<Level> enter(const Level& above, const Entry& entry);
  Status restore_file(const std::shared_ptr<RestoreDirectory>& directory, const std::string& path, const std::string& name,
                      const Inode& inode);
  Status restore_special(int directory, const std::string& path, const std::string& name, const Inode& inode);
  void make_links();
  void finish_directories();
  void bring_near(const std::vector<ContentReader::Located>& extents);
  void bring_near(const Level& level);
  void enqueue_extents(const std::shared_ptr<RestoredFile>& file, const Inode& inode);
  void work();
  Status write_part(const Part& part);
  void end_part(const std::shared_ptr<RestoredFile>& file, Status outcome);
  void finish_file(RestoredFile& file, const Status& synced);
  void finish_batch(const std::vector<std::shared_ptr<RestoredFile>>& batch);
  static bool looks_the_same(int directory, const std::string& name, const Inode& inode);
  bool already_there(int directory, const std::string& path, const std::string& name, const Inode& inode);
  bool same_content(int file, const Inode& inode);
  [[nodiscard]] bool is_end(const Error& error) const;
  void fail(const std::string& path, Error error);
  void count(std::uint64_t files, std::uint64_t bytes, std::uint64_t skipped);

  ChunkSource& source_;
  TreeReader reader_;
  ContentReader content_;
  const TreeRoot& links_;
  const RestoreOptions& options_;
  RandomSource& random_;
  const CallContext& context_;
  BoundedQueue<Part> queue_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<RestoredFile>> small_;  ///< written, and waiting for a sync that they share
  RestoreReport report_;
  /// Names of one file, first the one that is restored as a file. Paths, since descriptors of many directories would run out.
  std::map<std::uint64_t, std::vector<std::string>> link_groups_;
  struct Directory {
    std::string path;
    Inode inode;  ///< without content
  };
  std::vector<Directory> directories_;
  std::shared_ptr<RestoreDirectory> target_;
};

void Restorer::fail(const std::string& path, Error error) {
  const std::lock_guard lock(mutex_);
  ++report_.failure_count;
  if (report_.failures.size() < kFailuresMax) report_.failures.push_back({path, std::move(error)});
}

void Restorer::count(std::uint64_t files, std::uint64_t bytes, std::uint64_t skipped) {
  const std::lock_guard lock(mutex_);
  report_.done.files += files;
  report_.done.bytes += bytes;
  report_.done.files_skipped += skipped;
  if (options_.progress) options_.progress(report_.done);
}

Result<std::shared_ptr<RestoreDirectory>> Restorer::open_target() {
  if (::mkdir(options_.target.c_str(), 0700) != 0 && errno != EEXIST) {
    return restore_error("creating the target", options_.target);
  }
  const int descriptor = ::open(options_.target.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return restore_error("opening the target", options_.target);
  return std::make_shared<RestoreDirectory>(descriptor);
}

bool Restorer::same_content(int file, const Inode& inode) {
  Bytes ours(1U << 20);
  Bytes theirs(ours.size());
  for (std::uint64_t offset = 0; offset < inode.size_bytes;) {
    const auto count = content_.read(inode, offset, ours, context_);
    if (!count || *count == 0) return false;
    const ssize_t read = ::pread(file, theirs.data(), *count, static_cast<off_t>(offset));
    if (read < 0 || static_cast<std::size_t>(read) != *count) return false;
    if (!std::equal(ours.begin(), ours.begin() + read, theirs.begin())) return false;
    offset += *count;
  }
  return true;
}

/// By its kind, size and time.
bool Restorer::looks_the_same(int directory, const std::string& name, const Inode& inode) {
  struct stat info {};
  if (::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return false;
  return S_ISREG(info.st_mode) && static_cast<std::uint64_t>(info.st_size) == inode.size_bytes && info.st_mtim.tv_sec * 1'000'000'000LL + info.st_mtim.tv_nsec == inode.mtime;
}

bool Restorer::already_there(int directory, const std::string& path, const std::string& name, const Inode& inode) {
  if (!looks_the_same(directory, name, inode)) return false;
  const int file = ::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (file < 0) return false;
  bool good = !options_.verify_full || same_content(file, inode);
  if (good) {
    const Status metadata = apply_metadata(file, inode, options_.as_root);
    if (!metadata) fail(path, metadata.error());
  }
  ::close(file);
  return good;
}

Status Restorer::restore_special(int directory, const std::string& path, const std::string& name, const Inode& inode) {
  (void)::unlinkat(directory, name.c_str(), 0);
  if (inode.is_symlink()) {
    const auto* target = std::get_if<InlineContent>(&inode.content);
    if (target == nullptr) return Error(ErrorCode::kCorrupt, path + " is a symbolic link without a target");
    const std::string text(as_text(target->bytes));
    if (::symlinkat(text.c_str(), directory, name.c_str()) != 0) return restore_error("making the link", path);
  } else if (::mknodat(directory, name.c_str(), inode.mode, inode.rdev) != 0) {
    return restore_error("making the special file", path);
  }
  if (options_.as_root && ::fchownat(directory, name.c_str(), inode.uid, inode.gid, AT_SYMLINK_NOFOLLOW) != 0) {
    return restore_error("setting the owner of", path);
  }
  if (!inode.is_symlink() && ::fchmodat(directory, name.c_str(), inode.mode & 07777U, 0) != 0) {
    return restore_error("setting the mode of", path);
  }
  const std::array<timespec, 2> times{timespec{inode.atime / 1'000'000'000, inode.atime % 1'000'000'000},
                                      timespec{inode.mtime / 1'000'000'000, inode.mtime % 1'000'000'000}};
  (void)::utimensat(directory, name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW);
  count(1, 0, 0);
  return ok_status();
}

/// What is far away comes in the order of packs, each stretch of one once, before workers ask for single chunks.
void Restorer::bring_near(const std::vector<ContentReader::Located>& extents) {
  std::vector<ChunkRef> refs;
  for (const auto& located : extents) {
    if (located.extent.chunk) refs.push_back(*located.extent.chunk);
  }
  source_.bring_near(refs);
}

void Restorer::enqueue_extents(const std::shared_ptr<RestoredFile>& file, const Inode& inode) {
  for (std::uint64_t offset = 0; offset < inode.size_bytes; offset += kWindowBytes) {
    auto window = content_.extents(inode.content, offset, std::min(kWindowBytes, inode.size_bytes - offset), context_);
    if (!window) {
      end_part(file, std::move(window).error());
      return;
    }
    bring_near(*window);
    Part part{file, {}};
    const auto send = [&] {
      if (part.extents.empty()) return;
      file->add_part();
      queue_.push(std::exchange(part, Part{file, {}}));
    };
    for (auto& located : *window) {
      // An extent that began in the window before is done already.
      if (located.offset < offset || !located.extent.chunk) continue;
      part.extents.push_back(std::move(located));
      if (part.extents.size() == kPartExtents) send();
    }
    send();
  }
  end_part(file, ok_status());
}

Status Restorer::restore_file(const std::shared_ptr<RestoreDirectory>& directory, const std::string& path,
                              const std::string& name, const Inode& inode) {
  if (already_there(directory->get(), path, name, inode)) {
    count(0, 0, 1);
    return ok_status();
  }
  HOLDFAST_ASSIGN(const std::shared_ptr<RestoredFile> file,
                  RestoredFile::create(directory, name, path, inode, options_.verify_full, random_));
  if (const auto* small = std::get_if<InlineContent>(&inode.content)) {
    end_part(file, file->write(0, small->bytes));
    return ok_status();
  }
  enqueue_extents(file, inode);
  return ok_status();
}

Status Restorer::write_part(const Part& part) {
  for (const auto& located : part.extents) {
    auto plain = source_.read(*located.extent.chunk, context_);
    if (!plain) return std::move(plain).error();
    HOLDFAST_TRY(part.file->write(located.offset, plain->view()));
    count(0, plain->size(), 0);
  }
  return ok_status();
}

void Restorer::end_part(const std::shared_ptr<RestoredFile>& file, Status outcome) {
  if (!file->part_done(std::move(outcome))) return;
  if (file->size_bytes() > kSharedSyncMaxBytes) {
    finish_file(*file, file->sync());
    return;
  }
  std::vector<std::shared_ptr<RestoredFile>> batch;
  {
    const std::lock_guard lock(mutex_);
    small_.push_back(file);
    if (small_.size() < kSharedSyncFiles) return;
    batch.swap(small_);
  }
  finish_batch(batch);
}

void Restorer::finish_file(RestoredFile& file, const Status& synced) {
  Status finished = synced;
  if (finished) finished = file.finish(options_.as_root, options_.verify_full);
  if (finished) {
    count(1, 0, 0);
  } else {
    fail(file.path(), std::move(finished).error());
  }
}

void Restorer::finish_batch(const std::vector<std::shared_ptr<RestoredFile>>& batch) {
  std::map<std::uint64_t, Status> synced;  // by filesystem: a folder of the target may be another one
  for (const auto& file : batch) {
    const auto [found, is_first] = synced.try_emplace(file->device());
    if (is_first) found->second = file->sync_filesystem();
    finish_file(*file, found->second);
  }
}

void Restorer::work() {
  while (auto part = queue_.pop()) {
    Status outcome = write_part(*part);
    end_part(part->file, std::move(outcome));
  }
}

Status Restorer::fill_page(Level& level) {
  HOLDFAST_ASSIGN(level.page, reader_.list(level.root, level.after, kPageEntries, context_));
  level.next = 0;
  if (!level.page.empty()) level.after = level.page.back().name;
  bring_near(level);
  return ok_status();
}

/// Small files of a directory, many in a request; large ones come window by window. Not those of which nothing will be read, as when a restore goes on.
void Restorer::bring_near(const Level& level) {
  std::vector<ChunkRef> refs;
  for (const Entry& entry : level.page) {
    const auto* few = std::get_if<ExtentContent>(&entry.inode.content);
    if (few == nullptr || entry.inode.size_bytes > kSharedSyncMaxBytes) continue;
    if (!options_.verify_full && looks_the_same(level.directory->get(), entry.name, entry.inode)) continue;
    for (const Extent& extent : few->extents) {
      if (extent.chunk) refs.push_back(*extent.chunk);
    }
  }
  source_.bring_near(refs);
}

Result<Restorer::Level> Restorer::enter(const Level& above, const Entry& entry) {
  Level level;
  level.path = above.path.empty() ? entry.name : above.path + "/" + entry.name;
  if (::mkdirat(above.directory->get(), entry.name.c_str(), 0700) != 0 && errno != EEXIST) {
    return restore_error("creating the directory", level.path);
  }
  const int descriptor =
      ::openat(above.directory->get(), entry.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor < 0) return restore_error("opening the directory", level.path);
  level.directory = std::make_shared<RestoreDirectory>(descriptor);
  level.inode = entry.inode;
  if (const auto* content = std::get_if<DirectoryContent>(&entry.inode.content)) level.root = content->root;
  return level;
}

void Restorer::restore_entry(const Level& level, const Entry& entry) {
  const std::string path = level.path.empty() ? entry.name : level.path + "/" + entry.name;
  Status outcome;
  if (std::holds_alternative<LinkTableContent>(entry.inode.content)) {
    auto& names = link_groups_[entry.inode.ino];
    names.push_back(path);
    if (names.size() > 1) return;
    auto linked = reader_.find_link(links_, entry.inode.ino, context_);
    if (!linked) {
      outcome = std::move(linked).error();
    } else if (!linked->has_value()) {
      outcome = Error(ErrorCode::kCorrupt, "the link table lacks inode " + std::to_string(entry.inode.ino));
    } else {
      outcome = restore_file(level.directory, path, entry.name, **linked);
    }
  } else if (entry.inode.is_regular()) {
    outcome = restore_file(level.directory, path, entry.name, entry.inode);
  } else {
    outcome = restore_special(level.directory->get(), path, entry.name, entry.inode);
  }
  if (!outcome) fail(path, std::move(outcome).error());
}

/// Whether an error is the end of the whole restore; what else is in one directory's way is in no other's.
bool Restorer::is_end(const Error& error) const {
  const bool has_deadline = context_.deadline != MonoTime::max();
  return error.code() == ErrorCode::kCancelled || (has_deadline && error.code() == ErrorCode::kDeadlineExceeded);
}

Status Restorer::walk(Level first) {
  std::vector<Level> stack;
  stack.push_back(std::move(first));
  while (!stack.empty()) {
    Level& level = stack.back();
    if (context_.stop.stop_requested()) return Error(ErrorCode::kCancelled, "the restore was called off");
    if (level.next == level.page.size()) {
      const Status filled = fill_page(level);
      if (!filled) {
        if (is_end(filled.error())) return filled;
        fail(level.path.empty() ? "." : level.path, filled.error());
      }
      if (!filled || level.page.empty()) {
        stack.pop_back();
        continue;
      }
    }
    const Entry entry = std::move(level.page[level.next++]);
    if (!entry.inode.is_directory()) {
      restore_entry(level, entry);
      continue;
    }
    auto next = enter(level, entry);
    if (!next) {
      fail(level.path.empty() ? entry.name : level.path + "/" + entry.name, std::move(next).error());
      continue;
    }
    directories_.push_back({next->path, entry.inode});
    directories_.back().inode.content = EmptyContent{};
    stack.push_back(std::move(*next));
  }
  return ok_status();
}

/// Opens a path below `target` without following any symbolic link, in steps that the kernel takes.
Result<std::shared_ptr<RestoreDirectory>> open_below(int target, const std::string& path) {
  constexpr std::size_t kStepBytes = 2048;  // well under PATH_MAX
  int at = ::dup(target);
  std::size_t start = 0;
  while (at >= 0 && start < path.size()) {
    std::size_t end = path.size();
    if (end - start > kStepBytes) end = path.rfind('/', start + kStepBytes);
    open_how how{};
    how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    const std::string step = path.substr(start, end - start);
    const int next = static_cast<int>(::syscall(SYS_openat2, at, step.c_str(), &how, sizeof how));
    ::close(at);
    at = next;
    start = end + 1;
  }
  if (at < 0) return restore_error("opening the directory", path);
  return std::make_shared<RestoreDirectory>(at);
}

std::pair<std::string, std::string> split_path(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

void Restorer::make_links() {
  for (const auto& [ino, names] : link_groups_) {
    const auto [first_directory, first_name] = split_path(names.front());
    for (std::size_t i = 1; i < names.size(); ++i) {
      const auto [directory, name] = split_path(names[i]);
      const auto from = open_below(target_->get(), first_directory);
      const auto to = open_below(target_->get(), directory);
      if (!from || !to) {
        fail(names[i], !from ? from.error() : to.error());
        continue;
      }
      (void)::unlinkat((*to)->get(), name.c_str(), 0);
      if (::linkat((*from)->get(), first_name.c_str(), (*to)->get(), name.c_str(), 0) != 0) {
        fail(names[i], restore_error("linking", names[i]));
      } else {
        count(1, 0, 0);
      }
    }
  }
}

void Restorer::finish_directories() {
  // Deepest first: what is made below a directory changes its times, and a mode may shut it.
  for (auto directory = directories_.rbegin(); directory != directories_.rend(); ++directory) {
    const auto opened = open_below(target_->get(), directory->path);
    Status done = opened ? apply_metadata((*opened)->get(), directory->inode, options_.as_root) : Status(opened.error());
    if (!done) fail(directory->path, std::move(done).error());
  }
}

Result<RestoreReport> Restorer::run(const TreeRoot* root, const std::string& only_name, const Inode* only) {
  HOLDFAST_ASSIGN(target_, open_target());
  std::vector<std::thread> workers;
  for (unsigned i = 0; i < std::max(1U, options_.workers); ++i) workers.emplace_back([this] { work(); });
  Level first;
  first.directory = target_;
  Status walked;
  if (root != nullptr) {
    first.root = *root;
    walked = walk(std::move(first));
  } else {
    restore_entry(first, Entry{only_name, *only});
  }
  queue_.close();
  for (std::thread& worker : workers) worker.join();
  finish_batch(small_);
  small_.clear();
  HOLDFAST_TRY(walked);
  make_links();
  finish_directories();
  return std::move(report_);
}

}  // namespace

Result<RestoreReport> restore_tree(ChunkSource& source, const TreeRoot& root, const TreeRoot& links,
                                   const RestoreOptions& options, RandomSource& random, const CallContext& context) {
  return Restorer(source, links, options, random, context).run(&root, "", nullptr);
}

Result<RestoreReport> restore_single(ChunkSource& source, const std::string& only_name, const Inode& only,
                                     const TreeRoot& links, const RestoreOptions& options, RandomSource& random,
                                     const CallContext& context) {
  if (only.is_directory()) {
    return Error(ErrorCode::kInvalidArgument, "'" + only_name + "' is a directory; restore its content instead");
  }
  return Restorer(source, links, options, random, context).run(nullptr, only_name, &only);
}

}  // namespace holdfast
