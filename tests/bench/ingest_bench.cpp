// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include "core/chunk/chunk_codec.h"
#include "core/ingest/ingest_pipeline.h"
#include "core/index/memory_chunk_index.h"
#include "tests/support/seeded_random.h"
#include "tests/support/temporary_folder.h"

// MB/s of plaintext through the whole pipeline into staging, with the commit at the end; zstd level 1 alone on the same chunks as the measure.
// Part of holdfast_bench (tests/bench/README.md); run it with --benchmark_filter=ingest.

namespace holdfast {
namespace {

using testing::SeededRandom;
using testing::TemporaryFolder;

constexpr std::size_t kChunkBytes = 65'536;
constexpr std::size_t kChunks = 2'048;  // 128 MiB a round

enum class Kind { kText, kRandom, kDuplicate };

/// Rows as pg_dump writes them: words from a small vocabulary and numbers.
Bytes text_chunk(SeededRandom& random) {
  static constexpr std::string_view kWords[] = {"pending", "shipped", "cancelled", "customer", "2026-11-23", "Berlin",
                                                "invoice", "express", "standard",  "quantity", "warehouse",  "\\N"};
  std::string text;
  while (text.size() < kChunkBytes) {
    text += std::to_string(random.next() % 1'000'000'000);
    for (int i = 0; i < 4; ++i) {
      text += '\t';
      text += kWords[random.next_below(std::size(kWords))];
    }
    text += '\t' + std::to_string(random.next()) + '\n';
  }
  const ByteView bytes = as_bytes(text);
  return Bytes(bytes.begin(), bytes.begin() + kChunkBytes);
}

std::vector<std::shared_ptr<const Bytes>> make_chunks(Kind kind) {
  SeededRandom random(42);
  std::vector<std::shared_ptr<const Bytes>> chunks;
  for (std::size_t i = 0; i < kChunks; ++i) {
    if (kind == Kind::kDuplicate && i >= 8) {
      chunks.push_back(chunks[i % 8]);
    } else {
      chunks.push_back(std::make_shared<const Bytes>(kind == Kind::kText ? text_chunk(random) : random.bytes(kChunkBytes)));
    }
  }
  return chunks;
}

/// Nothing leaves staging here.
struct NoPlacement final : PlacementDirectory {
  std::vector<NetworkCopy> copies(const PackId&) const override { return {}; }
  std::vector<NetworkCopy> held_copies(const PackId&) const override { return {}; }
};

void ingest(benchmark::State& state, Kind kind) {
  const auto chunks = make_chunks(kind);
  const NoPlacement nowhere;
  for (auto _ : state) {
    state.PauseTiming();
    TemporaryFolder folder;
    auto index = make_memory_chunk_index();
    StageOptions how;
    how.state_directory = folder.path();
    how.maintenance_key = SecretBytes::copy_of(Bytes(32, 1));
    how.table_key = SecretBytes::copy_of(Bytes(32, 2));
    auto stage = Stage::open(std::move(how), *index, system_random()).value();
    auto journal = Journal::open(folder / "journal", {}, {}, Bytes(32, 3), system_random(),
                                 [](Journal::Position, ByteView) { return ok_status(); }).value();
    HOLDFAST_CHECK(stage->finish_replay().has_value());
    journal->set_prepare([&] { return stage->prepare(); });
    auto pipeline = std::make_unique<IngestPipeline>(
        IngestOptions{}, IngestPipeline::Parts{*stage, *index, *journal, system_clock(), system_random(), nowhere, nullptr}, Bytes(32, 4));
    state.ResumeTiming();
    std::vector<std::shared_ptr<ChunkTicket>> tickets;
    tickets.reserve(chunks.size());
    for (const auto& chunk : chunks) tickets.push_back(pipeline->submit(1, {chunk}));
    for (const auto& ticket : tickets) HOLDFAST_CHECK(ticket->wait().has_value());
    HOLDFAST_CHECK(pipeline->commit().has_value());
    state.PauseTiming();
    state.counters["stored"] = static_cast<double>(pipeline->counters().bytes_stored) / static_cast<double>(kChunks * kChunkBytes);
    pipeline.reset();
    journal.reset();
    stage.reset();
    state.ResumeTiming();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kChunks * kChunkBytes));
}

/// What one thread compresses and seals, nothing else: the upper bound a core.
void encode_alone(benchmark::State& state, Kind kind) {
  const auto chunks = make_chunks(kind);
  ChunkEncoder encoder(system_random());
  for (auto _ : state) {
    for (const auto& chunk : chunks) benchmark::DoNotOptimize(encoder.encode(ChunkKind::kData, *chunk, {}, {}).has_value());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kChunks * kChunkBytes));
}

BENCHMARK_CAPTURE(encode_alone, text, Kind::kText)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode_alone, random, Kind::kRandom)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(ingest, text, Kind::kText)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(ingest, random, Kind::kRandom)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(ingest, duplicate, Kind::kDuplicate)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace holdfast

