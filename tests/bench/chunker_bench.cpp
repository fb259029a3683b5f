// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include "core/chunk/chunker.h"
#include "tests/bench/bench_data.h"

namespace holdfast::bench {
namespace {

void chunk_stream(benchmark::State& state) {
  const GearTable table = make_gear_table(Bytes(32, 1));
  const GearChunker chunker = *GearChunker::create(table, ChunkSizes{});
  const Bytes stream = state.range(0) == 0 ? random_bytes(std::size_t{32} << 20) : dump_bytes(std::size_t{32} << 20);
  std::int64_t chunks = 0;
  for (auto _ : state) {
    for (ByteView rest = stream; !rest.empty(); ++chunks) {
      rest = rest.subspan(chunker.first_cut(rest).value_or(rest.size()));
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(stream.size()));
  state.counters["chunk_bytes"] = static_cast<double>(stream.size()) * static_cast<double>(state.iterations()) / static_cast<double>(chunks);
}
BENCHMARK(chunk_stream)->ArgName("dump")->Arg(0)->Arg(1);

}  // namespace
}  // namespace holdfast::bench
