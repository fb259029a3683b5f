// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include "core/chunk/chunk_codec.h"
#include "core/pack/pack.h"
#include "tests/bench/bench_data.h"

namespace holdfast::bench {
namespace {

struct MadePack {
  Bytes bytes;
  PackHeader header{};
  std::vector<PackEntry> entries;
};

MadePack make_pack(std::size_t count, std::size_t plain_size, ByteView k_maint) {
  MadePack pack;
  pack.header = *make_pack_header(system_random());
  append(pack.bytes, pack.header);
  ChunkEncoder encoder(system_random());
  const Bytes plain = random_bytes(plain_size);
  for (std::size_t i = 0; i < count; ++i) {
    const EncodedChunk chunk = *encoder.encode(ChunkKind::kData, plain, {}, {});
    PackEntry entry;
    entry.id = chunk.ref.id;
    entry.offset = pack.bytes.size();
    entry.record_size_bytes = static_cast<std::uint32_t>(chunk.record.size());
    append(pack.bytes, chunk.record);
    pack.entries.push_back(entry);
  }
  append(pack.bytes, finish_pack(pack.header, pack.entries, k_maint, system_random())->bytes);
  return pack;
}

void finish(benchmark::State& state) {
  const Bytes k_maint(32, 1);
  const MadePack pack = make_pack(static_cast<std::size_t>(state.range(0)), 64, k_maint);
  for (auto _ : state) benchmark::DoNotOptimize(finish_pack(pack.header, pack.entries, k_maint, system_random())->bytes.data());
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(finish)->Arg(256)->Arg(4096);

void read_directory(benchmark::State& state) {
  const Bytes k_maint(32, 1);
  const MadePack pack = make_pack(static_cast<std::size_t>(state.range(0)), 64, k_maint);
  const PackBytes read = [&](std::uint64_t offset, std::uint64_t size) -> Result<Bytes> {
    const auto begin = pack.bytes.begin() + static_cast<std::ptrdiff_t>(offset);
    return Bytes(begin, begin + static_cast<std::ptrdiff_t>(size));
  };
  for (auto _ : state) {
    if (!read_pack_directory(read, pack.bytes.size(), nullptr, k_maint)) state.SkipWithError("did not read");
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(read_directory)->Arg(256)->Arg(4096);

void verify_whole(benchmark::State& state) {
  const Bytes k_maint(32, 1);
  const MadePack pack = make_pack(256, kChunkBytes, k_maint);
  for (auto _ : state) {
    if (!verify_pack(pack.bytes, nullptr, k_maint)) state.SkipWithError("did not verify");
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(pack.bytes.size()));
}
BENCHMARK(verify_whole);

}  // namespace
}  // namespace holdfast::bench
