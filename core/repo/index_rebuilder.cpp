// SPDX-License-Identifier: Apache-2.0
#include "core/repo/index_rebuilder.h"

#include <algorithm>
#include <atomic>

#include "core/base/log.h"
#include "core/store/pack_sources.h"

namespace holdfast {
namespace {

constexpr unsigned kReaders = 8;  // packs whose directories are read at once: each is two or three small range requests
constexpr auto kDirectoryTimeout = std::chrono::seconds(60);
constexpr unsigned kRetryRounds = 10;  // with these pauses a minute and a half
constexpr std::chrono::milliseconds kRetryFirst{200};
constexpr std::chrono::milliseconds kRetryMax{20'000};
constexpr auto kRetryAgainAfter = std::chrono::seconds(30);

class RebuildingSource final : public ChunkSource {
 public:
  RebuildingSource(ChunkSource& inner, const IndexRebuilder& rebuilder, FindMorePacks find_more)
      : inner_(inner), rebuilder_(rebuilder), find_more_(std::move(find_more)) {}
  Result<SharedBytes> read(const ChunkRef& ref, const CallContext& context) override {
    for (;;) {
      const auto before = rebuilder_.progress();
      auto plain = inner_.read(ref, context);
      if (plain || plain.error().code() != ErrorCode::kNotFound) return plain;
      const auto after = rebuilder_.progress();
      if (after.round != before.round || after.done != before.done) continue;  // it may be there by now
      if (!after.is_running) {
        HOLDFAST_ASSIGN(const bool is_more, find_more_(context));
        const auto now = rebuilder_.progress();
        if (!is_more && now.round == after.round && now.done == after.done) return std::move(plain).error().with_code(ErrorCode::kCorrupt);
        continue;  // or somebody else told the rebuilder meanwhile
      }
      HOLDFAST_TRY(rebuilder_.wait_beyond(after, context));
    }
  }
  void prefetch(std::span<const ChunkRef> refs) override { inner_.prefetch(refs); }
  void bring_near(std::span<const ChunkRef> refs) override { inner_.bring_near(refs); }
  [[nodiscard]] std::uint64_t worth_ahead_bytes() const override { return inner_.worth_ahead_bytes(); }

 private:
  ChunkSource& inner_;
  const IndexRebuilder& rebuilder_;
  FindMorePacks find_more_;
};

}  // namespace

std::unique_ptr<ChunkSource> make_rebuilding_source(ChunkSource& inner, const IndexRebuilder& rebuilder, FindMorePacks find_more) {
  return std::make_unique<RebuildingSource>(inner, rebuilder, std::move(find_more));
}

IndexRebuilder::~IndexRebuilder() { stop(); }

void IndexRebuilder::start(std::vector<PackNumber> packs, Then then) {
  const std::lock_guard starting(thread_mutex_);
  join();
  {
    const std::lock_guard lock(mutex_);
    if (packs.empty()) {
      parts_.stage.table().for_each([&](const PackRow& row) { packs.push_back(row.number); });
    } else {
      packs.insert(packs.end(), failed_.begin(), failed_.end());
    }
    std::sort(packs.rbegin(), packs.rend());
    packs.erase(std::unique(packs.begin(), packs.end()), packs.end());
    failed_.clear();
    is_busy_ = true;
    progress_ = {progress_.round + 1, true, 0, packs.size(), 0, {}};
  }
  thread_ = std::jthread([this, packs = std::move(packs), then = std::move(then)](const std::stop_token& stop) { run(stop, packs, then); });
}

bool IndexRebuilder::retry_failed(Then then) {
  std::vector<PackNumber> packs;
  {
    const std::lock_guard lock(mutex_);
    if (is_busy_ || failed_.empty() || parts_.clock.mono_now() - ended_ < kRetryAgainAfter) return false;
    packs = failed_;
  }
  start(std::move(packs), std::move(then));
  return true;
}

void IndexRebuilder::stop() {
  const std::lock_guard stopping(thread_mutex_);
  join();
}

void IndexRebuilder::join() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

bool IndexRebuilder::is_running() const {
  const std::lock_guard lock(mutex_);
  return progress_.is_running;
}

IndexRebuilder::Progress IndexRebuilder::progress() const {
  const std::lock_guard lock(mutex_);
  return progress_;
}

Status IndexRebuilder::wait_beyond(const Progress& seen, const CallContext& context) const {
  std::unique_lock lock(mutex_);
  const auto moved = [&] { return !progress_.is_running || progress_.round != seen.round || progress_.done > seen.done; };
  while (!moved()) {
    HOLDFAST_TRY(check_context(context, parts_.clock, "waiting for the chunk index to be rebuilt"));
    changed_.wait_for(lock, context.stop, std::chrono::milliseconds(100), moved);
  }
  return ok_status();
}

Result<PackDirectory> IndexRebuilder::read_directory(const PackRow& row, const CallContext& context) const {
  const ByteView key = parts_.maintenance_key.view();
  const auto staged = read_pack_directory(
      [&](std::uint64_t offset, std::uint64_t size) -> Result<Bytes> {
        HOLDFAST_ASSIGN(auto bytes, parts_.stage.read(row.number, offset, size));
        if (!bytes) return Error(ErrorCode::kNotFound, "pack " + row.id.hex() + " is not staged here");
        return std::move(*bytes);
      },
      row.size_bytes, &row.id, key);
  if (staged) return staged;
  const auto kept = read_pack_directory(
      [&](std::uint64_t offset, std::uint64_t size) -> Result<Bytes> {
        HOLDFAST_ASSIGN(auto bytes, parts_.stage.kept_nodes().read_range(row.id, {offset, size}));
        if (!bytes) return Error(ErrorCode::kNotFound, "nothing of pack " + row.id.hex() + " was kept here");
        return std::move(*bytes);
      },
      row.size_bytes, &row.id, key);
  if (kept) return kept;
  std::optional<PackDirectory> found;
  const Status read = read_pack_from_any(parts_.networks, parts_.clock, parts_.view.copies(row.id), {}, context, [&](ObjectReader& reader, const ObjectRef& pack) -> Status {
    HOLDFAST_ASSIGN(found, read_pack_directory(
                               [&](std::uint64_t offset, std::uint64_t size) -> Result<Bytes> {
                                 Bytes bytes(size);
                                 HOLDFAST_TRY(reader.read(pack, offset, bytes, context));
                                 return bytes;
                               },
                               row.size_bytes, &row.id, key));
    return ok_status();
  });
  if (read) return *std::move(found);
  const Error& why = retry_advice(staged.error().code()) == RetryAdvice::kSameSource ? staged.error() : read.error();
  return why.with_context("directory of pack " + row.id.hex());
}

Status IndexRebuilder::index_pack(PackNumber number, const std::stop_token& stop) {
  const auto row = parts_.stage.table().find(number);
  if (!row) return ok_status();
  CallContext context = with_timeout(CallContext::unbounded(), parts_.clock, kDirectoryTimeout);
  context.stop = stop;
  HOLDFAST_ASSIGN(const PackDirectory directory, read_directory(*row, context));
  std::vector<IndexEntry> entries;
  entries.reserve(directory.entries.size());
  for (const auto& entry : directory.entries) entries.push_back({entry.id, {number, entry.offset, entry.record_size_bytes}, std::nullopt});
  return parts_.index.add(entries);
}

/// Those that are worth another round.
std::vector<PackNumber> IndexRebuilder::run_round(const std::stop_token& stop, const std::vector<PackNumber>& packs, bool is_last) {
  std::vector<PackNumber> again;
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < packs.size() && !stop.stop_requested(); i = next++) {
      const auto indexed = index_pack(packs[i], stop);
      const std::lock_guard lock(mutex_);
      if (!indexed) progress_.last_error = indexed.error().message();
      if (!indexed && !is_last && retry_advice(indexed.error().code()) == RetryAdvice::kSameSource) {
        again.push_back(packs[i]);
        continue;
      }
      ++progress_.done;
      if (!indexed) {
        ++progress_.failed;
        failed_.push_back(packs[i]);
        log_warning("rebuilding the chunk index: " + indexed.error().message());
      }
      changed_.notify_all();
    }
  };
  {
    std::vector<std::jthread> readers;
    for (unsigned i = 0; i < std::min<std::size_t>(kReaders, packs.size()); ++i) readers.emplace_back(work);
  }
  return again;
}

void IndexRebuilder::run(const std::stop_token& stop, std::vector<PackNumber> packs, const Then& then) {
  auto delay = kRetryFirst;
  for (unsigned round = 0; !packs.empty() && !stop.stop_requested(); ++round) {
    packs = run_round(stop, packs, round == kRetryRounds);
    if (packs.empty()) break;
    std::sort(packs.rbegin(), packs.rend());
    std::unique_lock lock(mutex_);
    log_warning("rebuilding the chunk index: " + std::to_string(packs.size()) + " packs are tried again: " + progress_.last_error);
    changed_.wait_for(lock, stop, delay, [] { return false; });
    delay = std::min(2 * delay, kRetryMax);
  }
  {
    const std::lock_guard lock(mutex_);
    progress_.is_running = false;
    changed_.notify_all();
  }
  if (then && !stop.stop_requested()) then(stop);
  const std::lock_guard lock(mutex_);
  is_busy_ = false;
  ended_ = parts_.clock.mono_now();
}

}  // namespace holdfast
