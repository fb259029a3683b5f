// SPDX-License-Identifier: Apache-2.0
// Measures the chunk index at size, and plain LMDB beside it. Not a test: run by hand.
//   index_16m FOLDER segments|lmdb [CHUNKS]      CHUNKS in millions, 16 unless given
#include <lmdb.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "cache/segment_index.h"
#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {

constexpr std::size_t kBatch = 1000;
constexpr std::uint64_t kSyncEvery = 1'000'000;
constexpr std::uint64_t kLookups = 200'000;

using BenchClock = std::chrono::steady_clock;
double seconds_since(BenchClock::time_point start) {
  return std::chrono::duration<double>(BenchClock::now() - start).count();
}

/// Kilobytes of a field of this process's memory map totals.
long memory_kib(const char* field) {
  std::ifstream file("/proc/self/smaps_rollup");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(field)) return std::strtol(line.c_str() + std::strlen(field) + 1, nullptr, 10);
  }
  return -1;
}

std::uint64_t folder_bytes(const std::string& folder) {
  std::uint64_t sum = 0;
  for (const auto& item : std::filesystem::directory_iterator(folder)) sum += item.file_size();
  return sum;
}

IndexEntry entry_of(std::uint64_t number) {
  testing::SeededRandom random(number * 0x9e3779b97f4a7c15U);
  IndexEntry entry;
  ChunkRef ref;
  (void)random.fill(entry.id.bytes).has_value();
  (void)random.fill(ref.key.bytes).has_value();
  (void)random.fill(ref.fp.bytes).has_value();
  ref.id = entry.id;
  ref.plain_size_bytes = 65536;
  entry.location = {static_cast<PackNumber>(number / 256), number % 256 * 65536, 65580};
  entry.ref = ref;
  return entry;
}

/// The same job for both candidates.
struct Candidate {
  std::function<bool(std::span<const IndexEntry>)> add;
  std::function<bool(std::uint64_t)> sync;
  std::function<bool(const IndexEntry&)> find_id;  ///< true when found
  std::function<bool(const IndexEntry&)> find_fp;
};

void measure_lookups(const char* what, std::uint64_t first, std::uint64_t count,
                     const std::function<bool(const IndexEntry&)>& find) {
  testing::SeededRandom random(7);
  std::vector<IndexEntry> wanted;
  for (std::uint64_t i = 0; i < kLookups; ++i) wanted.push_back(entry_of(first + random.next_below(count)));
  std::vector<float> micros;
  std::uint64_t found = 0;
  const auto start = BenchClock::now();
  for (const auto& entry : wanted) {
    const auto begin = BenchClock::now();
    found += find(entry) ? 1U : 0U;
    micros.push_back(static_cast<float>(seconds_since(begin) * 1e6));
  }
  const double mean = seconds_since(start) * 1e6 / static_cast<double>(kLookups);
  std::sort(micros.begin(), micros.end());
  std::printf("  %-22s found %6.2f %%  mean %7.2f us  median %7.2f us  p99 %8.2f us\n", what,
              100.0 * static_cast<double>(found) / static_cast<double>(kLookups), mean,
              static_cast<double>(micros[micros.size() / 2]), static_cast<double>(micros[micros.size() * 99 / 100]));
}

int run(const std::string& name, const std::string& folder, std::uint64_t count, Candidate& candidate) {
  std::vector<IndexEntry> batch;
  double add_seconds = 0;
  double sync_seconds = 0;
  long anon_peak = 0;
  for (std::uint64_t n = 0; n < count;) {
    batch.clear();
    for (std::size_t i = 0; i < kBatch; ++i) batch.push_back(entry_of(n++));
    auto start = BenchClock::now();
    if (!candidate.add(batch)) return 1;
    add_seconds += seconds_since(start);
    if (n % kSyncEvery != 0) continue;
    start = BenchClock::now();
    if (!candidate.sync(n)) return 1;
    sync_seconds += seconds_since(start);
    anon_peak = std::max(anon_peak, memory_kib("Anonymous:"));
  }
  const double total = add_seconds + sync_seconds;
  std::printf("%s, %llu chunks\n", name.c_str(), static_cast<unsigned long long>(count));
  std::printf("  insert %.0f chunks/s (add %.1f s, sync %.1f s)\n", static_cast<double>(count) / total, add_seconds, sync_seconds);
  std::printf("  anonymous memory %ld MiB at most, disk %.2f GB\n", anon_peak / 1024, static_cast<double>(folder_bytes(folder)) / 1e9);
  measure_lookups("id, there", 0, count, candidate.find_id);
  measure_lookups("id, absent", count, count, candidate.find_id);
  measure_lookups("fingerprint, there", 0, count, candidate.find_fp);
  measure_lookups("fingerprint, absent", count, count, candidate.find_fp);
  std::printf("  anonymous memory now %ld MiB, resident %ld MiB\n", memory_kib("Anonymous:") / 1024, memory_kib("Rss:") / 1024);
  return 0;
}

int run_segments(const std::string& folder, std::uint64_t count) {
  testing::SeededRandom random(1);
  const Bytes key(32, 1);
  auto opened = SegmentIndex::open({folder}, key, random);
  if (!opened) {
    std::printf("%s\n", opened.error().message().c_str());
    return 1;
  }
  SegmentIndex& index = **opened;
  Candidate candidate{
      [&](std::span<const IndexEntry> batch) { return index.add(batch).has_value(); },
      [&](std::uint64_t position) {
        const bool good = index.sync(position).has_value();
        // The last one also waits for the merges, so that lookups see an index at rest and the rate is the whole cost.
        return good && (position < count || index.wait_for_merges().has_value());
      },
      [&](const IndexEntry& entry) { return index.find(entry.id).value().has_value(); },
      [&](const IndexEntry& entry) { return index.find_known(entry.ref->fp).value().has_value(); }};
  return run("sealed segments", folder, count, candidate);
}

/// Plain LMDB, the obvious alternative: two tables, values in the clear (sealing each of them would add 28 bytes and a cipher call).
int run_lmdb(const std::string& folder, std::uint64_t count) {
  std::filesystem::create_directories(folder);
  MDB_env* env = nullptr;
  MDB_txn* txn = nullptr;
  MDB_dbi ids = 0;
  MDB_dbi fps = 0;
  mdb_env_create(&env);
  mdb_env_set_mapsize(env, 64ULL << 30U);
  mdb_env_set_maxdbs(env, 2);
  if (mdb_env_open(env, folder.c_str(), MDB_NOTLS | MDB_NOSYNC | MDB_NORDAHEAD, 0600) != 0) return 1;
  mdb_txn_begin(env, nullptr, 0, &txn);
  mdb_dbi_open(txn, "ids", MDB_CREATE, &ids);
  mdb_dbi_open(txn, "fps", MDB_CREATE, &fps);
  mdb_txn_commit(txn);
  const auto put = [&](MDB_dbi table, ByteView key, std::size_t value_size, ByteView value) {
    MDB_val name{16, const_cast<std::uint8_t*>(key.data())};
    MDB_val content{value_size, const_cast<std::uint8_t*>(value.data())};
    return mdb_put(txn, table, &name, &content, 0) == 0;
  };
  const auto find = [&](MDB_dbi table, ByteView key) {
    MDB_txn* reader = nullptr;
    mdb_txn_begin(env, nullptr, MDB_RDONLY, &reader);
    MDB_val name{16, const_cast<std::uint8_t*>(key.data())};
    MDB_val content{};
    const bool found = mdb_get(reader, table, &name, &content) == 0;
    volatile std::uint8_t byte = found ? *static_cast<const std::uint8_t*>(content.mv_data) : std::uint8_t{0};
    (void)byte;
    mdb_txn_abort(reader);
    return found;
  };
  Candidate candidate{[&](std::span<const IndexEntry> batch) {
                        if (mdb_txn_begin(env, nullptr, 0, &txn) != 0) return false;
                        std::array<std::uint8_t, 80> value{};
                        for (const auto& entry : batch) {
                          std::copy(entry.ref->key.bytes.begin(), entry.ref->key.bytes.end(), value.begin());
                          if (!put(ids, entry.id.view(), 12, value) || !put(fps, entry.ref->fp.view(), 69, value)) return false;
                        }
                        return mdb_txn_commit(txn) == 0;
                      },
                      [&](std::uint64_t) { return mdb_env_sync(env, 1) == 0; },
                      [&](const IndexEntry& entry) { return find(ids, entry.id.view()); },
                      [&](const IndexEntry& entry) { return find(fps, entry.ref->fp.view()); }};
  const int result = run("plain LMDB", folder, count, candidate);
  mdb_env_close(env);
  return result;
}

}  // namespace
}  // namespace holdfast

int main(int count, char** arguments) {
  if (count < 3) {
    std::printf("index_16m FOLDER segments|lmdb [MILLIONS]\n");
    return 2;
  }
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const std::string folder = arguments[1];
  const std::uint64_t millions = count > 3 ? std::strtoull(arguments[3], nullptr, 10) : 16;
  const std::uint64_t chunks = millions * 1'000'000;
  return std::strcmp(arguments[2], "lmdb") == 0 ? holdfast::run_lmdb(folder, chunks) : holdfast::run_segments(folder, chunks);
}
