// SPDX-License-Identifier: Apache-2.0
#include "tests/complete/archive_writer.h"
#include "tests/complete/dump_files.h"

namespace holdfast {
namespace {

using namespace testing;  // NOLINT: the helpers of this folder

TEST(PgArchive, CustomOfEveryVersion_OnlyWholeIsComplete) {
  for (int minor = 10; minor <= 16; ++minor) {
    for (const std::uint8_t int_size : {std::uint8_t{4}, std::uint8_t{8}}) {
      ArchiveWriter archive(minor, 1, int_size);
      archive.header(3);
      archive.entry(1, false, "TABLE", "");
      archive.entry(2, true, "TABLE DATA", "");
      archive.entry(3, true, "TABLE DATA", "");
      archive.block(3, "rows of three");
      archive.block(2, "rows of two");
      expect_only_whole_complete(archive.bytes, "custom 1." + std::to_string(minor));
      ArchiveWriter again = archive;
      again.block(2, "twice");
      EXPECT_EQ(judge(again.bytes).completeness, Completeness::kIncomplete);
    }
  }
}

/// With the offsets that pg_dump writes into the table of contents of a file when it has written all data.
Bytes archive_with_offsets(const std::string& rows, std::uint64_t first_offset, std::uint64_t second_offset) {
  ArchiveWriter archive(14, 1);
  archive.header(2);
  archive.entry(1, true, "TABLE DATA", "", "", first_offset);
  archive.entry(2, true, "TABLE DATA", "", "", second_offset);
  archive.block(1, rows);
  archive.block(2, "few rows");
  return archive.bytes;
}

TEST(PgArchive, CustomWithOffsets_ReadsOnlyTheLastBlock) {
  const std::string rows(3'000'000, 'r');
  const std::size_t few_bytes = 1 + 5 + 5 + 8 + 5;  // type, id, size, rows, end
  const std::size_t size = archive_with_offsets(rows, 1, 1).size();
  const std::uint64_t second = size - few_bytes;
  const std::uint64_t first_block = second - (1 + 5 + 5 + rows.size() + 5);
  const Bytes whole = archive_with_offsets(rows, first_block, second);
  ASSERT_EQ(whole.size(), size);
  MemoryFile file(whole);
  EXPECT_EQ(check_completeness({"dump", file, nullptr})->completeness, Completeness::kComplete);
  EXPECT_LT(file.read_bytes, 300'000U);
  for (const std::size_t cut : {size - 1, second + 1, second, second - 1, std::size_t{1'000'000}, std::size_t{first_block}}) {
    EXPECT_EQ(judge(first(whole, cut)).completeness, Completeness::kIncomplete) << cut;
  }
  EXPECT_EQ(judge(archive_with_offsets(rows, first_block, second - 1)).completeness, Completeness::kIncomplete);
  EXPECT_EQ(judge(archive_with_offsets(rows, second, first_block)).completeness, Completeness::kIncomplete);
}

TEST(PgArchive, UnknownVersionsAndFormats_AreUnchecked) {
  for (const int minor : {9, 17, 200}) {
    ArchiveWriter archive(minor, 1);
    archive.header(0);
    EXPECT_EQ(judge(archive.bytes).completeness, Completeness::kUnchecked) << minor;
  }
  ArchiveWriter null_format(14, 4);
  null_format.header(0);
  EXPECT_EQ(judge(null_format.bytes).completeness, Completeness::kUnchecked);
}

TEST(PgArchive, DamagedNumbers_AreIncomplete) {
  ArchiveWriter negative(14, 1);
  negative.header(-1);
  EXPECT_EQ(judge(negative.bytes).completeness, Completeness::kIncomplete);
  ArchiveWriter absurd(14, 1);
  absurd.header(2'000'000'000);
  EXPECT_EQ(judge(absurd.bytes).completeness, Completeness::kIncomplete);
  ArchiveWriter wide(14, 1, 33);
  wide.header(0);
  EXPECT_EQ(judge(wide.bytes).completeness, Completeness::kIncomplete);
}

TEST(PgArchive, LargeObjectLists17_MissingObjectsAreFound) {
  ArchiveWriter toc(16, 3);  // what toc.dat calls itself
  toc.header(3);
  toc.entry(1, false, "BLOB METADATA", "", "16384\n16385\n");
  toc.entry(2, true, "BLOBS", "blobs_2.toc");
  toc.entry(3, true, "TABLE DATA", "3.dat");
  const Bytes lz4_end{0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x00, 0, 0, 0, 0};
  Folder folder{{"toc.dat", toc.bytes},
                {"blobs_2.toc", bytes_of("16384 blob_16384.dat\n16385 blob_16385.dat\n")},
                {"blob_16384.dat.lz4", lz4_end},
                {"blob_16385.dat.lz4", lz4_end},
                {"3.dat", bytes_of("1\tone\n\\.\n\n\n")}};
  EXPECT_EQ(judge_folder(folder).completeness, Completeness::kComplete) << judge_folder(folder).reason;
  Folder fewer = folder;
  fewer["blobs_2.toc"] = bytes_of("16384 blob_16384.dat\n");
  EXPECT_EQ(judge_folder(fewer).completeness, Completeness::kIncomplete);
  EXPECT_NE(judge_folder(fewer).reason.find("16385"), std::string::npos);
  Folder outside = folder;
  outside["blobs_2.toc"] = bytes_of("16384 ../blob_16384.dat\n16385 blob_16385.dat\n");
  EXPECT_EQ(judge_folder(outside).completeness, Completeness::kIncomplete);
}

TEST(PlainDump, RestrictedMode_EndsWithTheSameToken) {
  // As pg_dump writes it since the releases of August 2025.
  const std::string head = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abcDEF123\n\n-- Dumped from ...\n";
  const std::string tail = "--\n-- PostgreSQL database dump complete\n--\n\n";
  const std::string whole = head + "SELECT 1;\n\n" + tail + "\\unrestrict abcDEF123\n\n";
  for (std::size_t cut = 8; cut < whole.size(); ++cut) {
    EXPECT_EQ(judge(bytes_of(whole.substr(0, cut))).completeness, Completeness::kIncomplete) << cut;
  }
  EXPECT_EQ(judge(bytes_of(whole)).completeness, Completeness::kComplete);
  // The end of another dump, appended to this one: never better than unchecked.
  EXPECT_EQ(judge(bytes_of(head + tail + "\\unrestrict other\n\n")).completeness, Completeness::kUnchecked);
  std::string windows;
  for (const char letter : whole) windows += letter == '\n' ? std::string("\r\n") : std::string(1, letter);
  EXPECT_EQ(judge(bytes_of(windows)).completeness, Completeness::kComplete);
}

}  // namespace
}  // namespace holdfast
