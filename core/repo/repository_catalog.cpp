// SPDX-License-Identifier: Apache-2.0
#include "core/repo/repository_catalog.h"

#include <limits>
#include <set>

#include "core/base/log.h"
#include "core/format/byte_reader.h"
#include "core/format/byte_writer.h"
#include "core/repo/key_frame.h"
#include "core/repo/log_folder.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kReadBatch = 1024;

/// What speaks of one incarnation of a log and is not carried into the next one.
bool is_of_incarnation(const LogEntry& entry) {
  return std::holds_alternative<IncarnationEntry>(entry.body) || std::holds_alternative<CheckpointEntry>(entry.body);
}

}  // namespace

Result<std::unique_ptr<RepositoryCatalog>> RepositoryCatalog::open(Parts parts, RepositoryIdentity identity) {
  std::unique_ptr<RepositoryCatalog> out(new RepositoryCatalog(std::move(parts), std::move(identity)));
  const auto& secrets = *out->parts_.secrets;
  out->slot_ = secrets.certificate.slot;
  HOLDFAST_TRY(make_folder(out->parts_.paths.log()));
  auto own = OwnLog::open(out->parts_.paths.log(), secrets.log_of(out->identity_.incarnation), secrets.keys->catalog(), secrets.writer_seed.view(),
                          out->parts_.random);
  if (own) {
    out->own_ = std::move(*own);
    HOLDFAST_TRY(out->begin_log(*out->own_, {}));
  } else {
    HOLDFAST_TRY(out->salvage_own_log(std::move(own).error()));
  }
  HOLDFAST_TRY(out->open_other_logs());
  HOLDFAST_ASSIGN(out->parts_of_logs_, LogParts::open(out->parts_.paths.log() + "/parts"));
  HOLDFAST_ASSIGN(out->view_, CatalogView::open(out->parts_.view_store, secrets.genesis.repository, secrets.keys->catalog()));
  auto keys = out->open_keys(secrets.writer);
  if (!keys) HOLDFAST_TRY(out->salvage_own_keys(std::move(keys).error()));
  const auto folded = out->fold_all();
  if (!folded) {
    log_warning("the folded catalog is folded anew: " + folded.error().message());
    HOLDFAST_TRY(out->view_->clear());
    HOLDFAST_TRY(out->fold_all());
  }
  return out;
}

Status RepositoryCatalog::begin_log(OwnLog& log, const std::vector<LogEntry>& carried) {
  if (log.file().state().size > 0) return ok_status();
  IncarnationEntry first{identity_.certificate, {}};
  if (view_ != nullptr) {
    for (const auto& writer : view_->writers()) first.seen.push_back({writer.id, writer.log.size, writer.log.merkle_root});
  }
  std::vector<LogEntry> entries{{parts_.clock.wall_now(), std::move(first)}};
  entries.insert(entries.end(), carried.begin(), carried.end());
  HOLDFAST_TRY(log.append(entries));
  return ok_status();
}

Status RepositoryCatalog::open_keys(const WriterId& writer) {
  if (key_files_.contains(writer)) return ok_status();
  KeyFile out;
  const auto visit = [&](std::uint64_t, ByteView payload) -> Status {
    HOLDFAST_ASSIGN(const KeyTableEntry entry, decode_key_frame(payload));
    out.keys.insert_or_assign(entry.snapshot, entry);
    return ok_status();
  };
  HOLDFAST_ASSIGN(out.file, FramedFile::open(key_path(writer), key_header(writer), visit));
  key_files_.emplace(writer, std::move(out));
  return ok_status();
}

Status RepositoryCatalog::open_other_logs() {
  HOLDFAST_ASSIGN(const LogFolder folder, scan_log_folder(parts_.paths.log()));
  const auto& repository = parts_.secrets->genesis.repository;
  for (const auto& log : folder.logs) {
    if (log.repository != repository || log.incarnation == identity_.incarnation) continue;
    auto opened = LogFile::open(parts_.paths.log(), log);
    if (!opened) {
      if (log.writer == parts_.secrets->writer) {
        // One that ended: the present one repeats it.
        log_warning("an ended log is set aside: " + opened.error().message());
        HOLDFAST_TRY(set_aside(LogFile::path_in(parts_.paths.log(), log.incarnation)));
        continue;
      }
      // A copy: the networks have it.
      log_warning("a copied log is fetched again: " + opened.error().message());
      HOLDFAST_TRY(remove_file(LogFile::path_in(parts_.paths.log(), log.incarnation)));
      continue;
    }
    other_logs_.emplace(log.incarnation, std::move(*opened));
  }
  for (const auto& writer : folder.key_writers) {
    if (writer == parts_.secrets->writer) continue;
    auto opened = open_keys(writer);
    if (opened) continue;
    log_warning("a copied key table is fetched again: " + opened.error().message());
    HOLDFAST_TRY(remove_file(key_path(writer)));
  }
  return ok_status();
}

Status RepositoryCatalog::fold_all() {
  for (const auto& [incarnation, log] : other_logs_) {
    auto folded = view_->fold_file(LogCipher(log->log(), parts_.secrets->keys->catalog()), *log);
    if (folded) continue;
    if (folded.error().code() != ErrorCode::kCorrupt) return folded;
    // Another writer's fault is no reason to keep this machine from its own data.
    log_warning("a part of the log of writer " + log->log().writer.hex() + " is left out: " + folded.error().message());
  }
  if (view_->folded(identity_.incarnation) > own_->file().state().size) {
    return Error(ErrorCode::kConflict, "the fold is ahead of the log");  // a state folder that was rolled back
  }
  HOLDFAST_TRY(view_->fold_file(own_->cipher(), own_->file()));
  HOLDFAST_TRY(fold_parts());
  for (const auto& [writer, keys] : key_files_) {
    std::vector<KeyTableEntry> all;
    for (const auto& [id, entry] : keys.keys) all.push_back(entry);
    HOLDFAST_TRY(view_->add_keys(all));
  }
  return open_fields();
}

Status RepositoryCatalog::fold_parts() {
  const auto parts = parts_of_logs_->all();
  for (const auto& [digest, part] : parts) {
    HOLDFAST_ASSIGN(const LogSegment segment, parts_of_logs_->read(digest));
    HOLDFAST_TRY(fold_part(digest, segment));
  }
  return ok_status();
}

/// One that does not open is left out: another writer's fault.
Status RepositoryCatalog::fold_part(const Digest& digest, const LogSegment& segment) {
  const auto folded = view_->fold_part(LogCipher(segment.log, parts_.secrets->keys->catalog()), digest, segment.first, segment.entries);
  if (folded || folded.error().code() != ErrorCode::kCorrupt) return folded;
  log_warning("a part of the log of writer " + segment.log.writer.hex() + " is left out: " + folded.error().message());
  return parts_of_logs_->drop(digest);
}

Status RepositoryCatalog::open_fields() {
  const auto& secrets = *parts_.secrets;
  return view_->open_fields([&](const SnapshotRecord& record, const KeyTableEntry* entry) -> std::optional<SnapshotFields> {
    if (entry == nullptr || secrets.vault_secret.empty()) return std::nullopt;
    const auto key = open_snapshot_key(*entry, secrets.genesis.vault_key, secrets.vault_secret.view());
    if (!key) return std::nullopt;
    auto fields = open_snapshot_record(record, key->view());
    return fields ? std::optional(std::move(*fields)) : std::nullopt;
  });
}

Status RepositoryCatalog::append(std::span<const LogEntry> entries) {
  {
    const std::lock_guard lock(mutex_);
    HOLDFAST_TRY(own_->append(entries));
    // What the log holds is said; a view that fails is folded again at the next append or opening.
    const auto folded = view_->fold_file(own_->cipher(), own_->file());
    if (!folded) log_warning("folding the own log: " + folded.error().message());
  }
  ++changes_;
  if (on_append_) on_append_();
  return ok_status();
}

Status RepositoryCatalog::add_key(const KeyTableEntry& entry) {
  const std::lock_guard lock(mutex_);
  auto& own = key_files_.at(parts_.secrets->writer);
  HOLDFAST_TRY(own.file->append({key_frame(entry)}));
  own.keys.insert_or_assign(entry.snapshot, entry);
  const std::array<KeyTableEntry, 1> keys{entry};
  return view_->add_keys(keys);
}

Status RepositoryCatalog::placed(const StagedPack& pack, const NetworkCopy& copy) {
  PlacedEntry body{pack.id, pack.size_bytes, copy.network, copy.ref.locator};
  if (copy.shard) body.shard = PlacedShard{copy.shard->plan.code, copy.shard->plan.index, copy.shard->id};
  const std::vector<LogEntry> entries{{parts_.clock.wall_now(), std::move(body)}};
  return append(entries);
}

RepositoryCatalog::OwnState RepositoryCatalog::own_state() const {
  const std::lock_guard lock(mutex_);
  return {own_->file().log(), own_->file().state(), key_files_.at(parts_.secrets->writer).file->count(), slot_, identity_.certificate};
}

std::uint32_t RepositoryCatalog::slot() const {
  const std::lock_guard lock(mutex_);
  return slot_;
}

Status RepositoryCatalog::move_to_slot(std::uint32_t slot) {
  const auto& secrets = *parts_.secrets;
  if (secrets.root_seed.empty()) {
    return Error(ErrorCode::kPermissionDenied, "this machine has no vault to certify itself for another slot: connect it again");
  }
  Certificate certificate = secrets.certificate;
  certificate.slot = slot;
  certificate.issued = parts_.clock.wall_now();
  {
    const std::lock_guard lock(mutex_);
    RepositoryIdentity next = identity_;
    next.certificate = encode_certificate(certificate, secrets.root_seed.view());
    HOLDFAST_TRY(replace_file(parts_.paths.identity(), encode_identity(next)));
    identity_ = std::move(next);
    slot_ = slot;
  }
  ++changes_;
  if (on_append_) on_append_();
  return ok_status();
}

Result<std::vector<SignedEntry>> RepositoryCatalog::read_own(const LogIdentity& log, std::uint64_t first, std::uint64_t count) const {
  std::shared_ptr<OwnLog> own;
  {
    const std::lock_guard lock(mutex_);
    own = own_;
  }
  if (own->file().log() != log) return Error(ErrorCode::kConflict, "the log began a new incarnation");
  return own->file().read(first, count);
}

Result<std::vector<KeyTableEntry>> RepositoryCatalog::read_own_keys(std::uint64_t first, std::uint64_t count) const {
  const FramedFile* file = nullptr;
  {
    const std::lock_guard lock(mutex_);
    file = key_files_.at(parts_.secrets->writer).file.get();
  }
  HOLDFAST_ASSIGN(const auto frames, file->read(first, count));
  std::vector<KeyTableEntry> out;
  for (const auto& frame : frames) {
    HOLDFAST_ASSIGN(const KeyTableEntry entry, decode_key_frame(frame));
    out.push_back(entry);
  }
  return out;
}

std::vector<OtherWriter> RepositoryCatalog::others() const {
  std::vector<OtherWriter> out;
  for (const auto& row : view_->writers()) out.push_back({row.id, row.slot, row.log.size, row.log.merkle_root});
  return out;
}

Result<LogFile*> RepositoryCatalog::other_log(const LogIdentity& log) {
  const auto found = other_logs_.find(log.incarnation);
  if (found != other_logs_.end()) {
    if (found->second->log() == log) return found->second.get();
    return Error(ErrorCode::kUntrusted, "two writers claim the log incarnation " + log.incarnation.hex());
  }
  HOLDFAST_ASSIGN(auto opened, LogFile::open(parts_.paths.log(), log));
  return other_logs_.emplace(log.incarnation, std::move(opened)).first->second.get();
}

Result<LogState> RepositoryCatalog::known(const LogIdentity& log) {
  const std::lock_guard lock(mutex_);
  if (log.incarnation == identity_.incarnation) return own_->file().state();
  const auto found = other_logs_.find(log.incarnation);
  return found == other_logs_.end() ? LogState{} : found->second->state();
}

Result<Digest> RepositoryCatalog::known_root(const LogIdentity& log, std::uint64_t size) {
  const std::lock_guard lock(mutex_);
  if (log.incarnation == identity_.incarnation) return own_->file().root_at(size);
  const auto found = other_logs_.find(log.incarnation);
  if (found == other_logs_.end()) return Error(ErrorCode::kOutOfRange, "no copy of that log");
  return found->second->root_at(size);
}

Status RepositoryCatalog::take_entries(const VerifiedHead& head, std::span<const SignedEntry> entries) {
  {
    const std::lock_guard lock(mutex_);
    HOLDFAST_TRY(take_locked(head, entries));
  }
  ++changes_;
  return ok_status();
}

Status RepositoryCatalog::take_locked(const VerifiedHead& head, std::span<const SignedEntry> entries) {
  HOLDFAST_ASSIGN(LogFile * log, other_log(head.head.log));
  HOLDFAST_TRY(log->append_checked(entries, {head.head.log_size, head.head.merkle_root}));
  HOLDFAST_TRY(view_->fold_file(LogCipher(head.head.log, parts_.secrets->keys->catalog()), *log));
  HOLDFAST_TRY(view_->set_writer({head.head.log.writer, head.head.slot, head.head.log.incarnation, log->state(), head.head.time, head.head.certificate}));
  return parts_of_logs_->drop_before(head.head.log, head.head.log_size);
}

std::vector<LogRange> RepositoryCatalog::missing(const LogIdentity& log, std::uint64_t size) const {
  const std::lock_guard lock(mutex_);
  const auto found = other_logs_.find(log.incarnation);
  const std::uint64_t known = found == other_logs_.end() ? 0 : found->second->state().size;
  return known >= size ? std::vector<LogRange>() : parts_of_logs_->missing(log, known, size);
}

Status RepositoryCatalog::take_part(const Digest& digest, ByteView object, const LogSegment& segment) {
  {
    const std::lock_guard lock(mutex_);
    HOLDFAST_TRY(parts_of_logs_->add(digest, object, segment));
    HOLDFAST_TRY(fold_part(digest, segment));
  }
  ++changes_;
  return open_fields();
}

Status RepositoryCatalog::join_parts(const VerifiedHead& head) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = other_logs_.find(head.head.log.incarnation);
    const std::uint64_t known = found == other_logs_.end() ? 0 : found->second->state().size;
    const auto join = [&]() -> Status {
      HOLDFAST_ASSIGN(const auto entries, parts_of_logs_->entries(head.head.log, known, head.head.log_size));
      return take_locked(head, entries);
    };
    const Status joined = join();
    if (!joined) {
      if (joined.error().code() != ErrorCode::kConflict) return joined;
      log_error("what was shown of the log of writer " + head.head.log.writer.hex() + " is withdrawn: " + joined.error().message());
      HOLDFAST_TRY(parts_of_logs_->drop_before(head.head.log, std::numeric_limits<std::uint64_t>::max()));
      HOLDFAST_TRY(view_->clear());
      HOLDFAST_TRY(fold_all());
      return joined;
    }
  }
  ++changes_;
  return ok_status();
}

std::vector<LogIdentity> RepositoryCatalog::partial_logs() const {
  const std::lock_guard lock(mutex_);
  std::vector<LogIdentity> out;
  for (const auto& [digest, part] : parts_of_logs_->all()) {
    if (std::find(out.begin(), out.end(), part.log) == out.end()) out.push_back(part.log);
  }
  return out;
}

Status RepositoryCatalog::take_keys(const WriterId& writer, std::span<const KeyTableEntry> keys) {
  std::vector<KeyTableEntry> fresh;
  {
    const std::lock_guard lock(mutex_);
    HOLDFAST_TRY(open_keys(writer));
    auto& file = key_files_.at(writer);
    std::vector<Bytes> frames;
    for (const auto& key : keys) {
      if (file.keys.contains(key.snapshot)) continue;
      frames.push_back(key_frame(key));
      fresh.push_back(key);
    }
    HOLDFAST_TRY(file.file->append(frames));
    for (const auto& key : fresh) file.keys.insert_or_assign(key.snapshot, key);
    HOLDFAST_TRY(view_->add_keys(fresh));
  }
  if (!fresh.empty() && writer == parts_.secrets->writer && on_append_) on_append_();
  return ok_status();
}

Result<std::vector<LogEntry>> RepositoryCatalog::plain_entries(const OwnLog& log) const {
  std::vector<LogEntry> out;
  const std::uint64_t size = log.file().state().size;
  for (std::uint64_t first = 0; first < size; first += kReadBatch) {
    const std::uint64_t count = std::min(kReadBatch, size - first);
    HOLDFAST_ASSIGN(const auto entries, log.file().read(first, count));
    for (std::uint64_t i = 0; i < count; ++i) {
      HOLDFAST_ASSIGN(auto entry, log.cipher().open(first + i, entries[i].sealed));
      out.push_back(std::move(entry));
    }
  }
  return out;
}

/// Goes over to a new own log that begins with `carried`. The present one stays as it is on the disk.
Status RepositoryCatalog::begin_incarnation(std::vector<LogEntry> carried) {
  std::erase_if(carried, is_of_incarnation);
  RepositoryIdentity next = identity_;
  next.earlier.push_back(identity_.incarnation);
  HOLDFAST_TRY(parts_.random.fill(next.incarnation.mutable_view()));
  const auto& secrets = *parts_.secrets;
  HOLDFAST_ASSIGN(std::shared_ptr<OwnLog> log, OwnLog::open(parts_.paths.log(), secrets.log_of(next.incarnation), secrets.keys->catalog(),
                                                            secrets.writer_seed.view(), parts_.random));
  HOLDFAST_TRY(begin_log(*log, carried));
  HOLDFAST_TRY(replace_file(parts_.paths.identity(), encode_identity(next)));
  identity_ = std::move(next);
  own_ = std::move(log);
  return ok_status();
}

/// Keeps what was carried on of ended logs beside the others, so that it is known again when a network that lags behind shows it.
Status RepositoryCatalog::keep_ended(const LogIdentity& ended, const VerifiedHead& published, std::span<const SignedEntry> entries) {
  HOLDFAST_TRY(other_log(ended));
  HOLDFAST_ASSIGN(LogFile * log, other_log(published.head.log));
  const std::uint64_t here = log->state().size;
  if (here < entries.size()) {
    const auto added = log->append_checked(entries.subspan(here), {published.head.log_size, published.head.merkle_root});
    // Two machines went on with one log: its file can't hold both ends, the new incarnation does.
    if (!added && added.error().code() != ErrorCode::kConflict) return added;
  }
  return view_->fold_file(LogCipher(published.head.log, parts_.secrets->keys->catalog()), *log);
}

Status RepositoryCatalog::start_incarnation(const VerifiedHead& published, std::span<const SignedEntry> entries) {
  const LogCipher cipher(published.head.log, parts_.secrets->keys->catalog());
  {
    const std::lock_guard lock(mutex_);
    HOLDFAST_ASSIGN(std::vector<LogEntry> carried, plain_entries(*own_));
    std::set<Bytes> present;
    for (const auto& entry : carried) present.insert(encode_log_entry(entry));
    // One incarnation can't go on in two ways; another one need not be repeated when nothing in it is new.
    bool is_new = published.head.log.incarnation == identity_.incarnation;
    for (std::uint64_t i = 0; i < entries.size(); ++i) {
      HOLDFAST_ASSIGN(auto entry, cipher.open(i, entries[i].sealed));
      if (is_of_incarnation(entry) || !present.insert(encode_log_entry(entry)).second) continue;
      is_new = true;
      carried.push_back(std::move(entry));
    }
    if (!is_new) return ok_status();
    const LogIdentity ended = own_->file().log();
    HOLDFAST_TRY(begin_incarnation(std::move(carried)));
    const auto kept = keep_ended(ended, published, entries);
    if (!kept) log_warning("keeping the ended log: " + kept.error().message());
    HOLDFAST_TRY(view_->fold_file(own_->cipher(), own_->file()));
  }
  ++changes_;
  if (on_append_) on_append_();
  return open_fields();
}

Result<bool> RepositoryCatalog::covers(const LogIdentity& log, const LogState& state) {
  HOLDFAST_ASSIGN(const LogState here, known(log));
  if (here.size <= state.size) return here == state;
  HOLDFAST_ASSIGN(const Digest root, known_root(log, state.size));
  return root == state.merkle_root;
}

}  // namespace holdfast
