// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>
#include <unistd.h>

#include "core/restore/restorer.h"
#include "core/tree/content.h"
#include "tools/json_output.h"
#include "tools/progress.h"
#include "tools/session.h"
#include "tools/units.h"

namespace holdfast {

namespace {

struct Opened {
  SnapshotView view;
  std::string path;
  Inode inode;
};

Result<Opened> open_path(Session& session, const std::string& text) {
  const SnapshotPath parts = split_snapshot_path(text);
  HOLDFAST_ASSIGN(const SnapshotInfo info, session.repository.resolve(parts.snapshot));
  HOLDFAST_ASSIGN(SnapshotView view, session.repository.open_snapshot(info.id, session.context()));
  HOLDFAST_ASSIGN(Inode inode, find_in_snapshot(session.repository.source(), view, parts.path, session.context()));
  return Opened{std::move(view), parts.path, std::move(inode)};
}

std::string mode_text(const Inode& inode) {
  const char type = inode.is_directory()      ? 'd'
                    : inode.is_symlink()      ? 'l'
                    : inode.is_regular()      ? '-'
                    : S_ISFIFO(inode.mode)    ? 'p'
                    : S_ISSOCK(inode.mode)    ? 's'
                    : S_ISBLK(inode.mode)     ? 'b'
                                              : 'c';
  std::string text(1, type);
  static constexpr std::string_view kLetters = "rwxrwxrwx";
  for (unsigned i = 0; i < 9; ++i) text += (inode.mode & (0400U >> i)) != 0 ? kLetters[i] : '-';
  return text;
}

nlohmann::json entry_json(const std::string& name, const Inode& inode) {
  nlohmann::json document = {{"name", name},       {"mode", mode_text(inode)},         {"uid", inode.uid},
                             {"gid", inode.gid},   {"size", inode.size_bytes},         {"mtime", time_text(inode.mtime)},
                             {"ino", inode.ino},   {"nlink", inode.nlink}};
  if (inode.completeness != Completeness::kNotApplicable) {
    document["completeness"] = std::string(completeness_name(inode.completeness));
  }
  return document;
}

Result<int> run_ls(Session& session) {
  HOLDFAST_ASSIGN(const Opened opened, open_path(session, session.invocation.operands.front()));
  const TreeReader reader(session.repository.source());
  nlohmann::json document = nlohmann::json::array();
  const auto show = [&](const std::string& name, const Inode& inode) {
    if (session.io.json) {
      document.push_back(entry_json(name, inode));
    } else {
      session.io.print(mode_text(inode) + " " + std::to_string(inode.uid) + ":" + std::to_string(inode.gid) + " " +
                       std::to_string(inode.size_bytes) + " " + time_text(inode.mtime) + " " + name + "\n");
    }
  };
  const auto* directory = std::get_if<DirectoryContent>(&opened.inode.content);
  if (!opened.inode.is_directory()) {
    show(opened.path.substr(opened.path.rfind('/') + 1), opened.inode);
  }
  std::string after;
  while (directory != nullptr) {
    HOLDFAST_ASSIGN(const std::vector<Entry> page, reader.list(directory->root, after, 1000, session.context()));
    if (page.empty()) break;
    for (const Entry& entry : page) {
      Inode inode = entry.inode;
      if (std::holds_alternative<LinkTableContent>(inode.content)) {
        HOLDFAST_ASSIGN(const std::optional<Inode> linked, reader.find_link(opened.view.links, inode.ino, session.context()));
        if (linked) inode = *linked;
      }
      show(entry.name, inode);
    }
    after = page.back().name;
  }
  if (session.io.json) session.io.print(json_text(document));
  return 0;
}

Result<int> run_cat(Session& session) {
  HOLDFAST_ASSIGN(const Opened opened, open_path(session, session.invocation.operands.front()));
  if (!opened.inode.is_regular()) return Error(ErrorCode::kInvalidArgument, "'" + opened.path + "' is no file");
  const ContentReader reader(session.repository.source());
  Bytes buffer(1U << 20);
  for (std::uint64_t offset = 0; offset < opened.inode.size_bytes;) {
    if (session.io.stop.stop_requested()) return Error(ErrorCode::kCancelled, "interrupted");
    if (offset % (16U << 20) == 0) {
      auto ahead = reader.extents(opened.inode.content, offset, 32U << 20, session.context());
      if (ahead) {
        std::vector<ChunkRef> refs;
        for (const auto& located : *ahead) {
          if (located.extent.chunk) refs.push_back(*located.extent.chunk);
        }
        session.repository.source().prefetch(refs);
      }
    }
    HOLDFAST_ASSIGN(const std::size_t count, reader.read(opened.inode, offset, buffer, session.context()));
    if (count == 0) break;
    HOLDFAST_TRY(write_all(session.io.out, ByteView(buffer).first(count), session.io.stop));
    offset += count;
  }
  return 0;
}

Result<RestoreReport> restore_one(Session& session, const Opened& opened, const RestoreOptions& options) {
  ChunkSource& source = session.repository.source();
  if (!opened.inode.is_directory()) {
    return restore_single(source, opened.path.substr(opened.path.rfind('/') + 1), opened.inode, opened.view.links, options,
                          system_random(), session.context());
  }
  TreeRoot root;
  if (const auto* directory = std::get_if<DirectoryContent>(&opened.inode.content)) root = directory->root;
  return restore_tree(source, root, opened.view.links, options, system_random(), session.context());
}

std::uint64_t logical_bytes(const Opened& opened) {
  if (const auto* directory = std::get_if<DirectoryContent>(&opened.inode.content)) return directory->root.totals.bytes;
  return opened.inode.size_bytes;
}

Result<int> run_restore(Session& session) {
  const MonoTime begun = system_clock().mono_now();
  ProgressLine line(session.io, "restore");
  RestoreReport all;
  SnapshotInfo last;
  for (const std::string& text : session.invocation.operands) {
    HOLDFAST_ASSIGN(const Opened opened, open_path(session, text));
    RestoreOptions options;
    options.target = session.io.absolute(session.invocation.target);
    options.verify_full = session.invocation.verify == "full";
    options.as_root = ::geteuid() == 0;
    const std::uint64_t total = logical_bytes(opened);
    options.progress = [&](const RestoreProgress& done) { line.update(done.bytes, total, done.files); };
    HOLDFAST_ASSIGN(RestoreReport report, restore_one(session, opened, options));
    all.done.files += report.done.files;
    all.done.bytes += report.done.bytes;
    all.done.files_skipped += report.done.files_skipped;
    all.failure_count += report.failure_count;
    for (RestoreFailure& failure : report.failures) all.failures.push_back(std::move(failure));
    last = opened.view.info;
  }
  line.clear();
  const double seconds = std::chrono::duration<double>(system_clock().mono_now() - begun).count();
  if (session.io.json) {
    nlohmann::json failures = nlohmann::json::array();
    for (const RestoreFailure& failure : all.failures) {
      failures.push_back({{"path", failure.path}, {"code", std::string(error_code_name(failure.error.code()))}, {"message", failure.error.message()}});
    }
    session.io.print(json_text({{"id", last.id.hex()}, {"name", last.database + "@" + last.name}, {"files", all.done.files},
                                {"files_skipped", all.done.files_skipped}, {"bytes", all.done.bytes}, {"bytes_new", all.done.bytes},
                                {"bytes_stored_new", 0}, {"seconds", seconds}, {"failures", failures}}));
  } else if (!session.io.quiet) {
    session.io.complain(std::to_string(all.done.files) + " files, " + size_text(all.done.bytes) + " restored, " +
                        std::to_string(all.done.files_skipped) + " were there already, " + duration_text(seconds) + "\n");
  }
  if (all.failure_count == 0) return 0;
  bool corrupt = false;
  for (const RestoreFailure& failure : all.failures) {
    corrupt = corrupt || failure.error.code() == ErrorCode::kCorrupt || failure.error.code() == ErrorCode::kNotFound;
    if (!session.io.json) session.io.complain("holdfast: not restored: " + failure.path + ": " + failure.error.message() + "\n");
  }
  if (!session.io.json) session.io.complain("holdfast: " + std::to_string(all.failure_count) + " files could not be restored\n");
  return static_cast<int>(corrupt ? ExitCode::kIntegrity : ExitCode::kFailed);
}

}  // namespace

Result<int> run_reading_command(Session& session) {
  const std::string& command = session.invocation.command;
  if (command == "ls") return run_ls(session);
  if (command == "cat") return run_cat(session);
  return run_restore(session);
}

}  // namespace holdfast
