// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <limits>

#include "core/format/byte_reader.h"
#include "core/format/byte_writer.h"
#include "core/format/chunk_ref.h"

namespace holdfast {
namespace {

Bytes hex(std::string_view text) { return *from_hex(text); }

TEST(ByteWriter, FixedNumbers_AreLittleEndian) {
  Bytes out;
  ByteWriter(out).u8(0x01).u16(0x0302).u32(0x07060504).u64(0x0f0e0d0c0b0a0908).i64(-2).u64_big_endian(0x0102);
  EXPECT_EQ(to_hex(out), "0102030405060708090a0b0c0d0e0f" "feffffffffffffff" "0000000000000102");
}

TEST(ByteWriter, Varint_IsLeb128) {
  // The first is the example of the DWARF 5 standard, §7.6 (figure 22); the last is 2^64 - 1 in ten bytes.
  for (const auto& [value, text] : std::initializer_list<std::pair<std::uint64_t, std::string_view>>{
           {12857, "b964"}, {0, "00"}, {127, "7f"}, {128, "8001"}, {std::numeric_limits<std::uint64_t>::max(), "ffffffffffffffffff01"}}) {
    Bytes out;
    ByteWriter(out).varint(value);
    EXPECT_EQ(to_hex(out), text);
    EXPECT_EQ(*ByteReader(out, "number").varint(), value);
  }
}

TEST(ByteReader, Varint_RefusesOtherForms) {
  for (const std::string_view text : {"8000", "ff8000", "80", "", "ffffffffffffffffff02", "8080808080808080808001", "80808080808080808000"}) {
    const Bytes in = hex(text);
    const auto value = ByteReader(in, "number").varint();
    ASSERT_FALSE(value) << text;
    EXPECT_EQ(value.error().code(), ErrorCode::kCorrupt) << text;
  }
}

TEST(ByteReader, ReadsWhatTheWriterWrote) {
  Bytes out;
  ByteWriter(out).u16(7).i64(std::numeric_limits<std::int64_t>::min()).text("log").bytes({}).zeros(3).raw(hex("aabb"));
  ByteReader in(out, "test");
  EXPECT_EQ(*in.u16(), 7);
  EXPECT_EQ(*in.i64(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(*in.text(), "log");
  EXPECT_TRUE(in.bytes()->empty());
  EXPECT_TRUE(in.zeros(3));
  EXPECT_EQ(in.expect_end().error().message(), "test: 2 bytes left over (at byte 18)");
  EXPECT_EQ(to_hex(*in.raw(2)), "aabb");
  EXPECT_TRUE(in.expect_end());
}

TEST(ByteReader, LengthsBeyondTheInput_AreRefusedBeforeMemoryIsTaken) {
  const Bytes long_field = hex("ffffffffffffffffff01" "00");
  EXPECT_FALSE(ByteReader(long_field, "test").bytes());
  EXPECT_FALSE(ByteReader(long_field, "test").count(1));
  EXPECT_FALSE(ByteReader(hex("0361"), "test").text());
  EXPECT_FALSE(ByteReader(hex("026162"), "test").text(1));
  EXPECT_FALSE(ByteReader(hex("020102"), "test").count(2));
  EXPECT_EQ(*ByteReader(hex("020102"), "test").count(1), 2U);
  EXPECT_FALSE(ByteReader(hex("0b"), "test").varint_at_most(10));
  EXPECT_EQ(*ByteReader(hex("0a"), "test").varint_at_most(10), 10U);
}

TEST(ByteReader, ReservedBytes_MustBeZero) {
  EXPECT_FALSE(ByteReader(hex("0001"), "test").zeros(2));
  EXPECT_FALSE(ByteReader(hex("00"), "test").zeros(2));
}

TEST(Prelude, OtherMagicVersionOrSuite_IsRefusedByName) {
  Bytes good;
  ByteWriter(good).prelude(kPackObject);
  EXPECT_EQ(to_hex(good), "48465041434b3031" "0100" "0100");
  EXPECT_TRUE(ByteReader(good, "pack").prelude(kPackObject));
  EXPECT_EQ(ByteReader(good, "head").prelude(kHeadObject).error().message(), "head does not begin with HFHEAD01");
  Bytes newer = good;
  newer[8] = 7;
  const Status version = ByteReader(newer, "pack").prelude(kPackObject);
  EXPECT_EQ(version.error().message(), "pack has format version 7; this program reads 1");
  EXPECT_EQ(version.error().code(), ErrorCode::kUnsupported);
  Bytes suite = good;
  suite[10] = 2;
  EXPECT_EQ(ByteReader(suite, "pack").prelude(kPackObject).error().code(), ErrorCode::kUnsupported);
}

TEST(ChunkRef, RoundTripAndRefusals) {
  ChunkRef ref;
  ref.id.bytes.fill(0x11);
  ref.key.bytes.fill(0x22);
  ref.fp.bytes.fill(0x33);
  ref.plain_size_bytes = 65'536;
  ref.kind = ChunkKind::kList;
  Bytes out;
  ByteWriter writer(out);
  encode_chunk_ref(ref, writer);
  ASSERT_EQ(out.size(), kChunkRefBytes);
  ByteReader good(out, "reference");
  EXPECT_EQ(*decode_chunk_ref(good), ref);
  ByteReader other(out, "reference");
  EXPECT_FALSE(decode_chunk_ref(other, ChunkKind::kData));
  for (const auto& [offset, value] : std::initializer_list<std::pair<std::size_t, std::uint8_t>>{{84, 0}, {84, 4}, {83, 1}, {82, 0}}) {
    Bytes bad = out;
    bad[offset] = value;
    ByteReader in(bad, "reference");
    EXPECT_FALSE(decode_chunk_ref(in)) << offset << " " << int{value};
  }
}

}  // namespace
}  // namespace holdfast
