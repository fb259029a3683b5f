// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include "core/chunk/chunk_codec.h"
#include "core/crypto/hash.h"
#include "tests/bench/bench_data.h"

namespace holdfast::bench {
namespace {

enum Data { kRandom = 0, kDump = 1, kZeros = 2 };

Bytes chunk_of(std::int64_t data) {
  if (data == kRandom) return random_bytes(kChunkBytes);
  return data == kDump ? dump_bytes(kChunkBytes) : Bytes(kChunkBytes, 0);
}

/// Compress and seal, without the name.
void encode_whole(benchmark::State& state) {
  const Bytes plain = chunk_of(state.range(0));
  EncodeOptions options;
  options.probe_first = state.range(1) != 0;
  options.leave_unnamed = true;
  ChunkEncoder encoder(system_random());
  std::size_t stored = 0;
  for (auto _ : state) stored = encoder.encode(ChunkKind::kData, plain, {}, options)->record.size();
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(plain.size()));
  state.counters["ratio"] = static_cast<double>(plain.size()) / static_cast<double>(stored);
}
BENCHMARK(encode_whole)->ArgNames({"data", "probe"})->ArgsProduct({{kRandom, kDump, kZeros}, {0, 1}});

void encode_difference(benchmark::State& state) {
  const Bytes base_plain = dump_bytes(kChunkBytes);
  const Bytes plain = dump_bytes(kChunkBytes, 100);
  ChunkEncoder encoder(system_random());
  EncodeOptions options;
  options.leave_unnamed = true;
  const EncodedChunk base = *encoder.encode(ChunkKind::kData, base_plain, {}, {});
  const DifferenceBase lean{{base.ref}, base_plain, 0, kChunkBytes};
  std::size_t stored = 0;
  for (auto _ : state) stored = encoder.encode_difference(ChunkKind::kData, plain, {}, options, lean)->value().record.size();
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(plain.size()));
  state.counters["ratio"] = static_cast<double>(plain.size()) / static_cast<double>(stored);
}
BENCHMARK(encode_difference);

/// Verify, open and decompress.
void open_whole(benchmark::State& state) {
  ChunkEncoder encoder(system_random());
  const EncodedChunk chunk = *encoder.encode(ChunkKind::kData, chunk_of(state.range(0)), {}, {});
  for (auto _ : state) {
    if (!open_chunk(chunk.ref, chunk.record, nullptr)) state.SkipWithError("did not open");
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kChunkBytes));
}
BENCHMARK(open_whole)->ArgName("data")->Arg(kRandom)->Arg(kDump);

class OneBase final : public BaseResolver {
 public:
  explicit OneBase(Bytes plain) : plain_(std::make_shared<const Bytes>(std::move(plain))) {}
  Result<Base> resolve(const ChunkRef&) override { return Base{plain_, 0}; }

 private:
  std::shared_ptr<const Bytes> plain_;
};

void open_difference(benchmark::State& state) {
  const Bytes base_plain = dump_bytes(kChunkBytes);
  ChunkEncoder encoder(system_random());
  const EncodedChunk base = *encoder.encode(ChunkKind::kData, base_plain, {}, {});
  const EncodedChunk chunk = encoder.encode_difference(ChunkKind::kData, dump_bytes(kChunkBytes, 100), {}, {}, {{base.ref}, base_plain, 0, kChunkBytes})->value();
  OneBase bases(base_plain);
  for (auto _ : state) {
    if (!open_chunk(chunk.ref, chunk.record, &bases)) state.SkipWithError("did not open");
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kChunkBytes));
}
BENCHMARK(open_difference);

}  // namespace
}  // namespace holdfast::bench
