// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include "core/crypto/hash.h"
#include "core/crypto/ipsec_mb_chunk_hasher.h"
#include "core/crypto/seal.h"
#include "tests/bench/bench_data.h"

namespace holdfast::bench {
namespace {

/// Names `batch` records of `size` bytes at a time.
void name_records(benchmark::State& state, const ChunkHasher* hasher) {
  if (hasher == nullptr) {
    state.SkipWithError("not in this build");
    return;
  }
  const auto batch = static_cast<std::size_t>(state.range(0));
  const auto size = static_cast<std::size_t>(state.range(1));
  const Bytes data = random_bytes(batch * size);
  std::vector<ByteView> records;
  for (std::size_t i = 0; i < batch; ++i) records.push_back(ByteView(data).subspan(i * size, size));
  std::vector<ChunkId> ids(batch);
  for (auto _ : state) {
    hasher->chunk_ids(records, ids);
    benchmark::DoNotOptimize(ids.data());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(data.size()));
}
BENCHMARK_CAPTURE(name_records, openssl, &openssl_chunk_hasher())->Args({1, 65'536})->Args({16, 65'536})->Args({16, 16'384});
BENCHMARK_CAPTURE(name_records, lanes, ipsec_mb_chunk_hasher())->Args({1, 65'536})->Args({4, 65'536})->Args({16, 65'536})->Args({64, 65'536})->Args({16, 16'384});

void seal(benchmark::State& state) {
  Bytes data = random_bytes(static_cast<std::size_t>(state.range(0)));
  Bytes key(32, 1);
  const Bytes nonce(kNonceBytes, 2);
  Bytes tag(kTagBytes);
  for (auto _ : state) {
    ++key[0];  // chunks have a key each
    aead_seal(key, nonce, {}, data, data, tag);
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(seal)->Arg(1024)->Arg(16'384)->Arg(65'536);

void open(benchmark::State& state) {
  const Bytes plain = random_bytes(static_cast<std::size_t>(state.range(0)));
  const Bytes key(32, 1);
  const Bytes nonce(kNonceBytes, 2);
  Bytes cipher(plain.size());
  Bytes tag(kTagBytes);
  Bytes out(plain.size());
  aead_seal(key, nonce, {}, plain, cipher, tag);
  for (auto _ : state) {
    if (!aead_open(key, nonce, {}, cipher, tag, out)) state.SkipWithError("did not open");
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(open)->Arg(1024)->Arg(16'384)->Arg(65'536);

void draw_random(benchmark::State& state) {
  Bytes key(44);
  for (auto _ : state) benchmark::DoNotOptimize(system_random().fill(key).has_value());
}
BENCHMARK(draw_random);

void sign_entry(benchmark::State& state) {
  const Bytes seed(32, 1);
  const Bytes message(150, 2);
  for (auto _ : state) benchmark::DoNotOptimize(ed25519_sign(seed, message));
}
BENCHMARK(sign_entry);

}  // namespace
}  // namespace holdfast::bench
