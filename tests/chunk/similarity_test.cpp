// SPDX-License-Identifier: Apache-2.0
#include "core/chunk/similarity.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {

using testing::SeededRandom;

bool share_any(const Similarity& a, const Similarity& b) {
  for (std::size_t i = 0; i < a.super_features.size(); ++i) {
    if (a.super_features[i] == b.super_features[i]) return true;
  }
  return false;
}

/// `count` runs of 40 bytes are replaced.
Bytes edited(Bytes bytes, int count, SeededRandom& random) {
  for (int i = 0; i < count; ++i) {
    const Bytes fresh = random.bytes(40);
    std::copy(fresh.begin(), fresh.end(), bytes.begin() + static_cast<std::ptrdiff_t>(random.next() % (bytes.size() - 40)));
  }
  return bytes;
}

TEST(Similarity, ChunksWithFewChanges_ShareASuperFeature) {
  const GearTable table = make_gear_table(Bytes(32, 1));
  SeededRandom random(2);
  int shared = 0;
  for (int i = 0; i < 100; ++i) {
    const Bytes before = random.bytes(65'536);
    const auto a = similarity_of(table, before);
    const auto b = similarity_of(table, edited(before, 6, random));  // 1 % of the samples
    ASSERT_TRUE(a && b);
    if (share_any(*a, *b)) ++shared;
  }
  // Each super-feature is kept with 0.97; that all four change has a probability under 0.0001.
  EXPECT_GE(shared, 99);
}

TEST(Similarity, InsertedBytes_MoveTheRestWithoutChangingIt) {
  const GearTable table = make_gear_table(Bytes(32, 1));
  SeededRandom random(3);
  int shared = 0;
  for (int i = 0; i < 50; ++i) {
    const Bytes before = random.bytes(65'536);
    Bytes after = before;
    const Bytes fresh = random.bytes(100);
    after.insert(after.begin() + static_cast<std::ptrdiff_t>(random.next() % after.size()), fresh.begin(), fresh.end());
    if (share_any(*similarity_of(table, before), *similarity_of(table, after))) ++shared;
  }
  EXPECT_GE(shared, 49);
}

TEST(Similarity, UnlikeChunks_ShareNothing) {
  const GearTable table = make_gear_table(Bytes(32, 1));
  SeededRandom random(4);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 200; ++i) {
    const auto similarity = similarity_of(table, random.bytes(20'000));
    for (const std::uint64_t feature : similarity->super_features) EXPECT_TRUE(seen.insert(feature).second);
  }
}

TEST(Similarity, AnotherSecretTable_GivesOtherFeatures) {
  SeededRandom random(5);
  const Bytes plain = random.bytes(65'536);
  EXPECT_FALSE(share_any(*similarity_of(make_gear_table(Bytes(32, 1)), plain), *similarity_of(make_gear_table(Bytes(32, 2)), plain)));
}

TEST(Similarity, EveryWindowCounts_WhateverTheSize) {
  // A chunk made of two: the larger of each feature of both parts is the whole's, where the windows over the seam change none. So for sizes of every remainder
  // the whole shares a super-feature with one of its parts about as often as chance says, which it would not if a stretch were left out.
  const GearTable table = make_gear_table(Bytes(32, 1));
  SeededRandom random(6);
  int shared = 0;
  for (std::size_t extra = 0; extra < 64; ++extra) {
    const Bytes small = random.bytes(kSimilarityMinBytes);
    const Bytes large = random.bytes(60'000 + extra);
    Bytes whole = large;
    append(whole, small);
    if (share_any(*similarity_of(table, whole), *similarity_of(table, large))) ++shared;
    Bytes turned = small;
    append(turned, large);
    if (share_any(*similarity_of(table, turned), *similarity_of(table, large))) ++shared;
  }
  EXPECT_GE(shared, 120);
}

TEST(Similarity, TooSmallOrTooMonotonous_HasNone) {
  const GearTable table = make_gear_table(Bytes(32, 1));
  SeededRandom random(7);
  EXPECT_FALSE(similarity_of(table, random.bytes(kSimilarityMinBytes - 1)));
  EXPECT_TRUE(similarity_of(table, random.bytes(kSimilarityMinBytes)));
  EXPECT_FALSE(similarity_of(table, {}));
  // Of constant bytes every window is the same: no sample, or all of them. Both must end.
  for (int byte = 0; byte < 256; ++byte) (void)similarity_of(table, Bytes(300'000, static_cast<std::uint8_t>(byte))).has_value();
}

}  // namespace
}  // namespace holdfast
