// SPDX-License-Identifier: Apache-2.0
#include "core/stage/pack_table.h"

#include <gmock/gmock.h>

#include "core/stage/stage_records.h"
#include "tests/support/stage_rig.h"

namespace holdfast {
namespace {

using testing::file_bytes;
using testing::SeededRandom;
using testing::TemporaryFolder;
using testing::write_file;

struct TableRig {
  TemporaryFolder folder;
  SeededRandom random{5};
  std::string path = folder / "packs.hft";
  Result<std::unique_ptr<PackTable>> open() { return PackTable::open(path, SecretBytes::copy_of(Bytes(32, 9)), random); }
  PackRow row(PackNumber number) {
    PackRow made;
    made.number = number;
    EXPECT_TRUE(random.fill(made.id.mutable_view()).has_value());
    made.size_bytes = 1000 + number;
    made.domain = 3;
    return made;
  }
};

TEST(PackTable, RowsStatesAndNotes_SurviveReopening) {
  TableRig rig;
  const PackRow first = rig.row(1);
  const PackRow second = rig.row(5);
  {
    auto table = rig.open();
    ASSERT_TRUE(table);
    ASSERT_TRUE((*table)->add(first));
    ASSERT_TRUE((*table)->add(second));
    ASSERT_TRUE((*table)->set_state(1, PackState::kRemote));
    ASSERT_TRUE((*table)->note_put(5, "ipfs", {"bafy", 1005}));
    EXPECT_EQ((*table)->add(second).error().code(), ErrorCode::kAlreadyExists);
    EXPECT_EQ((*table)->set_state(4, PackState::kLost).error().code(), ErrorCode::kNotFound);
  }
  auto table = rig.open();
  ASSERT_TRUE(table);
  EXPECT_EQ((*table)->count(), 2U);
  EXPECT_EQ((*table)->find(1)->state, PackState::kRemote);
  EXPECT_EQ((*table)->find(second.id)->size_bytes, 1005U);
  EXPECT_EQ((*table)->noted_put(5, "ipfs")->locator, "bafy");
  EXPECT_FALSE((*table)->noted_put(5, "storj").has_value());
  EXPECT_EQ((*table)->take_number(), 6U);
}

TEST(PackTable, WhatAPackLeansOn_SurvivesReopening) {
  TableRig rig;
  std::vector<PackNumber> many;
  for (PackNumber number = 1; number <= 2'500; ++number) many.push_back(number * 3);
  {
    auto table = rig.open();
    ASSERT_TRUE(table);
    ASSERT_TRUE((*table)->add(rig.row(1)));
    ASSERT_TRUE((*table)->add(rig.row(2), many));
    ASSERT_TRUE((*table)->note_leans_on(1, {7}));
    ASSERT_TRUE((*table)->note_leans_on(1, {}));
    ASSERT_TRUE((*table)->note_leans_on(1, {8, 9}));
    EXPECT_EQ((*table)->note_leans_on(3, {7}).error().code(), ErrorCode::kNotFound);
  }
  auto table = rig.open();
  ASSERT_TRUE(table) << table.error().message();
  EXPECT_EQ((*table)->leans_on(1), (std::vector<PackNumber>{7, 8, 9}));
  EXPECT_EQ((*table)->leans_on(2), many);
  EXPECT_TRUE((*table)->leans_on(3).empty());
}

TEST(PackTable, AdoptAll_GivesEachIdOneNumber) {
  TableRig rig;
  auto table = rig.open();
  ASSERT_TRUE(table);
  const PackRow known = rig.row(1);
  ASSERT_TRUE((*table)->add(known));
  const PackRow fresh = rig.row(0);
  const auto numbers = (*table)->adopt_all({fresh, known, fresh});
  ASSERT_TRUE(numbers);
  EXPECT_EQ(*numbers, (std::vector<PackNumber>{2, 1, 2}));
}

TEST(PackTable, CutAnywhere_KeepsEveryWholeRow) {
  TableRig rig;
  std::vector<std::size_t> ends;
  {
    auto table = rig.open();
    ASSERT_TRUE(table);
    ends.push_back(file_bytes(rig.path).size());
    for (PackNumber number = 1; number <= 3; ++number) {
      ASSERT_TRUE((*table)->add(rig.row(number)));
      ends.push_back(file_bytes(rig.path).size());
    }
  }
  const Bytes whole = file_bytes(rig.path);
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    write_file(rig.path, ByteView(whole).first(size));
    auto table = rig.open();
    ASSERT_TRUE(table) << size << ": " << table.error().message();
    std::size_t rows = 0;
    while (rows + 1 < ends.size() && ends[rows + 1] <= size) ++rows;
    EXPECT_EQ((*table)->count(), rows) << size;
    ASSERT_TRUE((*table)->add(rig.row(9)));  // and it can be written on
  }
}

TEST(PackTable, FlippedByte_IsDamageUnlessItIsTheLastRow) {
  TableRig rig;
  std::size_t last_row = 0;
  {
    auto table = rig.open();
    ASSERT_TRUE(table);
    ASSERT_TRUE((*table)->add(rig.row(1)));
    last_row = file_bytes(rig.path).size();
    ASSERT_TRUE((*table)->add(rig.row(2)));
  }
  const Bytes whole = file_bytes(rig.path);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    Bytes damaged = whole;
    damaged[at] ^= 0x40;
    write_file(rig.path, damaged);
    auto table = rig.open();
    if (at >= last_row && at < last_row + 4 && !table) {
      // A length that a cut-off write would not leave: refused as damage, which is as good.
      EXPECT_EQ(table.error().code(), ErrorCode::kCorrupt);
    } else if (at >= last_row) {
      ASSERT_TRUE(table) << at;
      EXPECT_EQ((*table)->count(), 1U);
    } else {
      ASSERT_FALSE(table) << at;
      EXPECT_TRUE(table.error().code() == ErrorCode::kCorrupt || table.error().code() == ErrorCode::kUnsupported);
    }
  }
}

TEST(PackTable, WrongKey_IsRefusedOnceThereIsMoreThanOneRow) {
  TableRig rig;
  {
    auto table = rig.open();
    ASSERT_TRUE(table);
    ASSERT_TRUE((*table)->add(rig.row(1)));
    ASSERT_TRUE((*table)->add(rig.row(2)));
  }
  const auto table = PackTable::open(rig.path, SecretBytes::copy_of(Bytes(32, 8)), rig.random);
  ASSERT_FALSE(table);
  EXPECT_EQ(table.error().code(), ErrorCode::kCorrupt);
}

TEST(PackTable, TailOfZeros_IsATornWrite) {
  TableRig rig;
  {
    auto table = rig.open();
    ASSERT_TRUE(table);
    ASSERT_TRUE((*table)->add(rig.row(1)));
  }
  Bytes content = file_bytes(rig.path);
  content.resize(content.size() + 300);
  write_file(rig.path, content);
  auto table = rig.open();
  ASSERT_TRUE(table);
  EXPECT_EQ((*table)->count(), 1U);
}

TEST(StageRecords, CutAnywhere_IsCorrupt) {
  SeededRandom random(3);
  std::vector<PackEntry> entries(2);
  std::vector<ChunkRef> refs(2);
  for (std::size_t i = 0; i < 2; ++i) {
    ASSERT_TRUE(random.fill(refs[i].id.mutable_view()));
    refs[i].plain_size_bytes = 5;
    refs[i].kind = ChunkKind::kTree;
    entries[i].id = refs[i].id;
    entries[i].kind = refs[i].kind;
    entries[i].offset = 32 + 70 * i;
    entries[i].record_size_bytes = 70;
  }
  entries[1].bases = {refs[0].id, refs[1].id};
  entries[1].children = {refs[0].id, refs[1].id};
  const Bytes encoded = encode_chunks(4, entries, refs);
  const auto decoded = decode_stage_record(encoded);
  ASSERT_TRUE(decoded) << decoded.error().message();
  const auto& record = std::get<ChunksRecord>(*decoded);
  EXPECT_EQ(record.number, 4U);
  EXPECT_EQ(record.refs, refs);
  EXPECT_EQ(record.entries[1].offset, 102U);
  EXPECT_EQ(record.entries[1].children, entries[1].children);
  EXPECT_EQ(record.entries[1].bases, entries[1].bases);
  for (const Bytes& whole : {encoded, encode_pack_opened({}), encode_pack_closed({}), encode_pack_dropped({1})}) {
    ASSERT_TRUE(decode_stage_record(whole));
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const auto cut = decode_stage_record(ByteView(whole).first(size));
      ASSERT_FALSE(cut) << size;
      EXPECT_EQ(cut.error().code(), ErrorCode::kCorrupt);
    }
  }
}

}  // namespace
}  // namespace holdfast
