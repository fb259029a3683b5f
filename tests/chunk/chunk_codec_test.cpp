// SPDX-License-Identifier: Apache-2.0
#include "core/chunk/chunk_codec.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <map>

#include "core/crypto/hash.h"
#include "core/crypto/seal.h"
#include "core/format/byte_reader.h"
#include "core/format/byte_writer.h"
#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {

Bytes random_bytes(std::size_t size, std::uint64_t seed) {
  Bytes bytes(size);
  testing::SeededRandom random(seed);
  EXPECT_TRUE(random.fill(bytes));
  return bytes;
}

Bytes text_bytes(std::size_t size) {
  Bytes bytes;
  for (int line = 0; bytes.size() < size; ++line) {
    append(bytes, as_bytes(std::to_string(line) + "\tcustomer\t" + std::to_string(line * 7919 % 10'007) + "\tshipped\n"));
  }
  bytes.resize(size);
  return bytes;
}

/// Rows of numbers that come again within a mebibyte, but seldom within 64 KiB.
Bytes rows_bytes(std::size_t size) {
  testing::SeededRandom random(5);
  Bytes bytes;
  for (int line = 0; bytes.size() < size; ++line) {
    const Bytes draw = random.bytes(4);
    const auto customer = load_le<std::uint16_t>(draw) % 5000 * 7'777'777'777ULL;
    const auto article = load_le<std::uint16_t>(ByteView(draw).subspan(2)) % 3000 * 99'999'999'977ULL;
    append(bytes, as_bytes(std::to_string(line) + "\t" + std::to_string(customer) + "\t" + std::to_string(article) + "\n"));
  }
  bytes.resize(size);
  return bytes;
}

/// Records in memory; opens bases by the rules that every resolver follows.
class MapResolver final : public BaseResolver {
 public:
  std::map<ChunkId, Bytes> records;
  int calls = 0;
  Result<Base> resolve(const ChunkRef& base) override {
    ++calls;
    const auto found = records.find(base.id);
    if (found == records.end()) return Error(ErrorCode::kNotFound, "no such base");
    HOLDFAST_ASSIGN(DecodedChunk chunk, open_chunk(base, found->second, this));
    return Base{std::move(chunk.plain), chunk.depth};
  }
};

class ChunkCodecTest : public ::testing::Test {
 protected:
  testing::SeededRandom random_{99};
  ChunkEncoder encoder_{random_};
  MapResolver resolver_;

  EncodedChunk encode(ByteView plain, ChunkKind kind = ChunkKind::kData) {
    auto chunk = encoder_.encode(kind, plain, Fingerprint{}, {});
    EXPECT_TRUE(chunk);
    resolver_.records[chunk->ref.id] = chunk->record;
    return *chunk;
  }
  static DifferenceBase base_of(const EncodedChunk& chunk, ByteView plain, int depth = 0) {
    return {{chunk.ref}, plain, depth, std::numeric_limits<std::uint32_t>::max()};
  }
  std::optional<EncodedChunk> difference(ByteView plain, const DifferenceBase& base) {
    auto chunk = encoder_.encode_difference(ChunkKind::kData, plain, Fingerprint{}, {}, base);
    EXPECT_TRUE(chunk);
    if (*chunk) resolver_.records[(*chunk)->ref.id] = (*chunk)->record;
    return *chunk;
  }
  /// A record that is right in all but what the caller put into header and payload; its id is right.
  static EncodedChunk forge(ByteView header, ByteView payload) {
    EncodedChunk chunk;
    chunk.ref.key.bytes.fill(5);
    chunk.ref.plain_size_bytes = 1000;
    chunk.record.assign(header.begin(), header.end());
    chunk.record.resize(header.size() + kBoxOverheadBytes + payload.size());
    const MutableByteView record(chunk.record);
    aead_seal(chunk.ref.key.view(), record.subspan(header.size(), kNonceBytes), header, payload,
              record.subspan(header.size() + kNonceBytes, payload.size()), record.last(kTagBytes));
    chunk.ref.id = best_chunk_hasher().chunk_id(chunk.record);
    return chunk;
  }
  static Bytes header(ChunkCodec codec, std::size_t payload_size) {
    Bytes out;
    ByteWriter(out).raw(as_bytes("HC")).u8(1).u8(1).u8(1).u8(static_cast<std::uint8_t>(codec)).u16(0).u32(1000).u32(
        static_cast<std::uint32_t>(payload_size));
    return out;
  }
  static void expect_corrupt(const ChunkRef& ref, ByteView record, BaseResolver* bases, const std::string& what) {
    const auto opened = open_chunk(ref, record, bases);
    ASSERT_FALSE(opened) << what;
    EXPECT_EQ(opened.error().code(), ErrorCode::kCorrupt) << what;
  }
};

TEST_F(ChunkCodecTest, LargeChunk_IsAsSmallAsZstdMakesItByItself) {
  // The smaller table that chunks of the usual size get costs here 1 in 30.
  const Bytes plain = rows_bytes(1'048'576);
  Bytes frame(ZSTD_compressBound(plain.size()));
  const std::size_t alone = ZSTD_compress(frame.data(), frame.size(), plain.data(), plain.size(), 1);
  ASSERT_FALSE(ZSTD_isError(alone));
  EXPECT_LT(encode(plain).record.size(), alone + 256);  // header, nonce and tag
}

TEST_F(ChunkCodecTest, AnyPlaintext_ComesBack) {
  for (const std::size_t size : {1U, 2U, 69U, 70U, 71U, 1000U, 65'536U, 4'194'304U}) {
    for (const Bytes& plain : {random_bytes(size, size), text_bytes(size), Bytes(size, 0)}) {
      const EncodedChunk chunk = encode(plain);
      EXPECT_EQ(chunk.ref.plain_size_bytes, size);
      EXPECT_LE(chunk.record.size(), size + kRecordOverheadBytes);
      const auto opened = open_chunk(chunk.ref, chunk.record, nullptr);
      ASSERT_TRUE(opened) << opened.error().message();
      EXPECT_EQ(opened->plain, plain);
      EXPECT_EQ(opened->depth, 0);
    }
  }
}

TEST_F(ChunkCodecTest, Codec_FollowsWhatPays) {
  EXPECT_EQ(encode(random_bytes(65'536, 1)).codec, ChunkCodec::kStored);
  EXPECT_EQ(encode(text_bytes(65'536)).codec, ChunkCodec::kZstd);
  // Random bytes with 1/8 of zeros in runs: a sample must see them.
  Bytes mixed = random_bytes(65'536, 2);
  for (std::size_t page = 0; page < mixed.size(); page += 8192) std::fill_n(mixed.begin() + static_cast<std::ptrdiff_t>(page), 1024, std::uint8_t{0});
  EXPECT_EQ(encode(mixed).codec, ChunkCodec::kZstd);
}

TEST_F(ChunkCodecTest, OneChunkTwice_ShowsNoEquality) {
  const Bytes plain = text_bytes(5000);
  const EncodedChunk first = encode(plain);
  const EncodedChunk second = encode(plain);
  EXPECT_NE(first.ref.key, second.ref.key);
  EXPECT_NE(first.ref.id, second.ref.id);
}

TEST_F(ChunkCodecTest, EveryFlippedBit_IsRefused) {
  const EncodedChunk chunk = encode(text_bytes(300));
  for (std::size_t bit = 0; bit < chunk.record.size() * 8; ++bit) {
    Bytes bad = chunk.record;
    bad[bit / 8] = static_cast<std::uint8_t>(bad[bit / 8] ^ (1U << (bit % 8)));
    expect_corrupt(chunk.ref, bad, nullptr, "bit " + std::to_string(bit));
    // A reference to the damaged bytes themselves: id right, and still nothing opens.
    ChunkRef forged = chunk.ref;
    forged.id = best_chunk_hasher().chunk_id(bad);
    EXPECT_FALSE(open_chunk(forged, bad, nullptr)) << bit;
  }
}

TEST_F(ChunkCodecTest, EveryTruncation_IsRefused) {
  const EncodedChunk chunk = encode(text_bytes(300));
  for (std::size_t size = 0; size < chunk.record.size(); ++size) {
    ChunkRef forged = chunk.ref;
    const ByteView cut = ByteView(chunk.record).first(size);
    forged.id = best_chunk_hasher().chunk_id(cut);
    expect_corrupt(forged, cut, nullptr, "size " + std::to_string(size));
  }
}

TEST_F(ChunkCodecTest, OtherKeySizeOrKindInTheReference_IsRefused) {
  const EncodedChunk chunk = encode(text_bytes(300));
  ChunkRef key = chunk.ref;
  key.key.bytes[31] ^= 1;
  expect_corrupt(key, chunk.record, nullptr, "key");
  ChunkRef size = chunk.ref;
  ++size.plain_size_bytes;
  expect_corrupt(size, chunk.record, nullptr, "size");
  ChunkRef kind = chunk.ref;
  kind.kind = ChunkKind::kTree;
  expect_corrupt(kind, chunk.record, nullptr, "kind");
}

TEST_F(ChunkCodecTest, Difference_IsSmallAndOpensThroughItsBase) {
  const Bytes old_plain = text_bytes(65'536);
  Bytes new_plain = old_plain;
  for (std::size_t at = 1000; at < new_plain.size(); at += 20'000) new_plain[at] = '!';
  const EncodedChunk base = encode(old_plain);
  const EncodedChunk lean = difference(new_plain, base_of(base, old_plain)).value();
  EXPECT_EQ(lean.codec, ChunkCodec::kDifference);
  EXPECT_LT(lean.record.size(), 400U);
  const auto opened = open_chunk(lean.ref, lean.record, &resolver_);
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(opened->plain, new_plain);
  EXPECT_EQ(opened->depth, 1);
  EXPECT_EQ(open_chunk(lean.ref, lean.record, nullptr).error().code(), ErrorCode::kUnsupported);
  resolver_.records.erase(base.ref.id);
  EXPECT_EQ(open_chunk(lean.ref, lean.record, &resolver_).error().code(), ErrorCode::kNotFound);
}

TEST_F(ChunkCodecTest, DifferenceToTwo_TakesFromBoth) {
  const Bytes first = random_bytes(40'000, 31), second = random_bytes(50'000, 32), third = random_bytes(1'000, 33);
  const EncodedChunk a = encode(first);
  Bytes older = second;
  older[10] ^= 1;
  const EncodedChunk whole = encode(older);
  const EncodedChunk b = difference(second, base_of(whole, older)).value();
  Bytes plain(first.begin() + 1'000, first.end());
  append(plain, third);
  append(plain, ByteView(second).first(45'000));
  Bytes both = first;
  append(both, second);
  const EncodedChunk lean = difference(plain, {{a.ref, b.ref}, both, 1, std::numeric_limits<std::uint32_t>::max()}).value();
  EXPECT_EQ(lean.codec, ChunkCodec::kDifferenceToTwo);
  EXPECT_LT(lean.record.size(), 1'400U);
  const auto opened = open_chunk(lean.ref, lean.record, &resolver_);
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(opened->plain, plain);
  EXPECT_EQ(opened->depth, 2);
  const auto on = leans_on(lean.ref, lean.record).value();
  ASSERT_EQ(on.size(), 2U);
  EXPECT_EQ(on[0].id, a.ref.id);
  EXPECT_EQ(on[1].id, b.ref.id);
}

TEST_F(ChunkCodecTest, UselessBase_IsNotUsed) {
  const Bytes base_plain = random_bytes(65'536, 7);
  const EncodedChunk base = encode(base_plain);
  EXPECT_FALSE(difference(random_bytes(65'536, 8), base_of(base, base_plain)));
}

TEST_F(ChunkCodecTest, DifferenceThatIsLongerThanAskedFor_IsNotTaken) {
  const Bytes base_plain = random_bytes(65'536, 21);
  Bytes plain = base_plain;
  for (std::size_t at = 0; at < plain.size(); at += 500) plain[at] ^= 0x55;
  const EncodedChunk base = encode(base_plain);
  DifferenceBase lean = base_of(base, base_plain);
  lean.record_max_bytes = 60'000;
  const auto size = static_cast<std::uint32_t>(difference(plain, lean).value().record.size());
  EXPECT_LT(size, encode(plain).record.size());
  lean.record_max_bytes = size + 100;  // zstd wants some room more than it takes
  EXPECT_EQ(difference(plain, lean).value().record.size(), size);
  for (const std::uint32_t less : {size - 1, 200U, kRecordOverheadBytes + 1, 1U}) {
    lean.record_max_bytes = less;
    EXPECT_FALSE(difference(plain, lean)) << less;
  }
}

TEST_F(ChunkCodecTest, WhatADifferenceLeansOn_IsReadWithoutItsBase) {
  const Bytes base_plain = text_bytes(20'000);
  Bytes plain = base_plain;
  plain[77] ^= 1;
  const EncodedChunk base = encode(base_plain);
  const EncodedChunk lean = difference(plain, base_of(base, base_plain)).value();
  const auto on = leans_on(lean.ref, lean.record);
  ASSERT_TRUE(on) << on.error().message();
  ASSERT_EQ(on->size(), 1U);
  EXPECT_EQ(on->front().id, base.ref.id);
  EXPECT_EQ(on->front().key, base.ref.key);
  EXPECT_EQ(on->front().plain_size_bytes, base.ref.plain_size_bytes);
  EXPECT_TRUE(leans_on(base.ref, base.record).value().empty());
  Bytes damaged = lean.record;
  damaged[40] ^= 1;
  EXPECT_EQ(leans_on(lean.ref, damaged).error().code(), ErrorCode::kCorrupt);
}

TEST_F(ChunkCodecTest, BasesOfOtherSizes_Serve) {
  // Incompressible content, so that only the base can make it small; up to the largest chunks.
  for (const auto& [base_size, size] : std::initializer_list<std::pair<std::size_t, std::size_t>>{
           {1000, 4'194'304}, {4'194'304, 4'194'304}, {4'194'304, 1000}, {262'144, 16'384}, {16'384, 262'144}}) {
    const Bytes large = random_bytes(std::max(base_size, size), 5);
    const Bytes base_plain(large.end() - static_cast<std::ptrdiff_t>(base_size), large.end());
    const Bytes plain(large.end() - static_cast<std::ptrdiff_t>(size), large.end());
    const EncodedChunk base = encode(base_plain);
    const auto lean = difference(plain, base_of(base, base_plain));
    EXPECT_TRUE(lean || size > 4 * base_size) << base_size << " " << size;
    const EncodedChunk chunk = lean ? *lean : encode(plain);
    const auto opened = open_chunk(chunk.ref, chunk.record, &resolver_);
    ASSERT_TRUE(opened) << opened.error().message();
    EXPECT_EQ(opened->plain, plain);
    if (size <= base_size) {
      EXPECT_LT(chunk.record.size(), 1000U) << base_size << " " << size;  // some bytes for each zstd block of 128 KiB
    }
  }
}

TEST_F(ChunkCodecTest, Chain_EndsAtSixteen) {
  Bytes plain = random_bytes(20'000, 11);
  EncodedChunk last = encode(plain);
  Bytes last_plain = plain;
  for (int depth = 0; depth < kDifferenceDepthMax; ++depth) {
    plain[static_cast<std::size_t>(depth) * 100] ^= 1;
    last = difference(plain, base_of(last, last_plain, depth)).value();
    last_plain = plain;
    const auto opened = open_chunk(last.ref, last.record, &resolver_);
    ASSERT_TRUE(opened) << opened.error().message();
    EXPECT_EQ(opened->depth, depth + 1);
    EXPECT_EQ(opened->plain, plain);
  }
  EXPECT_FALSE(difference(plain, base_of(last, last_plain, kDifferenceDepthMax)));  // an equal base in other memory
}

TEST_F(ChunkCodecTest, ForgedDifferences_AreRefused) {
  const Bytes base_plain = random_bytes(1000, 3);
  const EncodedChunk base = encode(base_plain);
  const Bytes base_copy = base_plain;
  const EncodedChunk good = difference(base_plain, base_of(base, base_copy)).value();
  Bytes payload(good.record.size() - kRecordOverheadBytes);
  const ByteView record = good.record;
  ASSERT_TRUE(aead_open(good.ref.key.view(), record.subspan(16, 12), record.first(16), record.subspan(28, payload.size()), record.last(16), payload));
  const auto open_with = [&](const Bytes& changed) {
    const EncodedChunk forged = forge(header(ChunkCodec::kDifference, changed.size()), changed);
    return open_chunk(forged.ref, forged.record, &resolver_);
  };
  ASSERT_TRUE(open_with(payload));
  const int calls_before = resolver_.calls;
  for (const int depth : {0, 17, 255}) {
    Bytes changed = payload;
    changed[68] = static_cast<std::uint8_t>(depth);
    EXPECT_EQ(open_with(changed).error().code(), ErrorCode::kCorrupt) << depth;
  }
  EXPECT_EQ(resolver_.calls, calls_before) << "an impossible depth must be refused before the base is read";
  Bytes promised_deeper = payload;
  promised_deeper[68] = 2;
  EXPECT_EQ(open_with(promised_deeper).error().code(), ErrorCode::kCorrupt);
  Bytes other_size = payload;
  other_size[64] ^= 1;
  EXPECT_EQ(open_with(other_size).error().code(), ErrorCode::kCorrupt);
  Bytes other_key = payload;
  other_key[32] ^= 1;
  EXPECT_EQ(open_with(other_key).error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(open_with(Bytes(payload.begin(), payload.begin() + 69)).error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(open_with(Bytes(payload.begin(), payload.begin() + 20)).error().code(), ErrorCode::kCorrupt);
}

TEST_F(ChunkCodecTest, ForgedZstdPayloads_AreRefused) {
  const Bytes plain(1000, 'a');
  const EncodedChunk good = encode(plain);
  ASSERT_EQ(good.codec, ChunkCodec::kZstd);
  Bytes frame(good.record.size() - kRecordOverheadBytes);
  const ByteView record = good.record;
  ASSERT_TRUE(aead_open(good.ref.key.view(), record.subspan(16, 12), record.first(16), record.subspan(28, frame.size()), record.last(16), frame));
  const auto open_with = [&](const Bytes& changed) {
    const EncodedChunk forged = forge(header(ChunkCodec::kZstd, changed.size()), changed);
    return open_chunk(forged.ref, forged.record, nullptr);
  };
  ASSERT_TRUE(open_with(frame));
  Bytes left_over = frame;
  left_over.push_back(0);
  EXPECT_FALSE(open_with(left_over));
  Bytes two = frame;
  append(two, frame);
  EXPECT_FALSE(open_with(two));
  Bytes skippable = *from_hex("502a4d1800000000");  // an empty skippable frame (RFC 8878 §3.1.2)
  append(skippable, frame);
  EXPECT_FALSE(open_with(skippable));
  for (std::size_t size = 1; size < frame.size(); ++size) {
    EXPECT_FALSE(open_with(Bytes(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(size)))) << size;
  }
  const Bytes shorter(999, 'a');
  const EncodedChunk other = encode(shorter);
  Bytes other_frame(other.record.size() - kRecordOverheadBytes);
  const ByteView other_record = other.record;
  ASSERT_TRUE(aead_open(other.ref.key.view(), other_record.subspan(16, 12), other_record.first(16),
                        other_record.subspan(28, other_frame.size()), other_record.last(16), other_frame));
  EXPECT_FALSE(open_with(other_frame));
}

TEST_F(ChunkCodecTest, Header_RefusesWhatItDoesNotKnow) {
  const Bytes good = header(ChunkCodec::kZstd, 10);
  ASSERT_TRUE(decode_record_header(good));
  struct Case {
    std::size_t offset;
    std::uint8_t value;
    ErrorCode code;
  };
  for (const Case& bad : {Case{0, 'X', ErrorCode::kCorrupt}, Case{2, 2, ErrorCode::kUnsupported}, Case{3, 2, ErrorCode::kUnsupported},
                          Case{4, 0, ErrorCode::kCorrupt}, Case{4, 4, ErrorCode::kCorrupt}, Case{5, 4, ErrorCode::kUnsupported},
                          Case{6, 1, ErrorCode::kCorrupt}, Case{7, 1, ErrorCode::kCorrupt}, Case{11, 1, ErrorCode::kCorrupt},
                          Case{5, 0, ErrorCode::kCorrupt}, Case{14, 1, ErrorCode::kCorrupt}, Case{12, 0, ErrorCode::kCorrupt}}) {
    Bytes changed = good;
    changed[bad.offset] = bad.value;
    const auto header = decode_record_header(changed);
    ASSERT_FALSE(header) << bad.offset;
    EXPECT_EQ(header.error().code(), bad.code) << bad.offset;
  }
  EXPECT_FALSE(decode_record_header(ByteView(good).first(15)));
}

TEST_F(ChunkCodecTest, NamedTogether_EqualsNamedOneByOne) {
  std::vector<EncodedChunk> chunks;
  for (std::size_t size = 1; size < 200'000; size += 9973) {
    EncodeOptions options;
    options.leave_unnamed = true;
    chunks.push_back(*encoder_.encode(ChunkKind::kData, random_bytes(size, size), Fingerprint{}, options));
    EXPECT_TRUE(chunks.back().ref.id.is_zero());
  }
  name_chunks(chunks);
  for (const EncodedChunk& chunk : chunks) EXPECT_TRUE(verify_record(chunk.ref.id, chunk.record));
}

TEST_F(ChunkCodecTest, NoEntropy_IsAnError) {
  class Broken final : public RandomSource {
   public:
    Status fill(MutableByteView) override { return Error(ErrorCode::kInternal, "none left"); }
  } broken;
  ChunkEncoder encoder(broken);
  EXPECT_EQ(encoder.encode(ChunkKind::kData, Bytes(10, 1), Fingerprint{}, {}).error().code(), ErrorCode::kInternal);
}

}  // namespace
}  // namespace holdfast
