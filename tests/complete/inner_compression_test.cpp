// SPDX-License-Identifier: Apache-2.0
#include "core/complete/inner_compression.h"

#include "tests/complete/archive_writer.h"
#include "tests/complete/dump_files.h"
#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {

using namespace testing;  // NOLINT: the helpers of this folder

std::string how(const Bytes& bytes, std::string_view name = "dump") {
  MemoryFile file(bytes);
  const auto found = find_inner_compression({name, file, nullptr});
  if (!found) return "error: " + found.error().message();
  return *found ? std::string((*found)->how) : "";
}

Bytes of(std::string_view text) { return {as_bytes(text).begin(), as_bytes(text).end()}; }

TEST(InnerCompression, Streams_AreKnownByTheirFirstBytes) {
  EXPECT_EQ(how(of("\x1f\x8b\x08 and so on")), "gzip");
  EXPECT_EQ(how(of("\x28\xb5\x2f\xfd and so on")), "zstd");
  EXPECT_EQ(how(of("\x04\x22\x4d\x18 and so on")), "lz4");
  EXPECT_EQ(how(of("BZh91AY")), "bzip2");
  EXPECT_EQ(how(of(std::string_view("\xfd" "7zXZ\0\0", 7))), "xz");
  for (const auto* text : {"", "\x1f", "\x1f\x8b", "--\n-- PostgreSQL database dump\n", "BZ", "PGDM"}) EXPECT_EQ(how(of(text)), "") << text;
}

TEST(InnerCompression, FilesOfTheDirectoryFormat_AreNamedSo) {
  const Bytes gzip = of("\x1f\x8b\x08 and so on");
  for (const auto* name : {"3245.dat.gz", "blob_16400.dat.gz"}) EXPECT_EQ(how(gzip, name), "pg_dump -Fd") << name;
  for (const auto* name : {"orders.sql.gz", "data.dat.gz", ".dat.gz", "blob_.dat.gz"}) EXPECT_EQ(how(gzip, name), "gzip") << name;
}

TEST(InnerCompression, CustomArchives_SayItInTheirHeader) {
  for (const int minor : {10, 12, 14, 15, 16}) {
    ArchiveWriter archive(minor, 1);
    archive.header(0);
    EXPECT_EQ(how(archive.bytes), "pg_dump -Fc") << minor;  // the writer's headers say: compressed
    Bytes open = archive.bytes;
    if (minor >= 15) {
      open[11] = 0;
    } else {
      std::fill_n(open.begin() + 11, 5, std::uint8_t{0});
    }
    EXPECT_EQ(how(open), "") << minor;
    for (std::size_t cut = 0; cut < 20; ++cut) EXPECT_FALSE(how(Bytes(archive.bytes.begin(), archive.bytes.begin() + static_cast<std::ptrdiff_t>(cut))).starts_with("error")) << cut;
  }
  ArchiveWriter directory(14, 3);
  directory.header(0);
  EXPECT_EQ(how(directory.bytes, "toc.dat"), "");
}

/// AUX, SELECTDB, RESIZEDB, an expiry, then keys of many types; `value` last.
Bytes rdb(std::string_view value) {
  std::string text = "REDIS0011";
  text += std::string("\xfa\x09redis-ver\x05" "7.0.1\xfe\x00\xfb\x02\x01", 22);
  text += std::string("\xfc\0\0\0\0\0\0\0\0\x00\x01k\x02vv", 15);       // a string that expires
  text += std::string("\x00\x01n\xc1\x34\x12", 6);                      // a number of 2 bytes
  text += std::string("\x01\x01l\x02\x01" "a\x01" "b", 8);              // a list
  text += std::string("\x04\x01h\x01\x01" "f\x01v", 8);                 // a hash
  text += std::string("\x05\x01z\x01\x01m\0\0\0\0\0\0\xf0\x3f", 14);     // a sorted set
  text += std::string("\x12\x01q\x01\x02\x03xyz", 9);                   // a quicklist
  text += std::string("\x00\x01s", 3);
  text += value;
  return of(text + std::string("\xff\0\0\0\0\0\0\0\0", 9));
}

TEST(InnerCompression, RdbWithCompressedStrings_IsFoundAmongKeysOfAllKinds) {
  EXPECT_EQ(how(rdb(std::string("\xc3\x05\x40\x64" "abcde", 9))), "an RDB with LZF");
  EXPECT_EQ(how(rdb("\x03" "abc")), "");
  EXPECT_EQ(how(of("REDIS0011")), "");
}

TEST(InnerCompression, DamagedRdbs_NeverFail) {
  SeededRandom random(9);
  const Bytes good = rdb("\x03" "abc");
  for (int round = 0; round < 5'000; ++round) {
    Bytes bad = good;
    for (int i = 0; i < 3; ++i) bad[9 + random.next_below(bad.size() - 9)] = static_cast<std::uint8_t>(random.next());
    bad.resize(9 + random.next_below(bad.size() - 9));
    EXPECT_FALSE(how(bad).starts_with("error")) << round;
  }
}

}  // namespace
}  // namespace holdfast
