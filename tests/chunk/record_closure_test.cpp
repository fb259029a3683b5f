// SPDX-License-Identifier: Apache-2.0
#include "core/chunk/record_closure.h"

#include <gtest/gtest.h>

#include <map>

#include "core/crypto/hash.h"
#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {

class Closures : public ::testing::Test {
 protected:
  struct Made {
    ChunkRef ref;
    Bytes record;
    Bytes plain;
    int depth = 0;
  };
  Made whole(const Bytes& plain) { return keep(encoder_.encode(ChunkKind::kData, plain, {}, {}).value(), plain, 0); }
  /// The bases' plaintexts, one after the other, with one byte changed.
  Made lean(const std::vector<Made>& bases) {
    DifferenceBase on;
    Bytes joined;
    for (const Made& base : bases) {
      on.refs.push_back(base.ref);
      append(joined, base.plain);
      on.depth = std::max(on.depth, base.depth);
    }
    on.plain = joined;
    on.record_max_bytes = 1U << 20U;
    Bytes plain = joined;
    plain[random_.next_below(plain.size())] ^= 1;
    plain.resize(std::min<std::size_t>(plain.size(), 20'000));  // or each level would be twice as long
    return keep(encoder_.encode_difference(ChunkKind::kData, plain, {}, {}, on).value().value(), plain, on.depth + 1);
  }
  Made keep(const EncodedChunk& chunk, const Bytes& plain, int depth) {
    records_[chunk.ref.id] = chunk.record;
    return {chunk.ref, chunk.record, plain, depth};
  }
  static VerifiedRecord verified(const ChunkId& id, const Bytes& record) { return VerifiedRecord::check(id, SharedBytes::copy_of(record)).value(); }
  Result<RecordClosure> gather(const ChunkRef& ref) {
    RecordClosure closure(ref);
    while (!closure.is_complete()) HOLDFAST_TRY(closure.take(verified(closure.next().id, records_.at(closure.next().id))));
    return closure;
  }

  testing::SeededRandom random_{5};
  ChunkEncoder encoder_{random_};
  std::map<ChunkId, Bytes> records_;
};

TEST_F(Closures, WholeChunk_IsAloneInIts) {
  const Made chunk = whole(random_.bytes(1'000));
  const auto closure = gather(chunk.ref);
  ASSERT_TRUE(closure);
  EXPECT_EQ(closure->size(), 1U);
  EXPECT_EQ(closure->open()->plain, chunk.plain);
  EXPECT_EQ(closure->open()->depth, 0);
  EXPECT_FALSE(closure->first_base(0));
}

TEST_F(Closures, SharedBase_IsGatheredAndCountedOnce) {
  const Made a = whole(random_.bytes(6'000)), b = whole(random_.bytes(5'000));
  const Made left = lean({a, b}), right = lean({b});
  const Made top = lean({left, right});
  const auto closure = gather(top.ref);
  ASSERT_TRUE(closure) << closure.error().message();
  EXPECT_EQ(closure->size(), 5U);
  const auto opened = closure->open();
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(opened->plain, top.plain);
  EXPECT_EQ(opened->depth, 2);
  const std::size_t root = 0;
  const auto cost = closure->cost({&root, 1});
  EXPECT_EQ(cost.records, 5U);
  EXPECT_EQ(cost.whole_bytes, a.record.size() + b.record.size());
  EXPECT_EQ(cost.difference_bytes, top.record.size() + left.record.size() + right.record.size());
  ASSERT_TRUE(closure->first_base(0));
  EXPECT_EQ(closure->ref(*closure->first_base(0)).id, left.ref.id);
  EXPECT_EQ(closure->open(*closure->first_base(0))->plain, left.plain);
}

TEST_F(Closures, ThatLeansOnTooMany_IsRefused) {
  // Each level has two chunks that both lean on both below: 4 a level would be met without end, 2 are gathered.
  std::vector<Made> level{whole(random_.bytes(3'000)), whole(random_.bytes(3'000))};
  for (int depth = 0; depth < kDifferenceDepthMax - 1; ++depth) level = {lean(level), lean(level)};
  const Made top = lean(level);
  const auto closure = gather(top.ref);
  ASSERT_TRUE(closure) << closure.error().message();
  EXPECT_EQ(closure->size(), 2U * kDifferenceDepthMax + 1);
  EXPECT_EQ(closure->open()->plain, top.plain);

  // A tree whose branches share nothing: 2 + 4 + 8 + 16 + 32 + 64 others.
  std::vector<Made> leaves;
  for (int i = 0; i < 64; ++i) leaves.push_back(whole(random_.bytes(300)));
  while (leaves.size() > 1) {
    std::vector<Made> above;
    for (std::size_t i = 0; i < leaves.size(); i += 2) above.push_back(lean({leaves[i], leaves[i + 1]}));
    leaves = std::move(above);
  }
  const auto refused = gather(leaves.front().ref);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kCorrupt);
  EXPECT_NE(refused.error().message().find("more than 64"), std::string::npos) << refused.error().message();
}

TEST_F(Closures, RecordThatDoesNotOpenOrIsAnothers_IsRefused) {
  const Made base = whole(random_.bytes(2'000));
  const Made top = lean({base});
  // Its bytes have the id that they are asked for by, and yet nobody sealed them.
  Bytes forged = top.record;
  forged.back() ^= 1;
  ChunkRef to_forged = top.ref;
  to_forged.id = best_chunk_hasher().chunk_id(forged);
  EXPECT_EQ(RecordClosure(to_forged).take(verified(to_forged.id, forged)).error().code(), ErrorCode::kCorrupt);
  RecordClosure other(top.ref);
  ASSERT_TRUE(other.take(verified(top.ref.id, top.record)));
  EXPECT_EQ(other.take(verified(top.ref.id, top.record)).error().code(), ErrorCode::kCorrupt);  // the base's is next
  // A whole chunk is opened at the end.
  Bytes forged_base = base.record;
  forged_base.back() ^= 1;
  ChunkRef to_base = base.ref;
  to_base.id = best_chunk_hasher().chunk_id(forged_base);
  RecordClosure of_base(to_base);
  ASSERT_TRUE(of_base.take(verified(to_base.id, forged_base)));
  EXPECT_EQ(of_base.open().error().code(), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace holdfast
