// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <set>

#include "core/base/log.h"
#include "core/format/byte_reader.h"
#include "core/format/byte_writer.h"
#include "core/repo/key_frame.h"
#include "core/repo/repository_catalog.h"

// What is done when the own log or the own key file has a damaged place in it: open anyhow, with all that is intact.
namespace holdfast {
namespace {

constexpr ObjectKind kKeyFileObject{"HFKEYFL1", "key file"};
constexpr std::uint64_t kGapMaxEntries = 1U << 16;  // entries take 100 bytes and more: some megabytes of damage in one place

std::string damaged_path(const std::string& path) { return path + ".damaged"; }

/// The entries among what could be read: each is bound to its number, which is looked for behind a gap.
std::vector<LogEntry> open_salvaged(const LogCipher& cipher, const std::vector<SignedEntry>& found) {
  std::vector<LogEntry> out;
  std::uint64_t next = 0;
  for (const auto& one : found) {
    for (std::uint64_t number = next; number < next + kGapMaxEntries; ++number) {
      const auto plain = cipher.open_bytes(number, one.sealed);
      if (!plain) continue;
      next = number + 1;
      auto entry = decode_log_entry(*plain);
      if (entry) out.push_back(std::move(*entry));
      break;
    }
  }
  return out;
}

}  // namespace

Bytes key_frame(const KeyTableEntry& entry) {
  Bytes out;
  encode_key_table_entry(entry, out);
  return out;
}

Result<KeyTableEntry> decode_key_frame(ByteView payload) {
  ByteReader in(payload, "key file");
  HOLDFAST_ASSIGN(KeyTableEntry entry, decode_key_table_entry(in));
  HOLDFAST_TRY(in.expect_end());
  return entry;
}

Status set_aside(const std::string& path) {
  std::error_code failed;
  std::filesystem::rename(path, damaged_path(path), failed);
  if (failed) return Error(ErrorCode::kInternal, "renaming " + path + ": " + failed.message());
  return sync_directory(parent_directory(path));
}

Bytes RepositoryCatalog::key_header(const WriterId& writer) const {
  Bytes header;
  ByteWriter(header).prelude(kKeyFileObject).id(parts_.secrets->genesis.repository).id(writer);
  return header;
}

/// A tree with holes can't be continued: what is intact begins a new incarnation. The networks' heads of the old one are then adopted like those of any log that is ahead.
Status RepositoryCatalog::salvage_own_log(Error damage) {
  if (damage.code() != ErrorCode::kCorrupt) return damage;
  const auto& secrets = *parts_.secrets;
  const LogIdentity log = secrets.log_of(identity_.incarnation);
  HOLDFAST_ASSIGN(const auto found, LogFile::salvage(parts_.paths.log(), log));
  auto entries = open_salvaged(LogCipher(log, secrets.keys->catalog()), found);
  if (entries.empty()) return damage;
  const std::string path = LogFile::path_in(parts_.paths.log(), log.incarnation);
  log_error("the own log is damaged: a new incarnation goes on with the " + std::to_string(entries.size()) + " entries that are intact, the file is kept as " +
            damaged_path(path) + "; " + damage.message());
  HOLDFAST_TRY(begin_incarnation(std::move(entries)));
  return set_aside(path);
}

Status RepositoryCatalog::salvage_own_keys(Error damage) {
  if (damage.code() != ErrorCode::kCorrupt) return damage;
  const WriterId& writer = parts_.secrets->writer;
  const std::string path = key_path(writer);
  log_error("the own key file is damaged: what is missing is taken from the view and the networks, the file is kept as " + damaged_path(path) + "; " + damage.message());
  HOLDFAST_ASSIGN(const auto found, FramedFile::salvage(path, key_header(writer).size()));
  std::vector<Bytes> frames;
  std::set<SnapshotId> present;
  for (const auto& frame : found) {
    const auto entry = decode_key_frame(frame);
    if (entry && present.insert(entry->snapshot).second) frames.push_back(frame);
  }
  std::vector<SnapshotId> lacking;
  view_->for_each_snapshot([&](const SnapshotRow& row) {
    if (row.record.writer == writer && !present.contains(row.record.id)) lacking.push_back(row.record.id);
  });
  for (const auto& id : lacking) {
    const auto key = view_->key(id);
    if (key) frames.push_back(key_frame(*key));
  }
  // Which keys lie in which published table holds no longer: all are put again.
  std::error_code failed;
  std::filesystem::remove_all(parts_.paths.published(), failed);
  if (failed) return Error(ErrorCode::kInternal, "removing " + parts_.paths.published() + ": " + failed.message());
  const std::string rebuilt = path + ".rebuilt";
  HOLDFAST_TRY(remove_file(rebuilt));
  {
    HOLDFAST_ASSIGN(const auto file, FramedFile::open(rebuilt, key_header(writer), [](std::uint64_t, ByteView) { return ok_status(); }));
    HOLDFAST_TRY(file->append(frames));
  }
  std::filesystem::copy_file(path, damaged_path(path), std::filesystem::copy_options::overwrite_existing, failed);
  if (!failed) std::filesystem::rename(rebuilt, path, failed);
  if (failed) return Error(ErrorCode::kInternal, "replacing " + path + ": " + failed.message());
  HOLDFAST_TRY(sync_directory(parent_directory(path)));
  lacks_keys_ = true;
  return open_keys(writer);
}

}  // namespace holdfast
