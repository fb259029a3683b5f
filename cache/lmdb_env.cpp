// SPDX-License-Identifier: Apache-2.0
#include "cache/lmdb_env.h"

#include <lmdb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <shared_mutex>

#include "cache/clean_mark.h"
#include "cache/file_io.h"
#include "core/base/log.h"

namespace holdfast {

using cache::File;
using cache::ensure_folder;
using cache::remove_file;
namespace {

constexpr unsigned kReadersMax = 512;                  // threads of a mount, with room; a slot is 64 bytes

Error lmdb_error(int code, std::string_view doing) {
  ErrorCode meaning = ErrorCode::kInternal;
  switch (code) {
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_PANIC:
    case MDB_CURSOR_FULL:
    case MDB_INCOMPATIBLE:
      meaning = ErrorCode::kCorrupt;
      break;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case ENOSPC:
    case EDQUOT:
      meaning = ErrorCode::kNoSpace;
      break;
    case MDB_READERS_FULL:
    case MDB_MAP_RESIZED:
      meaning = ErrorCode::kUnavailable;
      break;
    case MDB_BAD_VALSIZE:
      meaning = ErrorCode::kInvalidArgument;
      break;
    case EACCES:
    case EROFS:
      meaning = ErrorCode::kPermissionDenied;
      break;
    default:
      break;
  }
  return Error(meaning, std::string(doing) + ": " + mdb_strerror(code));
}

MDB_val to_val(ByteView bytes) {
  // LMDB takes a plain pointer for input too and does not write through it.
  return {bytes.size(), const_cast<std::uint8_t*>(bytes.data())};
}
ByteView from_val(const MDB_val& value) {
  return {static_cast<const std::uint8_t*>(value.mv_data), value.mv_size};
}

Status check_key(ByteView key) {
  if (key.empty() || key.size() > 511) {
    return Error(ErrorCode::kInvalidArgument,
                 "a key of " + std::to_string(key.size()) + " bytes; 1 to 511 are possible");
  }
  return ok_status();
}

/// Aborts a transaction that was not committed.
class Transaction {
 public:
  Transaction() = default;
  ~Transaction() {
    if (handle_ != nullptr) mdb_txn_abort(handle_);
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  int begin(MDB_env* env, unsigned flags) { return mdb_txn_begin(env, nullptr, flags, &handle_); }
  int commit() { return mdb_txn_commit(std::exchange(handle_, nullptr)); }
  [[nodiscard]] MDB_txn* get() const { return handle_; }

 private:
  MDB_txn* handle_ = nullptr;
};

}  // namespace

struct LmdbEnv::State {
  LmdbOptions options;
  pid_t owner = 0;
  std::optional<File> lock_file;
  bool was_empty = false;
  // Order: write_mutex, then env_mutex. Shared by transactions, exclusive where the environment comes or goes.
  mutable std::shared_mutex env_mutex;
  std::mutex write_mutex;
  MDB_env* env = nullptr;
  MDB_dbi table = 0;

  [[nodiscard]] std::string path(const char* name) const { return options.folder + "/" + name; }

  [[nodiscard]] Status usable() const {
    if (owner != ::getpid()) return Error(ErrorCode::kInternal, "an LMDB environment was carried across fork");
    if (env == nullptr) return Error(ErrorCode::kInternal, "the LMDB environment is closed");
    return ok_status();
  }

  Status take_lock();
  Status open_env();
  [[nodiscard]] bool owns_data_file() const;
  Status wipe() const;
  Status write_once(std::span<const LmdbPut> batch);
};

Status LmdbEnv::State::take_lock() {
  HOLDFAST_TRY(ensure_folder(options.folder));
  lock_file.reset();
  // flock belongs to the open file description, so this also refuses a second environment in this process.
  HOLDFAST_ASSIGN(File file, File::open(path("owner.lock"), File::Mode::kCreate));
  HOLDFAST_TRY(file.try_lock());
  lock_file.emplace(std::move(file));
  return ok_status();
}

bool LmdbEnv::State::owns_data_file() const {
  mdb_filehandle_t descriptor = -1;
  struct stat mine {};
  struct stat there {};
  return mdb_env_get_fd(env, &descriptor) == 0 && ::fstat(descriptor, &mine) == 0 &&
         ::stat(path("data.mdb").c_str(), &there) == 0 && mine.st_dev == there.st_dev && mine.st_ino == there.st_ino;
}

Status LmdbEnv::State::wipe() const {
  HOLDFAST_TRY(remove_clean_mark(options.folder));
  HOLDFAST_TRY(remove_file(path("data.mdb")));
  return remove_file(path("lock.mdb"));
}

Status LmdbEnv::State::open_env() {
  int code = mdb_env_create(&env);
  if (code != 0) return lmdb_error(code, "making an LMDB environment");
  // The map has its full size from the start: it costs addresses, not memory, and is never resized under readers.
  // No MDB_WRITEMAP: a stray pointer can't reach the file, and a full disk is an error and not a signal. No
  // MDB_NOMEMINIT: it would write pieces of our heap to the disk.
  constexpr unsigned kFlags = MDB_NOTLS | MDB_NOSYNC | MDB_NORDAHEAD;
  Transaction transaction;
  if (code == 0) code = mdb_env_set_mapsize(env, options.size_max_bytes);
  if (code == 0) code = mdb_env_set_maxreaders(env, kReadersMax);
  if (code == 0) code = mdb_env_open(env, options.folder.c_str(), kFlags, 0600);
  int dead_readers = 0;
  if (code == 0) code = mdb_reader_check(env, &dead_readers);
  if (code == 0) code = transaction.begin(env, 0);
  if (code == 0) code = mdb_dbi_open(transaction.get(), nullptr, 0, &table);
  if (code == 0) code = transaction.commit();
  if (code == 0) return ok_status();
  const Error error = lmdb_error(code, "opening the LMDB environment " + options.folder);
  mdb_env_close(env);  // lmdb.h: also after a failed open
  env = nullptr;
  return error;
}

Status LmdbEnv::State::write_once(std::span<const LmdbPut> batch) {
  const std::shared_lock lock(env_mutex);
  HOLDFAST_TRY(usable());
  Transaction transaction;
  int code = transaction.begin(env, 0);
  if (code != 0) return lmdb_error(code, "beginning an LMDB transaction");
  for (const auto& put : batch) {
    MDB_val key = to_val(put.key);
    if (put.value) {
      MDB_val value = to_val(*put.value);
      code = mdb_put(transaction.get(), table, &key, &value, 0);
    } else {
      code = mdb_del(transaction.get(), table, &key, nullptr);
      if (code == MDB_NOTFOUND) code = 0;
    }
    if (code != 0) return lmdb_error(code, "writing to LMDB");
  }
  code = transaction.commit();
  if (code != 0) return lmdb_error(code, "committing to LMDB");
  return ok_status();
}

LmdbEnv::LmdbEnv(std::unique_ptr<State> state) : state_(std::move(state)) {}

LmdbEnv::~LmdbEnv() {
  // A child that inherited the object leaves the parent's environment alone.
  if (state_->env != nullptr && state_->owner == ::getpid()) mdb_env_close(state_->env);
}

Result<std::unique_ptr<LmdbEnv>> LmdbEnv::open(const LmdbOptions& options) {
  if (options.size_max_bytes < (1U << 20U) || options.size_max_bytes % 65536 != 0) {
    return Error(ErrorCode::kInvalidArgument, "the bound of an LMDB environment must be a multiple of 64 KiB from 1 MiB on");
  }
  auto state = std::make_unique<State>();
  state->options = options;
  state->owner = ::getpid();
  HOLDFAST_TRY(state->take_lock());

  auto clean = check_clean_mark(options.folder, "data.mdb", options.size_max_bytes);
  bool keep = clean && *clean;
  if (!clean) log_warning(clean.error().message());
  if (keep) {
    // From here on until close() the file counts as unclean.
    HOLDFAST_TRY(remove_clean_mark(options.folder));
    // Its mutexes are of no use to anybody while we hold the folder's lock, and their bits are not verified.
    HOLDFAST_TRY(remove_file(state->path("lock.mdb")));
  } else {
    HOLDFAST_TRY(state->wipe());
  }
  HOLDFAST_TRY(state->open_env());
  state->was_empty = !keep;
  return std::unique_ptr<LmdbEnv>(new LmdbEnv(std::move(state)));
}

bool LmdbEnv::was_empty_at_open() const noexcept { return state_->was_empty; }

Result<std::optional<Bytes>> LmdbEnv::get(ByteView key) const {
  HOLDFAST_TRY(check_key(key));
  const std::shared_lock lock(state_->env_mutex);
  HOLDFAST_TRY(state_->usable());
  Transaction transaction;
  int code = transaction.begin(state_->env, MDB_RDONLY);
  if (code != 0) return lmdb_error(code, "beginning to read LMDB");
  MDB_val name = to_val(key);
  MDB_val value{};
  code = mdb_get(transaction.get(), state_->table, &name, &value);
  if (code == MDB_NOTFOUND) return std::optional<Bytes>();
  if (code != 0) return lmdb_error(code, "reading LMDB");
  const ByteView found = from_val(value);
  return std::optional<Bytes>(Bytes(found.begin(), found.end()));
}

Status LmdbEnv::write(std::span<const LmdbPut> batch) {
  for (const auto& put : batch) HOLDFAST_TRY(check_key(put.key));
  const std::lock_guard lock(state_->write_mutex);
  return state_->write_once(batch);
}

Result<std::vector<LmdbEnv::Pair>> LmdbEnv::list(ByteView prefix, ByteView after, std::size_t count_max) const {
  const std::shared_lock lock(state_->env_mutex);
  HOLDFAST_TRY(state_->usable());
  Transaction transaction;
  int code = transaction.begin(state_->env, MDB_RDONLY);
  if (code != 0) return lmdb_error(code, "beginning to read LMDB");
  MDB_cursor* cursor = nullptr;
  code = mdb_cursor_open(transaction.get(), state_->table, &cursor);
  if (code != 0) return lmdb_error(code, "reading LMDB");
  std::vector<Pair> pairs;
  const ByteView start = after.empty() ? prefix : after;
  MDB_val name = to_val(start);
  MDB_val value{};
  code = mdb_cursor_get(cursor, &name, &value, start.empty() ? MDB_FIRST : MDB_SET_RANGE);
  for (; code == 0 && pairs.size() < count_max; code = mdb_cursor_get(cursor, &name, &value, MDB_NEXT)) {
    const ByteView key = from_val(name);
    if (!after.empty() && std::ranges::equal(key, after)) continue;
    if (key.size() < prefix.size() || !std::equal(prefix.begin(), prefix.end(), key.begin())) break;
    const ByteView bytes = from_val(value);
    pairs.push_back({Bytes(key.begin(), key.end()), Bytes(bytes.begin(), bytes.end())});
  }
  mdb_cursor_close(cursor);
  if (code != 0 && code != MDB_NOTFOUND) return lmdb_error(code, "reading LMDB");
  return pairs;
}

Status LmdbEnv::reset() {
  const std::lock_guard writers(state_->write_mutex);
  const std::unique_lock lock(state_->env_mutex);
  HOLDFAST_TRY(state_->usable());
  mdb_env_close(state_->env);
  state_->env = nullptr;
  HOLDFAST_TRY(state_->take_lock());  // anew: somebody may have removed the folder
  HOLDFAST_TRY(state_->wipe());
  return state_->open_env();
}

Status LmdbEnv::close() {
  const std::lock_guard writers(state_->write_mutex);
  const std::unique_lock lock(state_->env_mutex);
  if (state_->env == nullptr) return ok_status();
  HOLDFAST_TRY(state_->usable());
  const bool ours = state_->owns_data_file();
  const int code = mdb_env_sync(state_->env, 1);
  mdb_env_close(state_->env);
  state_->env = nullptr;
  // Removed while it was open: what lies there now, if anything, is somebody else's.
  if (!ours) return Error(ErrorCode::kConflict, "the LMDB environment " + state_->options.folder + " was removed while it was open");
  if (code != 0) return lmdb_error(code, "syncing LMDB");
  Status marked = write_clean_mark(state_->options.folder, "data.mdb");
  state_->lock_file.reset();
  return marked;
}

std::uint64_t LmdbEnv::count() const {
  const std::shared_lock lock(state_->env_mutex);
  MDB_stat stat{};
  if (!state_->usable() || mdb_env_stat(state_->env, &stat) != 0) return 0;
  return stat.ms_entries;
}

std::uint64_t LmdbEnv::size_bytes() const {
  auto file = File::open(state_->path("data.mdb"), File::Mode::kRead);
  if (!file) return 0;
  return file->size_bytes().value_or(0);
}

}  // namespace holdfast
