// SPDX-License-Identifier: Apache-2.0
#include "core/pack/pack.h"

#include <gtest/gtest.h>

#include "core/chunk/chunk_codec.h"
#include "core/crypto/hash.h"
#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {

const Bytes kMaint(32, 0x4d);

struct MadePack {
  Bytes bytes;
  std::vector<PackEntry> entries;
  PackSummary summary;
};

class PackTest : public ::testing::Test {
 protected:
  testing::SeededRandom random_{77};

  MadePack make(std::size_t count, std::size_t plain_size = 500) {
    MadePack pack;
    const PackHeader header = *make_pack_header(random_);
    append(pack.bytes, header);
    ChunkEncoder encoder(random_);
    for (std::size_t i = 0; i < count; ++i) {
      PackEntry entry;
      entry.kind = i % 5 == 4 ? ChunkKind::kTree : ChunkKind::kData;
      const EncodedChunk chunk = *encoder.encode(entry.kind, random_.bytes(plain_size), {}, {});
      entry.id = chunk.ref.id;
      entry.offset = pack.bytes.size();
      entry.record_size_bytes = static_cast<std::uint32_t>(chunk.record.size());
      if (entry.kind == ChunkKind::kTree) {
        entry.children = {pack.entries.back().id, ChunkId{sha256(chunk.record).bytes}, pack.entries.front().id};
      }
      append(pack.bytes, chunk.record);
      pack.entries.push_back(entry);
    }
    const PackTail tail = *finish_pack(header, pack.entries, kMaint, random_);
    append(pack.bytes, tail.bytes);
    pack.summary = tail.summary;
    return pack;
  }

  static PackBytes reader(const Bytes& bytes, int* reads = nullptr) {
    return [&bytes, reads](std::uint64_t offset, std::uint64_t size) -> Result<Bytes> {
      if (reads != nullptr) ++*reads;
      if (offset + size > bytes.size()) return Error(ErrorCode::kOutOfRange, "past the end");
      const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(offset);
      return Bytes(begin, begin + static_cast<std::ptrdiff_t>(size));
    };
  }

  static void expect_same(const std::vector<PackEntry>& found, const std::vector<PackEntry>& wanted) {
    ASSERT_EQ(found.size(), wanted.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].id, wanted[i].id);
      EXPECT_EQ(found[i].kind, wanted[i].kind);
      EXPECT_EQ(found[i].offset, wanted[i].offset);
      EXPECT_EQ(found[i].record_size_bytes, wanted[i].record_size_bytes);
      EXPECT_EQ(found[i].bases, wanted[i].bases);
      EXPECT_EQ(found[i].children, wanted[i].children);
    }
  }
};

TEST_F(PackTest, Directory_ComesBackFromTheEnd) {
  for (const std::size_t count : {1U, 2U, 23U}) {
    const MadePack pack = make(count);
    EXPECT_EQ(pack.summary.size_bytes, pack.bytes.size());
    const auto directory = read_pack_directory(reader(pack.bytes), pack.bytes.size(), &pack.summary.id, kMaint);
    ASSERT_TRUE(directory) << directory.error().message();
    expect_same(directory->entries, pack.entries);
    EXPECT_EQ(directory->summary.record_count, count);
    EXPECT_TRUE(verify_pack(pack.bytes, &pack.summary.id, kMaint));
  }
}

TEST_F(PackTest, Directory_TakesTwoReadsOrThree) {
  const MadePack usual = make(40, 4000);
  int reads = 0;
  ASSERT_TRUE(read_pack_directory(reader(usual.bytes, &reads), usual.bytes.size(), nullptr, kMaint));
  EXPECT_EQ(reads, 2);
  const MadePack many = make(2500, 50);
  reads = 0;
  const auto directory = read_pack_directory(reader(many.bytes, &reads), many.bytes.size(), nullptr, kMaint);
  ASSERT_TRUE(directory);
  EXPECT_EQ(reads, 3);
  expect_same(directory->entries, many.entries);
}

TEST_F(PackTest, MerkleRoot_IsThatOfTheIds) {
  const MadePack pack = make(7);
  std::vector<ByteView> ids;
  for (const PackEntry& entry : pack.entries) ids.push_back(entry.id.view());
  EXPECT_EQ(pack.summary.merkle_root, merkle_root(ids));
}

TEST_F(PackTest, AnyFlippedBit_IsRefusedByVerify) {
  const MadePack pack = make(6, 60);
  for (std::size_t at = 0; at < pack.bytes.size(); ++at) {
    Bytes bad = pack.bytes;
    bad[at] = static_cast<std::uint8_t>(bad[at] ^ (1U << (at % 8)));
    const auto directory = verify_pack(bad, nullptr, kMaint);
    // Without an expected id nothing binds the salt but the key that comes from it.
    ASSERT_FALSE(directory) << at;
    EXPECT_TRUE(directory.error().code() == ErrorCode::kCorrupt || directory.error().code() == ErrorCode::kUnsupported) << at;
  }
}

TEST_F(PackTest, AnyTruncationOrTail_IsRefused) {
  const MadePack pack = make(3, 40);
  for (std::size_t size = 0; size < pack.bytes.size(); ++size) {
    const Bytes cut(pack.bytes.begin(), pack.bytes.begin() + static_cast<std::ptrdiff_t>(size));
    ASSERT_FALSE(verify_pack(cut, &pack.summary.id, kMaint)) << size;
  }
  Bytes longer = pack.bytes;
  longer.push_back(0);
  EXPECT_FALSE(verify_pack(longer, nullptr, kMaint));
}

TEST_F(PackTest, AnotherPackOrKey_IsRefused) {
  const MadePack first = make(3);
  const MadePack second = make(3);
  const auto swapped = verify_pack(second.bytes, &first.summary.id, kMaint);
  EXPECT_NE(swapped.error().message().find(first.summary.id.hex()), std::string::npos) << swapped.error().message();
  EXPECT_EQ(verify_pack(first.bytes, nullptr, Bytes(32, 0x4e)).error().code(), ErrorCode::kCorrupt);
}

TEST_F(PackTest, RecordsSwapped_IsRefusedWithThePlace) {
  const MadePack pack = make(2, 100);
  Bytes swapped = pack.bytes;
  const auto middle = swapped.begin() + 32 + pack.entries[0].record_size_bytes;
  std::rotate(swapped.begin() + 32, middle, middle + pack.entries[1].record_size_bytes);
  const auto directory = verify_pack(swapped, &pack.summary.id, kMaint);
  EXPECT_NE(directory.error().message().find("record 0 at 32"), std::string::npos) << directory.error().message();
}

TEST_F(PackTest, ShortRead_IsCorrupt) {
  const MadePack pack = make(2);
  const PackBytes shorter = [&](std::uint64_t offset, std::uint64_t size) -> Result<Bytes> {
    Bytes bytes = *reader(pack.bytes)(offset, size);
    bytes.pop_back();
    return bytes;
  };
  EXPECT_EQ(read_pack_directory(shorter, pack.bytes.size(), nullptr, kMaint).error().code(), ErrorCode::kCorrupt);
}

TEST_F(PackTest, IndexThatLiesAboutARecord_IsRefusedByVerify) {
  // What a faulty writer could make: sealed and hashed rightly, and wrong.
  const auto finish_with = [&](auto change) {
    MadePack pack = make(5, 80);
    Bytes bytes(pack.bytes.begin(), pack.bytes.begin() + static_cast<std::ptrdiff_t>(pack.entries.back().offset + pack.entries.back().record_size_bytes));
    PackHeader header{};
    std::copy_n(bytes.begin(), header.size(), header.begin());
    change(pack.entries);
    const auto tail = finish_pack(header, pack.entries, kMaint, random_);
    EXPECT_TRUE(tail);
    append(bytes, tail->bytes);
    return verify_pack(bytes, nullptr, kMaint);
  };
  EXPECT_TRUE(finish_with([](auto&) {}));
  EXPECT_FALSE(finish_with([](auto& entries) { entries[0].kind = ChunkKind::kList; }));
  EXPECT_FALSE(finish_with([](auto& entries) { entries[0].bases = {entries[1].id}; }));
  EXPECT_FALSE(finish_with([](auto& entries) { std::swap(entries[0].id, entries[1].id); }));
  EXPECT_FALSE(finish_with([](auto& entries) {
    --entries[0].record_size_bytes;
    --entries[1].offset;
    ++entries[1].record_size_bytes;
  }));
}

TEST_F(PackTest, Finish_RefusesWhatIsNoPack) {
  const PackHeader header = *make_pack_header(random_);
  EXPECT_EQ(finish_pack(header, {}, kMaint, random_).error().code(), ErrorCode::kInvalidArgument);
  PackEntry entry;
  entry.record_size_bytes = 100;
  entry.offset = 33;
  EXPECT_EQ(finish_pack(header, {entry}, kMaint, random_).error().code(), ErrorCode::kInvalidArgument);
  entry.offset = 32;
  EXPECT_TRUE(finish_pack(header, {entry}, kMaint, random_));
  entry.record_size_bytes = 44;
  EXPECT_EQ(finish_pack(header, {entry}, kMaint, random_).error().code(), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace holdfast
