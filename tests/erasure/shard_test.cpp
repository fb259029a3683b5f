// SPDX-License-Identifier: Apache-2.0
#include "core/erasure/shard.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {

using testing::SeededRandom;

Bytes random_bytes(std::size_t size) {
  SeededRandom random(size + 1);
  Bytes out(size);
  EXPECT_TRUE(random.fill(out));
  return out;
}

PackBytes bytes_of(const Bytes& bytes) {
  return [&bytes](std::uint64_t offset, std::uint64_t size) -> Result<Bytes> {
    if (offset > bytes.size() || size > bytes.size() - offset) return Error(ErrorCode::kOutOfRange, "the end");
    return Bytes(bytes.begin() + static_cast<std::ptrdiff_t>(offset), bytes.begin() + static_cast<std::ptrdiff_t>(offset + size));
  };
}

ShardPlan plan_of(ErasureCode code, std::uint8_t index, const Bytes& pack) {
  ShardPlan plan{code, index, {}, pack.size()};
  plan.pack.bytes.fill(7);
  return plan;
}

TEST(ErasureCode, Text) {
  EXPECT_EQ(*ErasureCode::parse("2/3"), (ErasureCode{2, 3}));
  EXPECT_EQ(ErasureCode::parse("10/16")->text(), "10/16");
  for (const char* bad : {"", "2", "2/", "/3", "2/2", "3/2", "1/2", "0/1", "2/17", "2/3 ", " 2/3", "2/3/4", "-2/3", "256/300", "two/three"}) {
    const auto parsed = ErasureCode::parse(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(parsed.error().message().find("\"" + std::string(bad) + "\""), std::string::npos) << parsed.error().message();
  }
}

/// Every choice of k of the n shards gives every other shard, so also the pack; at any size, whole or in the middle.
TEST(Shards, EveryKOfThemGiveTheRest) {
  for (const ErasureCode code : {ErasureCode{2, 3}, ErasureCode{2, 4}, ErasureCode{3, 5}, ErasureCode{5, 7}}) {
    for (const std::size_t size : {std::size_t{1}, std::size_t{100}, std::size_t{65'536 * 2}, std::size_t{200'003}, std::size_t{3'000'001}}) {
      const Bytes pack = random_bytes(size);
      std::vector<Bytes> bodies;
      for (std::uint8_t i = 0; i < code.n; ++i) {
        const ShardPlan plan = plan_of(code, i, pack);
        const auto made = make_shard(plan, bytes_of(pack));
        ASSERT_TRUE(made);
        ASSERT_EQ(made->object.size(), plan.object_bytes());
        bodies.emplace_back(made->object.begin() + std::ptrdiff_t{kShardHeaderBytes}, made->object.begin() + static_cast<std::ptrdiff_t>(plan.trailer_offset()));
      }
      Bytes joined;
      for (std::uint8_t i = 0; i < code.k; ++i) append(joined, bodies[i]);
      joined.resize(size);
      EXPECT_TRUE(joined == pack);
      std::vector<bool> chosen(code.n);
      std::fill_n(chosen.begin(), code.k, true);
      do {
        std::vector<ShardBytes> given;
        for (std::uint8_t i = 0; i < code.n; ++i) {
          if (chosen[i]) given.push_back({i, bodies[i]});
        }
        for (std::uint8_t i = 0; i < code.n; ++i) {
          if (chosen[i]) continue;
          Bytes out(bodies[i].size());
          ASSERT_TRUE(rebuild_shard(code, given, i, out));
          ASSERT_TRUE(out == bodies[i]) << code.text() << " shard " << int(i) << " of " << size;
        }
        if (size > 50'000) break;  // the choices are the same at all sizes
      } while (std::prev_permutation(chosen.begin(), chosen.end()));
    }
  }
}

TEST(Shards, WhatCannotBeIsRefused) {
  const ErasureCode code{2, 3};
  const Bytes a(10), b(10), shorter(9);
  Bytes out(10);
  const auto fails = [&](std::vector<ShardBytes> given, std::uint8_t wanted) {
    const Status status = rebuild_shard(code, given, wanted, out);
    return !status && status.error().code() == ErrorCode::kInvalidArgument;
  };
  EXPECT_TRUE(fails({{0, a}}, 2));
  EXPECT_TRUE(fails({{0, a}, {0, b}}, 2));
  EXPECT_TRUE(fails({{0, a}, {3, b}}, 2));
  EXPECT_TRUE(fails({{0, a}, {2, b}}, 2));
  EXPECT_TRUE(fails({{0, a}, {1, shorter}}, 2));
  EXPECT_TRUE(fails({{0, a}, {1, b}}, 3));
  const Bytes pack = random_bytes(100);
  EXPECT_FALSE(make_shard(plan_of({2, 3}, 3, pack), bytes_of(pack)));
  EXPECT_FALSE(make_shard(plan_of({1, 3}, 0, pack), bytes_of(pack)));
  ShardPlan longer = plan_of({2, 3}, 1, pack);
  longer.pack_size_bytes = 101;
  const auto cut = make_shard(longer, bytes_of(pack));
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code(), ErrorCode::kOutOfRange);
}

/// Whatever byte of it is changed, the block that has it is named, or the shard as a whole is refused.
TEST(Shards, EveryChangedByteIsFound) {
  const Bytes pack = random_bytes(400'001);
  const ShardPlan plan = plan_of({2, 3}, 2, pack);
  MadeShard made = *make_shard(plan, bytes_of(pack));
  ASSERT_EQ(plan.block_count(), 4U);
  EXPECT_TRUE(find_bad_blocks(plan, made.id, bytes_of(made.object), 0, 3)->empty());
  for (std::size_t at = 0; at < made.object.size(); at += at < 200 || at > plan.trailer_offset() ? std::size_t{1} : std::size_t{1'237}) {
    made.object[at] ^= 0x40U;
    const auto bad = find_bad_blocks(plan, made.id, bytes_of(made.object), 0, 3);
    if (at < kShardHeaderBytes || at >= plan.trailer_offset()) {
      ASSERT_FALSE(bad) << at;
      EXPECT_EQ(bad.error().code(), ErrorCode::kCorrupt);
    } else {
      ASSERT_TRUE(bad);
      EXPECT_EQ(*bad, (std::vector<std::uint64_t>{(at - kShardHeaderBytes) / kShardBlockBytes})) << at;
    }
    made.object[at] ^= 0x40U;
  }
}

}  // namespace
}  // namespace holdfast
