// SPDX-License-Identifier: Apache-2.0
#include "core/journal/journal.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <map>
#include <mutex>

#include "core/base/log.h"
#include "core/journal/journal_file.h"
#include "core/journal/journal_group.h"

namespace holdfast {
namespace {

constexpr std::string_view kSuffix = ".hfj";
constexpr std::string_view kUnfinishedSuffix = ".tmp";
// Queued beyond it, records are committed by whoever appends: a bound on memory where nobody asks for durability.
constexpr std::size_t kQueueMaxBytes = 32U << 20U;

std::string file_name(std::uint64_t number) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(number));
  return std::string(text.data()) + std::string(kSuffix);
}

std::optional<std::uint64_t> file_number(const std::string& name) {
  if (name.size() != 16 + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  std::uint64_t number = 0;
  for (const char digit : name.substr(0, 16)) {
    const bool is_letter = digit >= 'a' && digit <= 'f';
    if (!is_letter && (digit < '0' || digit > '9')) return std::nullopt;
    number = (number << 4U) | static_cast<std::uint64_t>(is_letter ? digit - 'a' + 10 : digit - '0');
  }
  return number;
}

}  // namespace

/// Lock order: round (one writer of the file at a time, a flag) before mutex (the queue).
struct Journal::State {
  State(std::string directory_, RepositoryId repository, WriterId writer, ByteView key, RandomSource& random_)
      : directory(std::move(directory_)), codec(repository, writer, key), random(random_) {}

  const std::string directory;
  const JournalCodec codec;
  RandomSource& random;

  std::mutex mutex;
  std::condition_variable round_ended;
  std::vector<Bytes> queue;
  std::size_t queue_bytes = 0;
  Position next = 0;
  Prepare prepare;
  std::uint64_t rounds_begun = 0;
  std::uint64_t rounds_done = 0;
  bool in_round = false;
  std::optional<Error> failure;
  std::atomic<std::uint64_t> syncs{0};
  std::atomic<std::uint64_t> size{0};

  // Only inside a round.
  std::map<std::uint64_t, std::uint64_t> older_files;  ///< number to size
  std::unique_ptr<JournalFile> file;
  std::uint64_t number = 0;
  std::uint32_t next_group = 0;
  std::optional<std::uint64_t> checkpoint_begun;  ///< number of its file

  [[nodiscard]] std::string path(std::uint64_t file_no) const { return directory + "/" + file_name(file_no); }

  Status clean_up_names(std::vector<std::uint64_t>& numbers);
  Result<std::size_t> first_that_counts(const std::vector<std::uint64_t>& numbers);
  Status replay_file(std::uint64_t file, bool newest, const Visitor& visit);
  Status start_file(const std::vector<Bytes>& state, bool voids_earlier);
  Status write_group(std::vector<Bytes> records, bool voids_earlier);
  Status remove_before(std::uint64_t keep);
  Status run_round(std::vector<Bytes> taken, const std::vector<Bytes>* state);
  template <typename Work>
  Status exclusively(std::unique_lock<std::mutex>& lock, Work work);
};

Journal::Journal() = default;
Journal::~Journal() = default;

Status Journal::State::clean_up_names(std::vector<std::uint64_t>& numbers) {
  HOLDFAST_ASSIGN(const std::vector<std::string> names, journal_names(directory));
  for (const std::string& name : names) {
    if (name.ends_with(kUnfinishedSuffix)) HOLDFAST_TRY(remove_journal_file(directory + "/" + name));
    if (const auto file_no = file_number(name)) numbers.push_back(*file_no);
  }
  std::sort(numbers.begin(), numbers.end());
  return ok_status();
}

/// Index of the newest file that begins with a checkpoint, else 0.
Result<std::size_t> Journal::State::first_that_counts(const std::vector<std::uint64_t>& numbers) {
  for (std::size_t i = numbers.size(); i-- > 1;) {
    HOLDFAST_ASSIGN(const Bytes bytes, read_journal_file(path(numbers[i])));
    if (bytes.size() < JournalCodec::header_bytes()) continue;
    const auto first = codec.decode({numbers[i], 0}, ByteView(bytes).subspan(JournalCodec::header_bytes()));
    if (first && first->group.voids_earlier) return i;
  }
  return std::size_t{0};
}

Status Journal::State::replay_file(std::uint64_t file_no, bool newest, const Visitor& visit) {
  HOLDFAST_ASSIGN(const Bytes bytes, read_journal_file(path(file_no)));
  if (newest && bytes.size() < JournalCodec::header_bytes()) {
    log_warning("journal file " + file_name(file_no) + " was cut off at its making, and held nothing");
    return remove_journal_file(path(file_no));
  }
  const Status header = codec.check_header(file_no, bytes);
  if (!header) return header.error().with_context("journal file " + file_name(file_no));
  std::size_t offset = JournalCodec::header_bytes();
  for (JournalCodec::Place place{file_no, 0}; offset < bytes.size(); ++place.group_number) {
    const ByteView rest = ByteView(bytes).subspan(offset);
    const auto decoded = codec.decode(place, rest);
    if (!decoded) {
      if (!newest || codec.has_later_group(place, rest)) {
        return Error(ErrorCode::kCorrupt, "journal file " + file_name(file_no) + " is damaged at offset " + std::to_string(offset));
      }
      log_warning("journal file " + file_name(file_no) + ": a torn write of " + std::to_string(rest.size()) + " bytes at the end was dropped");
      HOLDFAST_TRY(truncate_journal_file(path(file_no), offset));
      break;
    }
    for (const Bytes& record : decoded->group.records) HOLDFAST_TRY(visit(next++, record));
    offset += decoded->size_bytes;
  }
  older_files[file_no] = offset;
  size += offset;
  return ok_status();
}

Result<std::unique_ptr<Journal>> Journal::open(std::string directory, RepositoryId repository, WriterId writer, ByteView key,
                                               RandomSource& random, const Visitor& visit) {
  HOLDFAST_TRY(make_journal_directory(directory));
  std::unique_ptr<Journal> journal(new Journal());
  journal->state_ = std::make_unique<State>(std::move(directory), repository, writer, key, random);
  State& state = *journal->state_;
  std::vector<std::uint64_t> numbers;
  HOLDFAST_TRY(state.clean_up_names(numbers));
  HOLDFAST_ASSIGN(const std::size_t first, state.first_that_counts(numbers));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (i < first) {
      HOLDFAST_TRY(remove_journal_file(state.path(numbers[i])));
    } else {
      HOLDFAST_TRY(state.replay_file(numbers[i], i + 1 == numbers.size(), visit));
    }
  }
  state.number = numbers.empty() ? 0 : numbers.back();
  HOLDFAST_TRY(state.start_file({}, false));
  return journal;
}

/// Makes the next file, with `state` as its first group where there is one, under a name that counts only once it is durable.
Status Journal::State::start_file(const std::vector<Bytes>& state, bool voids_earlier) {
  const std::uint64_t fresh = number + 1;
  const std::string unfinished = directory + "/" + file_name(fresh) + std::string(kUnfinishedSuffix);
  HOLDFAST_ASSIGN(std::unique_ptr<JournalFile> made, JournalFile::create(unfinished));
  HOLDFAST_TRY(made->append(codec.file_header(fresh)));
  if (file) older_files[number] = file->size_bytes();
  file = std::move(made);
  number = fresh;
  next_group = 0;
  size += file->size_bytes();
  if (voids_earlier || !state.empty()) {
    HOLDFAST_TRY(write_group(state, voids_earlier));
  } else {
    HOLDFAST_TRY(file->sync());
  }
  HOLDFAST_TRY(rename_journal_file(unfinished, path(number)));
  return sync_journal_directory(directory);
}

Status Journal::State::write_group(std::vector<Bytes> records, bool voids_earlier) {
  HOLDFAST_ASSIGN(const Bytes bytes, codec.encode({number, next_group}, {voids_earlier, std::move(records)}, random));
  HOLDFAST_TRY(file->append(bytes));
  HOLDFAST_TRY(file->sync());
  ++next_group;
  ++syncs;
  size += bytes.size();
  return ok_status();
}

/// Oldest first, so that what a crash leaves has no gap.
Status Journal::State::remove_before(std::uint64_t keep) {
  while (!older_files.empty() && older_files.begin()->first < keep) {
    HOLDFAST_TRY(remove_journal_file(path(older_files.begin()->first)));
    size -= older_files.begin()->second;
    older_files.erase(older_files.begin());
  }
  return sync_journal_directory(directory);
}

Status Journal::State::run_round(std::vector<Bytes> taken, const std::vector<Bytes>* state) {
  std::vector<Bytes> records;
  if (prepare) {
    HOLDFAST_ASSIGN(records, prepare());
  }
  if (state != nullptr) HOLDFAST_TRY(start_file(*state, true));
  std::move(taken.begin(), taken.end(), std::back_inserter(records));
  if (!records.empty()) HOLDFAST_TRY(write_group(std::move(records), false));
  return ok_status();
}

/// Runs `work(taken records)` as the only user of the file, without the mutex. A failure stays: what is on disk is then unknown.
template <typename Work>
Status Journal::State::exclusively(std::unique_lock<std::mutex>& lock, Work work) {
  round_ended.wait(lock, [this] { return !in_round; });
  if (failure) return *failure;
  in_round = true;
  const std::uint64_t round = ++rounds_begun;
  std::vector<Bytes> taken = std::exchange(queue, {});
  queue_bytes = 0;
  lock.unlock();
  Status status = work(std::move(taken));
  lock.lock();
  in_round = false;
  rounds_done = round;
  if (!status) failure = status.error();
  round_ended.notify_all();
  return status;
}

Journal::Position Journal::append(Bytes payload) {
  std::vector<Bytes> one;
  one.push_back(std::move(payload));
  return append(std::move(one));
}

Journal::Position Journal::append(std::vector<Bytes> payloads) {
  Position first = 0;
  bool is_much = false;
  {
    const std::lock_guard lock(state_->mutex);
    first = state_->next;
    state_->next += payloads.size();
    if (state_->failure) return first;  // it could never be written
    for (Bytes& payload : payloads) {
      state_->queue_bytes += payload.size();
      state_->queue.push_back(std::move(payload));
    }
    is_much = state_->queue_bytes > kQueueMaxBytes;
  }
  // A failure stays, and whoever asks for durability is told.
  if (is_much) {
    if (const Status done = commit(); !done) log_error("a commit failed: " + done.error().message());
  }
  return first;
}

void Journal::set_prepare(Prepare prepare) {
  std::unique_lock lock(state_->mutex);
  state_->round_ended.wait(lock, [this] { return !state_->in_round; });
  state_->prepare = std::move(prepare);
}

Status Journal::commit() {
  State& state = *state_;
  std::unique_lock lock(state.mutex);
  // A round that began before this call may have taken the queue before this caller's records went in: the next one has them.
  const std::uint64_t wanted = state.rounds_begun + 1;
  for (;;) {
    if (state.failure) return *state.failure;
    if (state.rounds_done >= wanted) return ok_status();
    if (!state.in_round) {
      return state.exclusively(lock, [&](std::vector<Bytes> taken) { return state.run_round(std::move(taken), nullptr); });
    }
    state.round_ended.wait(lock);
  }
}

Status Journal::checkpoint(std::vector<Bytes> records) {
  State& state = *state_;
  std::unique_lock lock(state.mutex);
  return state.exclusively(lock, [&](std::vector<Bytes> taken) -> Status {
    HOLDFAST_TRY(state.run_round(std::move(taken), &records));
    return state.remove_before(state.number);
  });
}

Status Journal::begin_checkpoint() {
  State& state = *state_;
  std::unique_lock lock(state.mutex);
  return state.exclusively(lock, [&](std::vector<Bytes> taken) -> Status {
    HOLDFAST_TRY(state.run_round(std::move(taken), nullptr));
    HOLDFAST_TRY(state.start_file({}, false));
    state.checkpoint_begun = state.number;
    return ok_status();
  });
}

Status Journal::finish_checkpoint() {
  State& state = *state_;
  std::unique_lock lock(state.mutex);
  state.round_ended.wait(lock, [&] { return !state.in_round; });
  if (!state.checkpoint_begun) return Error(ErrorCode::kInvalidArgument, "no checkpoint of the journal was begun");
  return state.exclusively(lock, [&](std::vector<Bytes> taken) -> Status {
    HOLDFAST_TRY(state.run_round(std::move(taken), nullptr));
    const std::uint64_t keep = *std::exchange(state.checkpoint_begun, std::nullopt);
    return state.remove_before(keep);
  });
}

std::uint64_t Journal::size_bytes() const noexcept { return state_->size; }

Journal::Position Journal::next_position() const noexcept {
  const std::lock_guard lock(state_->mutex);
  return state_->next;
}

std::uint64_t Journal::sync_count() const noexcept { return state_->syncs; }

}  // namespace holdfast
