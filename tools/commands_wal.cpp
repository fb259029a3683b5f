// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/tree/content.h"
#include "tools/session.h"

namespace holdfast {

namespace {

constexpr std::size_t kCopyBytes = 1U << 20;

std::string wal_database(const Session& session) {
  return session.invocation.database.empty() ? session.config.wal_database : session.invocation.database;
}

Error no_database() {
  return Error(ErrorCode::kInvalidArgument,
               "no database for WAL segments is named; give --db, HOLDFAST_WAL_DATABASE, or wal_database in [repository]");
}

/// A pinned inode that is forgotten at the end of its scope.
class Pinned {
 public:
  Pinned(LiveTree& tree, std::uint64_t ino) : tree_(tree), ino_(ino) {}
  ~Pinned() { tree_.forget(ino_, 1); }
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  [[nodiscard]] std::uint64_t ino() const noexcept { return ino_; }

 private:
  LiveTree& tree_;
  std::uint64_t ino_;
};

/// What is pushed belongs to whom the database belongs to, whoever runs this process.
Result<NewNode> node_of_owner(LiveTree& tree, std::uint32_t mode, const CallContext& context) {
  HOLDFAST_ASSIGN(const LiveAttributes root, tree.attributes(LiveTree::kRootIno, context));
  NewNode node;
  node.mode = mode;
  node.uid = root.uid;
  node.gid = root.gid;
  return node;
}

Result<std::uint64_t> wal_folder(LiveTree& tree, const CallContext& context) {
  Result<LiveAttributes> found = tree.lookup(LiveTree::kRootIno, "wal", context);
  if (!found && found.error().code() == ErrorCode::kNotFound) {
    HOLDFAST_ASSIGN(NewNode folder, node_of_owner(tree, S_IFDIR | 0700U, context));
    found = tree.make_node(LiveTree::kRootIno, "wal", folder, context);
    if (!found && found.error().code() == ErrorCode::kAlreadyExists) found = tree.lookup(LiveTree::kRootIno, "wal", context);
  }
  if (!found) return std::move(found).error();
  return found->ino;
}

/// Whether the archived segment has exactly the bytes of `descriptor`.
Result<bool> is_identical(LiveTree& tree, std::uint64_t ino, int descriptor, const CallContext& context) {
  HOLDFAST_ASSIGN(const std::shared_ptr<LiveFile> file, tree.open_file(ino, false, context));
  Bytes ours(kCopyBytes);
  Bytes theirs(kCopyBytes);
  for (std::uint64_t offset = 0;;) {
    HOLDFAST_ASSIGN(const std::size_t count, file->read(offset, ours, context));
    std::size_t got = 0;
    while (got < theirs.size()) {
      const ssize_t part = ::pread(descriptor, theirs.data() + got, theirs.size() - got, static_cast<off_t>(offset + got));
      if (part < 0 && errno == EINTR) continue;
      if (part < 0) return Error(ErrorCode::kInternal, std::string("reading the segment: ") + std::strerror(errno));
      if (part == 0) break;
      got += static_cast<std::size_t>(part);
    }
    if (got != count || !std::equal(ours.begin(), ours.begin() + static_cast<std::ptrdiff_t>(count), theirs.begin())) return false;
    if (count < ours.size()) return true;
    offset += count;
  }
}

Status store_segment(LiveTree& tree, std::uint64_t folder, const std::string& name, int descriptor, const CallContext& context) {
  // A push that was killed leaves its part behind; the name tells that it is one.
  const std::string part = "." + name + ".part";
  const Status removed = tree.unlink(folder, part, context);
  if (!removed && removed.error().code() != ErrorCode::kNotFound) return removed;
  HOLDFAST_ASSIGN(const NewNode node, node_of_owner(tree, S_IFREG | 0600U, context));
  HOLDFAST_ASSIGN(const LiveAttributes made, tree.make_node(folder, part, node, context));
  const Pinned pinned(tree, made.ino);
  HOLDFAST_ASSIGN(const std::shared_ptr<LiveFile> file, tree.open_file(made.ino, true, context));
  Bytes buffer(kCopyBytes);
  for (std::uint64_t offset = 0;;) {
    const ssize_t count = ::pread(descriptor, buffer.data(), buffer.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Error(ErrorCode::kInternal, std::string("reading the segment: ") + std::strerror(errno));
    if (count == 0) break;
    HOLDFAST_TRY(file->write(offset, ByteView(buffer).first(static_cast<std::size_t>(count)), context));
    offset += static_cast<std::uint64_t>(count);
  }
  HOLDFAST_TRY(file->flush(context));
  HOLDFAST_TRY(tree.rename(folder, part, folder, name, RenameMode::kNoReplace, context));
  // Done means: durable on this machine, under its name.
  return tree.sync();
}

Result<int> run_push(Session& session) {
  const std::string database = wal_database(session);
  if (database.empty()) return no_database();
  const std::string& path = session.invocation.operands.front();
  const std::string name = path.substr(path.rfind('/') + 1);
  if (!is_valid_entry_name(name)) return Error(ErrorCode::kInvalidArgument, "'" + path + "' has no file name");
  Result<LiveTree*> live = session.repository.live(database);
  if (!live && live.error().code() == ErrorCode::kNotFound) {
    HOLDFAST_TRY(session.repository.create_database(database, DatabasePolicy{}, session.io.uid, session.io.uid));
    live = session.repository.live(database);
  }
  if (!live) return std::move(live).error();
  LiveTree& tree = **live;
  HOLDFAST_ASSIGN(const std::uint64_t folder_ino, wal_folder(tree, session.context()));
  const Pinned folder(tree, folder_ino);
  const Result<LiveAttributes> present = tree.lookup(folder.ino(), name, session.context());
  if (!present) {
    if (present.error().code() != ErrorCode::kNotFound) return present.error();
    HOLDFAST_TRY(store_segment(tree, folder.ino(), name, session.io.in, session.context()));
    return 0;
  }
  const Pinned segment(tree, present->ino);
  HOLDFAST_ASSIGN(const bool same, is_identical(tree, segment.ino(), session.io.in, session.context()));
  if (same) {
    // An earlier push may have failed after it gave the segment its name, with nothing durable.
    HOLDFAST_TRY(tree.sync());
    return 0;
  }
  return Error(ErrorCode::kAlreadyExists, "the archive of '" + database + "' has another segment " + name +
                                              " already; it is left as it is (two servers archiving to one place?)");
}

Result<bool> fetch_from_live(Session& session, LiveTree& tree, const std::string& name) {
  const CallContext context = session.context();
  const Result<LiveAttributes> folder = tree.lookup(LiveTree::kRootIno, "wal", context);
  if (!folder) {
    if (folder.error().code() == ErrorCode::kNotFound) return false;
    return folder.error();
  }
  const Pinned folder_pin(tree, folder->ino);
  const Result<LiveAttributes> found = tree.lookup(folder->ino, name, context);
  if (!found) {
    if (found.error().code() == ErrorCode::kNotFound) return false;
    return found.error();
  }
  const Pinned pin(tree, found->ino);
  HOLDFAST_ASSIGN(const std::shared_ptr<LiveFile> file, tree.open_file(found->ino, false, context));
  Bytes buffer(kCopyBytes);
  for (std::uint64_t offset = 0;;) {
    HOLDFAST_ASSIGN(const std::size_t count, file->read(offset, buffer, context));
    if (count == 0) return true;
    HOLDFAST_TRY(write_all(session.io.out, ByteView(buffer).first(count), session.io.stop));
    offset += count;
  }
}

Result<bool> fetch_from_snapshot(Session& session, const SnapshotInfo& info, const std::string& name) {
  HOLDFAST_ASSIGN(const SnapshotView view, session.repository.open_snapshot(info.id, session.context()));
  const Result<Inode> inode = find_in_snapshot(session.repository.source(), view, "wal/" + name, session.context());
  if (!inode) {
    if (inode.error().code() == ErrorCode::kNotFound) return false;
    return inode.error();
  }
  const ContentReader reader(session.repository.source());
  Bytes buffer(kCopyBytes);
  for (std::uint64_t offset = 0; offset < inode->size_bytes;) {
    HOLDFAST_ASSIGN(const std::size_t count, reader.read(*inode, offset, buffer, session.context()));
    if (count == 0) break;
    HOLDFAST_TRY(write_all(session.io.out, ByteView(buffer).first(count), session.io.stop));
    offset += count;
  }
  return true;
}

/// 0 fetched, 1 proved absent: every place that could hold it was looked at and answered.
Result<int> run_fetch(Session& session) {
  const std::string database = wal_database(session);
  if (database.empty()) return no_database();
  const std::string& name = session.invocation.operands.front();
  if (!is_valid_entry_name(name)) return Error(ErrorCode::kInvalidArgument, "'" + name + "' is no segment name");
  Result<LiveTree*> live = session.repository.live(database);
  const bool may_come = !live && live.error().code() == ErrorCode::kUnavailable;  // the repository is being recovered
  if (!live && !may_come && live.error().code() != ErrorCode::kNotFound) return std::move(live).error();
  if (live) {
    HOLDFAST_ASSIGN(const bool found, fetch_from_live(session, **live, name));
    if (found) return 0;
  }
  const std::vector<SnapshotInfo> snapshots = session.repository.snapshots(database);
  if (!live && !may_come && snapshots.empty()) return Error(ErrorCode::kInvalidArgument, "there is no database '" + database + "'");
  for (const SnapshotInfo& snapshot : snapshots) {
    HOLDFAST_ASSIGN(const bool found, fetch_from_snapshot(session, snapshot, name));
    if (found) return 0;
  }
  const Status whole = session.repository.catalog_is_whole();
  if (!whole) return whole.error().with_context("segment " + name + " is not in what is known so far");
  return 1;
}

}  // namespace

Result<int> run_wal_command(Session& session) {
  return session.invocation.command == "wal-push" ? run_push(session) : run_fetch(session);
}

}  // namespace holdfast
