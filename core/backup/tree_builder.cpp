// SPDX-License-Identifier: Apache-2.0
#include "core/backup/tree_builder.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>

#include "core/backup/file_chunks.h"
#include "core/base/log.h"

namespace holdfast {

namespace {

constexpr std::size_t kReadBytes = 1U << 20;
constexpr int kLookAtContextMilliseconds = 100;
/// Numbers stay below 2^47, since a mount that goes on from this tree has 48 bits for them.
constexpr std::uint64_t kInoMask = (1ULL << 46) - 1;
constexpr std::size_t kXattrsMaxBytes = 64 * 1024;
constexpr std::size_t kIncompletePathsMax = 100;

class OpenFile {
 public:
  explicit OpenFile(int descriptor = -1) noexcept : descriptor_(descriptor) {}
  ~OpenFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  OpenFile(OpenFile&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  OpenFile& operator=(OpenFile&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  [[nodiscard]] int get() const noexcept { return descriptor_; }

 private:
  int descriptor_;
};

Error file_error(const std::string& doing, const std::string& path) {
  const int cause = errno;
  ErrorCode code = ErrorCode::kInternal;
  if (cause == ENOENT) code = ErrorCode::kNotFound;
  if (cause == EACCES || cause == EPERM) code = ErrorCode::kPermissionDenied;
  return Error(code, doing + " " + path + ": " + std::strerror(cause));
}

WallNanos nanos(const timespec& time) { return time.tv_sec * 1'000'000'000LL + time.tv_nsec; }

using Xattrs = std::map<std::string, std::string>;

/// `list` and `get` are listxattr(2) and getxattr(2) of one file.
template <typename List, typename Get>
Xattrs read_xattrs(List list, Get get) {
  Xattrs xattrs;
  std::vector<char> names(kXattrsMaxBytes);
  const ssize_t size = list(names.data(), names.size());
  std::vector<char> value(kXattrsMaxBytes);
  for (ssize_t at = 0; at < size;) {
    const std::string name(names.data() + at);
    at += static_cast<ssize_t>(name.size()) + 1;
    if (name.starts_with("user.holdfast.")) continue;
    const ssize_t length = get(name.c_str(), value.data(), value.size());
    if (length >= 0) xattrs[name] = std::string(value.data(), static_cast<std::size_t>(length));
  }
  return xattrs;
}

Xattrs xattrs_of(int descriptor) {
  return read_xattrs([&](char* out, std::size_t size) { return ::flistxattr(descriptor, out, size); },
                     [&](const char* name, char* out, std::size_t size) { return ::fgetxattr(descriptor, name, out, size); });
}

/// Of what has `name` in the directory, a symbolic link itself included: there is no call for that but by this path.
Xattrs xattrs_of(int directory, const std::string& name) {
  const std::string path = "/proc/self/fd/" + std::to_string(directory) + "/" + name;
  return read_xattrs([&](char* out, std::size_t size) { return ::llistxattr(path.c_str(), out, size); },
                     [&](const char* attribute, char* out, std::size_t size) { return ::lgetxattr(path.c_str(), attribute, out, size); });
}

}  // namespace

struct TreeBuilder::State {
  LiveTreeOptions options;
  Parts parts;
  std::optional<std::pair<Inode, TreeRoot>> previous;
  CompletenessJudge judge;
  std::function<void(const BackupProgress&)> report;
  TreeReader reader;
  TreeEditor editor;
  BackupProgress progress;

  std::map<std::string, Inode> top;
  std::map<std::uint64_t, Inode> links;  ///< inodes with more than one name, by number
  std::map<std::pair<dev_t, ino_t>, std::uint64_t> numbers_of_links;
  std::set<std::uint64_t> link_numbers;
  std::optional<dev_t> first_device;
  std::uint64_t next_stream_ino = kInoMask + 1;
  std::vector<std::string> incomplete;
  std::uint64_t complete_files = 0;

  /// A directory that is being walked.
  struct Level {
    OpenFile descriptor;
    std::string path;   ///< within the snapshot
    std::string name;
    Inode inode;
    std::vector<std::string> names;
    std::size_t next = 0;
    std::vector<TreeEdit> edits;
    TreeRoot previous;
  };

  State(const LiveTreeOptions& o, Parts p, std::optional<std::pair<Inode, TreeRoot>> before, CompletenessJudge j,
        std::function<void(const BackupProgress&)> r)
      : options(o), parts(p), previous(std::move(before)), judge(std::move(j)), report(std::move(r)),
        reader(p.source), editor(p.source, p.pipeline, o.domain) {}

  std::uint64_t number_of(const struct stat& info);
  Inode inode_of(const struct stat& info, Xattrs xattrs);
  void judge_file(const std::string& path, Inode& inode);
  Result<Inode> walk(OpenFile top_descriptor, const std::string& name, const struct stat& info, const CallContext& context);
  Result<std::optional<Inode>> visit_child(Level& level, const std::string& name, std::vector<Level>& stack,
                                           const CallContext& context);
  Result<Inode> read_file(int descriptor, const struct stat& info, const std::string& path, Inode inode,
                          const std::optional<Entry>& before, const CallContext& context);
  Result<Content> read_content(int descriptor, const std::string& path, std::uint64_t size, const CallContext& context);
  Result<std::optional<Entry>> find_previous(const TreeRoot& directory, const std::string& name, const CallContext& context);
  Result<Level> enter(OpenFile descriptor, std::string path, std::string name, const struct stat& info, TreeRoot before);
  Inode as_link(Inode inode);
};

std::uint64_t TreeBuilder::State::number_of(const struct stat& info) {
  if (!first_device) first_device = info.st_dev;
  const auto key = std::make_pair(info.st_dev, info.st_ino);
  const bool linked = S_ISREG(info.st_mode) && info.st_nlink > 1;
  if (linked) {
    if (const auto known = numbers_of_links.find(key); known != numbers_of_links.end()) return known->second;
  }
  std::uint64_t number = info.st_ino & kInoMask;
  if (info.st_dev != *first_device) number ^= (static_cast<std::uint64_t>(info.st_dev) * 0x9E3779B97F4A7C15ULL) & kInoMask;
  if (number == 0) number = 1;
  if (linked) {
    while (!link_numbers.insert(number).second) ++number;
    numbers_of_links[key] = number;
  }
  return number;
}

Inode TreeBuilder::State::inode_of(const struct stat& info, Xattrs xattrs) {
  Inode inode;
  inode.ino = number_of(info);
  inode.mode = info.st_mode;
  inode.uid = info.st_uid;
  inode.gid = info.st_gid;
  inode.mtime = nanos(info.st_mtim);
  inode.ctime = nanos(info.st_ctim);
  inode.atime = inode.mtime;
  // Of directories the walk counts those below that are part of this backup.
  inode.nlink = S_ISREG(info.st_mode) ? info.st_nlink : S_ISDIR(info.st_mode) ? 2 : 1;
  if (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode)) inode.rdev = info.st_rdev;
  inode.xattrs = std::move(xattrs);
  return inode;
}

void TreeBuilder::State::judge_file(const std::string& path, Inode& inode) {
  if (judge) inode.completeness = judge(path, inode);
  if (inode.completeness == Completeness::kComplete) ++complete_files;
  if (inode.completeness == Completeness::kIncomplete && incomplete.size() < kIncompletePathsMax) {
    incomplete.push_back(path);
  }
}

Result<std::optional<Entry>> TreeBuilder::State::find_previous(const TreeRoot& directory, const std::string& name,
                                                               const CallContext& context) {
  if (!directory) return std::optional<Entry>();
  HOLDFAST_ASSIGN(std::optional<Entry> entry, reader.find(directory, name, context));
  if (entry && std::holds_alternative<LinkTableContent>(entry->inode.content)) {
    HOLDFAST_ASSIGN(std::optional<Inode> linked, reader.find_link(previous->second, entry->inode.ino, context));
    if (!linked) return std::optional<Entry>();
    entry->inode = std::move(*linked);
  }
  return entry;
}

Result<Content> TreeBuilder::State::read_content(int descriptor, const std::string& path, std::uint64_t size,
                                                 const CallContext& context) {
  FileChunks chunks(parts.pipeline, parts.gear, options.chunk_sizes, options.domain);
  Bytes buffer(kReadBytes);
  std::uint64_t offset = 0;
  std::uint64_t data_end = 0;
  while (true) {
    HOLDFAST_TRY(check_context(context, parts.clock, "reading " + path));
    if (offset >= data_end) {
      // Holes are kept as holes, as far as the filesystem tells them.
      const off_t data = ::lseek(descriptor, static_cast<off_t>(offset), SEEK_DATA);
      if (data < 0 && errno == ENXIO) {
        if (size > offset) HOLDFAST_TRY(chunks.add_hole(size - offset));
        break;
      }
      if (data < 0 && errno != EINVAL) return file_error("reading", path);
      if (data > static_cast<off_t>(offset)) {
        HOLDFAST_TRY(chunks.add_hole(static_cast<std::uint64_t>(data) - offset));
        offset = static_cast<std::uint64_t>(data);
      }
      const off_t hole = ::lseek(descriptor, static_cast<off_t>(offset), SEEK_HOLE);
      data_end = hole < 0 ? UINT64_MAX : static_cast<std::uint64_t>(hole);
    }
    const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), data_end - offset));
    const ssize_t count = ::pread(descriptor, buffer.data(), wanted, static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return file_error("reading", path);
    if (count == 0) break;
    HOLDFAST_TRY(chunks.add(ByteView(buffer).first(static_cast<std::size_t>(count))));
    offset += static_cast<std::uint64_t>(count);
    progress.bytes += static_cast<std::uint64_t>(count);
    if (report) report(progress);
  }
  return chunks.finish();
}

Result<Inode> TreeBuilder::State::read_file(int descriptor, const struct stat& info, const std::string& path, Inode inode,
                                            const std::optional<Entry>& before, const CallContext& context) {
  if (before && before->inode.is_regular() && before->inode.mtime == inode.mtime && before->inode.ino == inode.ino &&
      before->inode.size_bytes == static_cast<std::uint64_t>(info.st_size)) {
    inode.size_bytes = before->inode.size_bytes;
    inode.content = before->inode.content;
    inode.completeness = before->inode.completeness;
    ++progress.files_unchanged;
    if (inode.completeness == Completeness::kComplete) ++complete_files;
    if (inode.completeness == Completeness::kIncomplete) incomplete.push_back(path);
    return inode;
  }
  HOLDFAST_ASSIGN(inode.content, read_content(descriptor, path, static_cast<std::uint64_t>(info.st_size), context));
  inode.size_bytes = 0;
  if (const auto* small = std::get_if<InlineContent>(&inode.content)) {
    inode.size_bytes = small->bytes.size();
  } else if (const auto* few = std::get_if<ExtentContent>(&inode.content)) {
    for (const Extent& extent : few->extents) inode.size_bytes += extent.size_bytes;
  } else if (const auto* list = std::get_if<ListContent>(&inode.content)) {
    inode.size_bytes = list->root.totals.bytes;
  }
  judge_file(path, inode);
  return inode;
}

Inode TreeBuilder::State::as_link(Inode inode) {
  Inode name = inode;
  name.content = LinkTableContent{};
  links.emplace(inode.ino, std::move(inode));
  return name;
}

Result<TreeBuilder::State::Level> TreeBuilder::State::enter(OpenFile descriptor, std::string path, std::string name,
                                                            const struct stat& info, TreeRoot before) {
  Level level;
  level.inode = inode_of(info, xattrs_of(descriptor.get()));
  level.path = std::move(path);
  level.name = std::move(name);
  level.previous = std::move(before);
  const int copy = ::dup(descriptor.get());
  DIR* stream = copy < 0 ? nullptr : ::fdopendir(copy);
  if (stream == nullptr) {
    if (copy >= 0) ::close(copy);
    return file_error("listing", level.path);
  }
  errno = 0;
  while (const dirent* item = ::readdir(stream)) {
    const std::string child = item->d_name;
    if (child != "." && child != "..") level.names.push_back(child);
    errno = 0;
  }
  const int failure = errno;
  ::closedir(stream);
  if (failure != 0) {
    errno = failure;
    return file_error("listing", level.path);
  }
  std::sort(level.names.begin(), level.names.end());
  level.descriptor = std::move(descriptor);
  return level;
}

Result<std::optional<Inode>> TreeBuilder::State::visit_child(Level& level, const std::string& name,
                                                             std::vector<Level>& stack, const CallContext& context) {
  const std::string path = level.path + "/" + name;
  struct stat info {};
  OpenFile child(::openat(level.descriptor.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (child.get() < 0 || ::fstat(child.get(), &info) != 0) {
    if (errno == ENOENT) return std::optional<Inode>();  // went away while we walked
    return file_error("looking at", path);
  }
  HOLDFAST_ASSIGN(const std::optional<Entry> before, find_previous(level.previous, name, context));
  if (S_ISDIR(info.st_mode)) {
    OpenFile directory(::openat(level.descriptor.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (directory.get() < 0) return file_error("opening", path);
    TreeRoot below;
    if (before) {
      if (const auto* content = std::get_if<DirectoryContent>(&before->inode.content)) below = content->root;
    }
    HOLDFAST_ASSIGN(Level next, enter(std::move(directory), path, name, info, std::move(below)));
    stack.push_back(std::move(next));
    return std::optional<Inode>();
  }
  Inode inode = inode_of(info, xattrs_of(level.descriptor.get(), name));
  ++progress.files;
  if (report) report(progress);
  if (S_ISLNK(info.st_mode)) {
    std::array<char, 4096> target{};
    const ssize_t size = ::readlinkat(level.descriptor.get(), name.c_str(), target.data(), target.size());
    if (size < 0) return file_error("reading the link", path);
    const ByteView bytes = as_bytes({target.data(), static_cast<std::size_t>(size)});
    inode.content = InlineContent{Bytes(bytes.begin(), bytes.end())};
    inode.size_bytes = bytes.size();
    return std::optional<Inode>(std::move(inode));
  }
  if (!S_ISREG(info.st_mode)) return std::optional<Inode>(std::move(inode));
  if (inode.nlink > 1 && links.contains(inode.ino)) return std::optional<Inode>(as_link(std::move(inode)));
  const OpenFile file(::openat(level.descriptor.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (file.get() < 0) return file_error("opening", path);
  HOLDFAST_ASSIGN(inode, read_file(file.get(), info, path.substr(1), std::move(inode), before, context));
  if (inode.nlink > 1) return std::optional<Inode>(as_link(std::move(inode)));
  return std::optional<Inode>(std::move(inode));
}

Result<Inode> TreeBuilder::State::walk(OpenFile top_descriptor, const std::string& name, const struct stat& info,
                                       const CallContext& context) {
  TreeRoot before;
  if (previous) {
    if (const auto* content = std::get_if<DirectoryContent>(&previous->first.content)) {
      HOLDFAST_ASSIGN(const std::optional<Entry> entry, reader.find(content->root, name, context));
      if (entry) {
        if (const auto* inner = std::get_if<DirectoryContent>(&entry->inode.content)) before = inner->root;
      }
    }
  }
  std::vector<Level> stack;
  HOLDFAST_ASSIGN(Level first, enter(std::move(top_descriptor), "/" + name, name, info, std::move(before)));
  stack.push_back(std::move(first));
  while (true) {
    Level& level = stack.back();
    if (level.next < level.names.size()) {
      HOLDFAST_TRY(check_context(context, parts.clock, "walking " + level.path));
      const std::string child = level.names[level.next++];
      const std::size_t depth = stack.size();
      HOLDFAST_ASSIGN(std::optional<Inode> inode, visit_child(level, child, stack, context));
      // A directory was pushed instead: its edit comes when it ends (and `level` may have moved).
      if (stack.size() == depth && inode) stack.back().edits.push_back({child, std::move(inode)});
      continue;
    }
    HOLDFAST_ASSIGN(const TreeRoot root, editor.apply(std::nullopt, level.edits, context));
    if (root) level.inode.content = DirectoryContent{*root};
    Inode done = std::move(level.inode);
    const std::string done_name = level.name;
    stack.pop_back();
    if (stack.empty()) return done;
    ++stack.back().inode.nlink;
    stack.back().edits.push_back({done_name, std::move(done)});
  }
}

TreeBuilder::TreeBuilder(const LiveTreeOptions& options, Parts parts, std::optional<std::pair<Inode, TreeRoot>> previous,
                         CompletenessJudge judge, std::function<void(const BackupProgress&)> progress)
    : state_(std::make_unique<State>(options, parts, std::move(previous), std::move(judge), std::move(progress))) {}
TreeBuilder::~TreeBuilder() = default;

Status TreeBuilder::add_path(const std::string& path, const CallContext& context) {
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.pop_back();
  const std::string name = trimmed.substr(trimmed.rfind('/') + 1);
  if (!is_valid_entry_name(name)) {
    return Error(ErrorCode::kInvalidArgument, "'" + path + "' has no last name under which it could be kept");
  }
  if (state_->top.contains(name)) {
    return Error(ErrorCode::kAlreadyExists, "two of the given paths end in '" + name + "'");
  }
  struct stat info {};
  if (::stat(trimmed.c_str(), &info) != 0) return file_error("looking at", trimmed);
  if (S_ISDIR(info.st_mode)) {
    OpenFile directory(::open(trimmed.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.get() < 0) return file_error("opening", trimmed);
    HOLDFAST_ASSIGN(state_->top[name], state_->walk(std::move(directory), name, info, context));
    return ok_status();
  }
  if (!S_ISREG(info.st_mode)) return Error(ErrorCode::kInvalidArgument, trimmed + " is neither a file nor a directory");
  const OpenFile file(::open(trimmed.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return file_error("opening", trimmed);
  TreeRoot before;
  if (state_->previous) {
    if (const auto* content = std::get_if<DirectoryContent>(&state_->previous->first.content)) before = content->root;
  }
  HOLDFAST_ASSIGN(const std::optional<Entry> entry, state_->find_previous(before, name, context));
  Inode inode = state_->inode_of(info, xattrs_of(file.get()));
  inode.nlink = 1;  // its other names are not part of this backup
  ++state_->progress.files;
  HOLDFAST_ASSIGN(state_->top[name], state_->read_file(file.get(), info, name, std::move(inode), entry, context));
  return ok_status();
}

Status TreeBuilder::add_stream(const std::string& name, int descriptor, const std::function<Result<bool>()>& whole,
                               const CallContext& context) {
  if (!is_valid_entry_name(name)) return Error(ErrorCode::kInvalidArgument, "'" + name + "' is no file name");
  State& state = *state_;
  FileChunks chunks(state.parts.pipeline, state.parts.gear, state.options.chunk_sizes, state.options.domain);
  Bytes buffer(kReadBytes);
  while (true) {
    HOLDFAST_TRY(check_context(context, state.parts.clock, "reading the stream"));
    // A writer that says nothing must not keep the thread from seeing a stop.
    pollfd wait{descriptor, POLLIN, 0};
    if (::poll(&wait, 1, kLookAtContextMilliseconds) <= 0) continue;
    const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count < 0) return file_error("reading", "the stream");
    if (count == 0) break;
    HOLDFAST_TRY(chunks.add(ByteView(buffer).first(static_cast<std::size_t>(count))));
    state.progress.bytes += static_cast<std::uint64_t>(count);
    if (state.report) state.report(state.progress);
  }
  Inode inode;
  inode.ino = state.next_stream_ino++;
  inode.mode = S_IFREG | 0600U;
  inode.uid = ::geteuid();
  inode.gid = ::getegid();
  inode.mtime = inode.ctime = inode.atime = state.parts.clock.wall_now();
  inode.size_bytes = chunks.size_bytes();
  HOLDFAST_ASSIGN(inode.content, chunks.finish());
  ++state.progress.files;
  bool known_whole = false;
  if (whole) {
    HOLDFAST_ASSIGN(known_whole, whole());
  }
  Inode judged = inode;
  if (state.judge) judged.completeness = state.judge(name, inode);
  if (whole && !known_whole) {
    inode.completeness = Completeness::kIncomplete;
  } else if (judged.completeness == Completeness::kIncomplete) {
    inode.completeness = Completeness::kIncomplete;
  } else {
    // The end of a plain pipe may be the death of its writer; a command that succeeded has said that it wrote all.
    inode.completeness = known_whole ? Completeness::kComplete : Completeness::kUnchecked;
  }
  if (inode.completeness == Completeness::kComplete) ++state.complete_files;
  if (inode.completeness == Completeness::kIncomplete) state.incomplete.push_back(name);
  state.top[name] = std::move(inode);
  return ok_status();
}

Result<SealedTree> TreeBuilder::finish(const CallContext& context) {
  State& state = *state_;
  if (state.top.empty()) return Error(ErrorCode::kInvalidArgument, "there is nothing to back up");
  SealedTree tree;
  std::vector<TreeEdit> edits;
  for (auto& [name, inode] : state.top) edits.push_back({name, inode});
  HOLDFAST_ASSIGN(const TreeRoot root, state.editor.apply(std::nullopt, edits, context));
  std::map<std::string, Inode> links;
  for (auto& [number, inode] : state.links) links.emplace(link_name(number), std::move(inode));
  edits.clear();
  for (auto& [name, inode] : links) edits.push_back({name, std::move(inode)});
  if (!edits.empty()) {
    HOLDFAST_ASSIGN(tree.links, state.editor.apply(std::nullopt, edits, context, TreeForm::kLinkTable));
  }
  tree.root.ino = LiveTree::kRootIno;
  tree.root.mode = S_IFDIR | 0700U;
  tree.root.nlink = 2 + static_cast<std::uint64_t>(std::count_if(state.top.begin(), state.top.end(), [](const auto& item) { return item.second.is_directory(); }));
  tree.root.uid = ::geteuid();
  tree.root.gid = ::getegid();
  tree.root.mtime = tree.root.ctime = tree.root.atime = state.parts.clock.wall_now();
  if (root) tree.root.content = DirectoryContent{*root};
  tree.incomplete_paths = std::move(state.incomplete);
  if (tree.incomplete_paths.size() > kIncompletePathsMax) tree.incomplete_paths.resize(kIncompletePathsMax);
  tree.completeness = !tree.incomplete_paths.empty()  ? Completeness::kIncomplete
                      : state.complete_files > 0      ? Completeness::kComplete
                                                      : Completeness::kUnchecked;
  return tree;
}

}  // namespace holdfast
