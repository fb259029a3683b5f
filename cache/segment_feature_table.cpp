// SPDX-License-Identifier: Apache-2.0
#include "cache/segment_feature_table.h"

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <thread>

#include "cache/index_table_merge.h"
#include "core/base/log.h"
#include "core/format/byte_writer.h"

namespace holdfast {
namespace {

constexpr std::string_view kSuffix = ".features";
constexpr std::uint64_t kTierFactor = 4;
constexpr std::size_t kMergeFan = 4;

using Value = std::array<std::uint8_t, kSimilarValueBytes>;
using Memtable = std::unordered_map<IndexKey, Value, IndexKeyHash>;

Value encode(const SimilarChunk& chunk, std::uint32_t stamp) {
  Value value{};
  std::copy(chunk.fp.bytes.begin(), chunk.fp.bytes.end(), value.begin());
  value[16] = chunk.version;
  store_le(MutableByteView(value).subspan(17), stamp);
  return value;
}

SimilarChunk decode(ByteView value) {
  SimilarChunk chunk;
  std::copy_n(value.begin(), chunk.fp.bytes.size(), chunk.fp.bytes.begin());
  chunk.version = value[16];
  return chunk;
}

std::uint32_t stamp_of(ByteView value) { return load_le<std::uint32_t>(value.subspan(17)); }

struct Segment {
  std::uint64_t number = 0;
  std::shared_ptr<const IndexTable> table;
};
using Segments = std::vector<std::shared_ptr<const Segment>>;  // newest first

std::optional<std::uint64_t> number_of(std::string_view name) {
  if (!name.ends_with(kSuffix)) return std::nullopt;
  const std::string_view digits = name.substr(0, name.size() - kSuffix.size());
  std::uint64_t number = 0;
  const auto end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, number);
  return parsed.ec == std::errc() && parsed.ptr == end ? std::optional(number) : std::nullopt;
}

/// The stamp from which on at most `count` entries are, counted over all tables.
Result<std::uint32_t> cutoff(const std::vector<const IndexTable*>& tables, std::uint64_t count) {
  std::map<std::uint32_t, std::uint64_t, std::greater<>> by_stamp;
  for (const auto* table : tables) {
    IndexTable::Cursor cursor(*table);
    for (;;) {
      HOLDFAST_ASSIGN(const bool more, cursor.next());
      if (!more) break;
      ++by_stamp[stamp_of(cursor.value())];
    }
  }
  std::uint64_t sum = 0;
  for (const auto& [stamp, entries] : by_stamp) {
    sum += entries;
    if (sum > count) return stamp + 1;
  }
  return std::uint32_t{0};
}

}  // namespace

struct SegmentFeatureTable::State {
  FeatureTableOptions options;
  SecretBytes key;
  RandomSource* random = nullptr;
  std::optional<cache::File> lock_file;

  mutable std::shared_mutex mutex;  // of memtable and segments; held for memory work only
  Memtable memtable;
  std::shared_ptr<const Memtable> flushing;  // being written
  std::shared_ptr<const Segments> segments = std::make_shared<Segments>();
  std::uint64_t next_number = 1;

  std::mutex flush_mutex;  // one flush or clear at a time; before `mutex`
  std::mutex merge_mutex;
  std::condition_variable merge_changed;
  bool merge_wanted = false;
  bool merge_busy = false;
  std::atomic<bool> stop{false};
  std::thread merger;

  [[nodiscard]] std::string path_of(std::uint64_t number) const { return options.folder + "/" + std::to_string(number) + std::string(kSuffix); }
  [[nodiscard]] std::string temporary_path(std::uint64_t number) const { return path_of(number) + ".new"; }
  std::uint64_t take_number() {
    const std::unique_lock lock(mutex);
    return next_number++;
  }

  [[nodiscard]] std::shared_ptr<const Segments> current() const {
    const std::shared_lock lock(mutex);
    return segments;
  }
  Status load();
  Status flush();
  Result<std::shared_ptr<const Segment>> install(std::uint64_t number);
  void merge_loop();
  std::size_t merge_count() const;
  Status merge(std::size_t count);
  bool drop_damaged(std::size_t count);
  void want_merge();
};

Status SegmentFeatureTable::State::load() {
  HOLDFAST_TRY(cache::ensure_folder(options.folder));
  HOLDFAST_ASSIGN(cache::File file, cache::File::open(options.folder + "/owner.lock", cache::File::Mode::kCreate));
  HOLDFAST_TRY(file.try_lock());
  lock_file.emplace(std::move(file));
  HOLDFAST_ASSIGN(const auto names, cache::list_folder(options.folder));
  auto found = std::make_shared<Segments>();
  for (const auto& name : names) {
    const auto number = number_of(name);
    if (!number) {
      if (name.ends_with(".new")) HOLDFAST_TRY(cache::remove_file(options.folder + "/" + name));
      continue;
    }
    next_number = std::max(next_number, *number + 1);
    auto table = IndexTable::open(path_of(*number), TableKind::kByFeature, key.view());
    if (table) {
      found->push_back(std::make_shared<const Segment>(Segment{*number, *std::move(table)}));
      continue;
    }
    const ErrorCode code = table.error().code();
    if (code != ErrorCode::kCorrupt && code != ErrorCode::kUnsupported) return std::move(table).error();
    log_warning("a file of the feature table is thrown away: " + table.error().message());
    HOLDFAST_TRY(cache::remove_file(path_of(*number)));
  }
  std::sort(found->begin(), found->end(), [](const auto& a, const auto& b) { return a->number > b->number; });
  segments = std::move(found);
  return ok_status();
}

/// Gives a finished file its name.
Result<std::shared_ptr<const Segment>> SegmentFeatureTable::State::install(std::uint64_t number) {
  HOLDFAST_TRY(cache::rename_file(temporary_path(number), path_of(number)));
  HOLDFAST_ASSIGN(auto table, IndexTable::open(path_of(number), TableKind::kByFeature, key.view()));
  return std::make_shared<const Segment>(Segment{number, std::move(table)});
}

Status SegmentFeatureTable::State::flush() {
  const std::lock_guard one(flush_mutex);
  std::shared_ptr<const Memtable> full;
  {
    const std::unique_lock lock(mutex);
    if (memtable.empty()) return ok_status();
    full = flushing = std::make_shared<const Memtable>(std::exchange(memtable, {}));
  }
  const std::uint64_t number = take_number();
  Status written = write_sorted_table(temporary_path(number), TableKind::kByFeature, key.view(), *random, *full);
  auto segment = written ? install(number) : Result<std::shared_ptr<const Segment>>(written.error());
  const std::unique_lock lock(mutex);
  flushing = nullptr;  // what could not be written is forgotten
  if (!segment) {
    (void)cache::remove_file(temporary_path(number)).has_value();
    return std::move(segment).error();
  }
  auto changed = std::make_shared<Segments>(*segments);
  changed->insert(changed->begin(), *std::move(segment));
  segments = std::move(changed);
  return ok_status();
}

void SegmentFeatureTable::State::want_merge() {
  {
    const std::lock_guard lock(merge_mutex);
    merge_wanted = true;
  }
  merge_changed.notify_all();
}

/// As of the chunk index: four of a tier of size become one with everything newer; all of them when there are too many entries.
std::size_t SegmentFeatureTable::State::merge_count() const {
  const auto all = current();
  std::uint64_t total = 0;
  for (const auto& segment : *all) total += segment->table->count();
  if (total > options.entries_max && all->size() > 1) return all->size();
  std::size_t wanted = 0;
  for (std::uint64_t bound = options.memtable_count_max, below = 0; below < total; below = bound, bound *= kTierFactor) {
    std::size_t newest = 0;
    std::size_t of_tier = 0;
    while (newest < all->size() && (*all)[newest]->table->count() <= bound) {
      if ((*all)[newest]->table->count() > below) ++of_tier;
      ++newest;
    }
    if (of_tier >= kMergeFan) wanted = newest;
  }
  return wanted;
}

Status SegmentFeatureTable::State::merge(std::size_t count) {
  const auto before = current();
  if (count > before->size()) return ok_status();  // cleared meanwhile
  const auto inputs = std::span(*before).first(count);
  std::vector<const IndexTable*> tables;
  std::uint64_t total = 0;
  for (const auto& segment : inputs) {
    tables.push_back(segment->table.get());
    total += segment->table->count();
  }
  std::uint32_t oldest = 0;
  // Some way below the bound, so that not every flush drops some.
  if (count == before->size() && total > options.entries_max) {
    HOLDFAST_ASSIGN(oldest, cutoff(tables, options.entries_max / 4 * 3));
  }
  // Takes the place of the newest of its inputs: what is flushed meanwhile has a higher number.
  const std::uint64_t number = inputs.front()->number;
  Status written = merge_index_tables({temporary_path(number), TableKind::kByFeature, key.view(), *random}, tables, stop,
                                      [oldest](ByteView value) { return stamp_of(value) >= oldest; });
  if (!written) {
    written.keep_first(cache::remove_file(temporary_path(number)));
    return written;
  }
  HOLDFAST_ASSIGN(auto merged, install(number));
  {
    const std::unique_lock lock(mutex);
    auto changed = std::make_shared<Segments>();
    for (const auto& segment : *segments) {
      if (segment == inputs.front()) changed->push_back(std::move(merged));
      if (std::find(inputs.begin(), inputs.end(), segment) == inputs.end()) changed->push_back(segment);
    }
    if (merged) return cache::remove_file(path_of(number));  // cleared meanwhile
    segments = std::move(changed);
  }
  HOLDFAST_TRY(cache::sync_folder(options.folder));
  for (const auto& input : inputs.subspan(1)) HOLDFAST_TRY(cache::remove_file(path_of(input->number)));
  return ok_status();
}

/// Throws away those of the newest `count` files that can't be read to their end; whether there were any. One bad block would else stop all merges for ever.
bool SegmentFeatureTable::State::drop_damaged(std::size_t count) {
  const auto before = current();
  bool dropped = false;
  for (const auto& segment : std::span(*before).first(std::min(count, before->size()))) {
    const Result<std::uint32_t> readable = cutoff({segment->table.get()}, UINT64_MAX);
    if (readable) continue;
    log_warning("a file of the feature table is thrown away: " + readable.error().message());
    {
      const std::unique_lock lock(mutex);
      auto changed = std::make_shared<Segments>(*segments);
      std::erase(*changed, segment);
      segments = std::move(changed);
    }
    if (const Status removed = cache::remove_file(path_of(segment->number)); !removed) log_warning(removed.error().message());
    dropped = true;
  }
  return dropped;
}

void SegmentFeatureTable::State::merge_loop() {
  std::unique_lock lock(merge_mutex);
  while (!stop) {
    merge_changed.wait(lock, [this] { return stop || merge_wanted; });
    merge_wanted = false;
    merge_busy = true;
    lock.unlock();
    for (std::size_t count = merge_count(); count != 0 && !stop; count = merge_count()) {
      const Status merged = merge(count);
      if (merged) continue;
      if (merged.error().code() == ErrorCode::kCorrupt && drop_damaged(count)) continue;
      // Tried again after the next flush.
      if (merged.error().code() != ErrorCode::kCancelled) log_warning("merging files of the feature table: " + merged.error().message());
      break;
    }
    lock.lock();
    merge_busy = false;
    merge_changed.notify_all();
  }
}

SegmentFeatureTable::SegmentFeatureTable(std::unique_ptr<State> state) : state_(std::move(state)) {
  state_->merger = std::thread([state = state_.get()] { state->merge_loop(); });
}

SegmentFeatureTable::~SegmentFeatureTable() {
  keep();
  {
    const std::lock_guard lock(state_->merge_mutex);
    state_->stop = true;
  }
  state_->merge_changed.notify_all();
  state_->merger.join();
}

Result<std::unique_ptr<SegmentFeatureTable>> SegmentFeatureTable::open(const FeatureTableOptions& options, ByteView key, RandomSource& random) {
  if (key.size() != 32) return Error(ErrorCode::kInvalidArgument, "a feature table's key must have 32 bytes");
  if (options.memtable_count_max == 0) return Error(ErrorCode::kInvalidArgument, "a feature table needs room for entries");
  auto state = std::make_unique<State>();
  state->options = options;
  state->key = SecretBytes::copy_of(key);
  state->random = &random;
  HOLDFAST_TRY(state->load());
  return std::unique_ptr<SegmentFeatureTable>(new SegmentFeatureTable(std::move(state)));
}

std::optional<SimilarChunk> SegmentFeatureTable::find(const FeatureKey& key) {
  std::shared_ptr<const Segments> segments;
  {
    const std::shared_lock lock(state_->mutex);
    if (const auto found = state_->memtable.find(key); found != state_->memtable.end()) return decode(found->second);
    if (state_->flushing) {
      const auto found = state_->flushing->find(key);
      if (found != state_->flushing->end()) return decode(found->second);
    }
    segments = state_->segments;
  }
  for (const auto& segment : *segments) {
    const auto value = segment->table->find(key);
    if (!value) {
      log_debug("a file of the feature table: " + value.error().message());
    } else if (*value) {
      return decode(**value);
    }
  }
  return std::nullopt;
}

void SegmentFeatureTable::add(std::span<const Entry> entries) {
  bool is_full = false;
  {
    const std::unique_lock lock(state_->mutex);
    const auto stamp = static_cast<std::uint32_t>(state_->next_number);
    for (const Entry& entry : entries) state_->memtable.insert_or_assign(entry.key, encode(entry.chunk, stamp));
    is_full = state_->memtable.size() >= state_->options.memtable_count_max;
  }
  if (is_full) keep();
}

void SegmentFeatureTable::keep() {
  const Status flushed = state_->flush();
  if (!flushed) log_warning("features of chunks are forgotten, so that their successors may be stored whole: " + flushed.error().message());
  state_->want_merge();
}

void SegmentFeatureTable::clear() {
  const std::lock_guard one(state_->flush_mutex);
  std::shared_ptr<const Segments> old = std::make_shared<Segments>();
  {
    const std::unique_lock lock(state_->mutex);
    state_->memtable.clear();
    old.swap(state_->segments);
  }
  for (const auto& segment : *old) {
    const Status removed = cache::remove_file(state_->path_of(segment->number));
    if (!removed) log_warning(removed.error().message());
  }
}

FeatureTable::Stats SegmentFeatureTable::stats() const {
  const std::shared_lock lock(state_->mutex);
  Stats stats;
  stats.entries = state_->memtable.size();
  stats.memory_bytes = state_->memtable.size() * 80;
  for (const auto& segment : *state_->segments) {
    stats.entries += segment->table->count();
    stats.disk_bytes += segment->table->size_bytes();
    stats.memory_bytes += segment->table->memory_bytes();
  }
  return stats;
}

void SegmentFeatureTable::wait_for_merges() {
  std::unique_lock lock(state_->merge_mutex);
  state_->merge_changed.wait(lock, [this] { return !state_->merge_wanted && !state_->merge_busy; });
}

}  // namespace holdfast
