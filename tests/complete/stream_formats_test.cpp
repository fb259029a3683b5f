// SPDX-License-Identifier: Apache-2.0
#include <zlib.h>
#include <zstd.h>

#include <cstdlib>

#include "core/complete/crc64.h"
#include "core/format/byte_writer.h"
#include "tests/complete/dump_files.h"
#include "tests/support/not_tested.h"
#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {

using namespace testing;  // NOLINT: the helpers of this folder

Bytes gzip(const Bytes& plain, int level = 6) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, level, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
  Bytes out(deflateBound(&stream, plain.size()));
  Bytes input = plain;
  stream.next_in = input.data();
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

Bytes mixed(std::size_t size) {
  SeededRandom random(size);
  Bytes bytes = random.bytes(size / 2);
  bytes.resize(size, 'z');
  return bytes;
}

TEST(Gzip, OnlyWholeIsComplete) {
  expect_only_whole_complete(gzip(mixed(20'000)), "gzip");
  expect_only_whole_complete(gzip(mixed(300'000), 0), "gzip stored");
  EXPECT_EQ(judge(gzip({})).completeness, Completeness::kComplete);
}

TEST(Gzip, MembersAndPadding) {
  Bytes two = gzip(mixed(1'000));
  const std::size_t one_size = two.size();
  append(two, gzip(mixed(3'000)));
  EXPECT_EQ(judge(two).completeness, Completeness::kComplete);
  for (const std::size_t cut : cuts(two.size())) {
    // A file of two members cut to the first is a file of one member: that no format can tell.
    EXPECT_EQ(judge(first(two, cut)).completeness == Completeness::kComplete, cut == one_size) << cut;
  }
  Bytes padded = two;
  padded.resize(padded.size() + 10'000, 0);
  EXPECT_EQ(judge(padded).completeness, Completeness::kComplete);
  padded.back() = 1;
  EXPECT_EQ(judge(padded).completeness, Completeness::kIncomplete);
  Bytes garbage = two;
  append(garbage, as_bytes("garbage"));
  EXPECT_EQ(judge(garbage).completeness, Completeness::kIncomplete);
}

TEST(Gzip, FlippedBits_AreNeverComplete) {
  const Bytes whole = gzip(mixed(5'000));
  for (std::size_t at = 10; at < whole.size(); at += 7) {
    Bytes damaged = whole;
    damaged[at] ^= 0x10U;
    EXPECT_EQ(judge(damaged).completeness, Completeness::kIncomplete) << at;
  }
}

Bytes zstd(const Bytes& plain, bool checksum, bool content_size) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, checksum ? 1 : 0);
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, content_size ? 1 : 0);
  Bytes out(ZSTD_compressBound(plain.size()));
  out.resize(ZSTD_compress2(context, out.data(), out.size(), plain.data(), plain.size()));
  ZSTD_freeCCtx(context);
  return out;
}

TEST(Zstd, EveryHeaderForm_OnlyWholeIsComplete) {
  for (const std::size_t size : {1U, 200U, 70'000U, 600'000U}) {
    for (const bool checksum : {false, true}) {
      for (const bool content_size : {false, true}) expect_only_whole_complete(zstd(mixed(size), checksum, content_size), "zstd " + std::to_string(size));
    }
  }
  expect_only_whole_complete(zstd(Bytes(500'000, 'a'), true, true), "zstd of one byte repeated");
}

TEST(Zstd, SkippableFramesAndGarbage) {
  Bytes frames{0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'a', 'b', 'c'};
  const Bytes skippable = frames;
  append(frames, zstd(mixed(1'000), true, true));
  EXPECT_EQ(judge(zstd(mixed(100), false, true)).completeness, Completeness::kComplete);
  Bytes after = zstd(mixed(1'000), true, true);
  append(after, skippable);
  EXPECT_EQ(judge(after).completeness, Completeness::kComplete);
  after.pop_back();
  EXPECT_EQ(judge(after).completeness, Completeness::kIncomplete);
  Bytes garbage = zstd(mixed(1'000), true, true);
  append(garbage, as_bytes("garbage"));
  EXPECT_EQ(judge(garbage).completeness, Completeness::kIncomplete);
}

TEST(Zstd, BigFrame_IsNotReadWhole) {
  SeededRandom random(5);
  const Bytes frame = zstd(random.bytes(8'000'000), true, true);
  MemoryFile file(frame);
  EXPECT_EQ(check_completeness({"dump", file, nullptr})->completeness, Completeness::kComplete);
  EXPECT_LT(file.read_bytes, frame.size() * 3 / 4);
}

TEST(Crc64, CheckValue_AsPublished) { EXPECT_EQ(crc64_jones(0, as_bytes("123456789")), 0xe9c6d914c4b8d9caU); }

TEST(Crc64, AnySlicing_GivesTheSame) {
  const Bytes bytes = mixed(1'000);
  for (std::size_t cut = 0; cut < 40; ++cut) {
    EXPECT_EQ(crc64_jones(crc64_jones(0, ByteView(bytes).first(cut)), ByteView(bytes).subspan(cut)), crc64_jones(0, bytes));
  }
}

Bytes rdb(std::string_view magic, bool checksum) {
  Bytes file = bytes_of(magic);
  append(file, mixed(5'000));
  file.push_back(0xff);
  ByteWriter(file).u64(checksum ? crc64_jones(0, file) : 0);
  return file;
}

TEST(Rdb, MadeUpFiles) {
  expect_only_whole_complete(rdb("REDIS0011", true), "rdb");
  expect_only_whole_complete(rdb("VALKEY080", true), "rdb of Valkey");
  EXPECT_EQ(judge(rdb("REDIS0011", false)).completeness, Completeness::kUnchecked);
  EXPECT_EQ(judge(rdb("REDIS00x1", true)).completeness, Completeness::kIncomplete);
  Bytes damaged = rdb("REDIS0009", true);
  damaged[1'000] ^= 1U;
  EXPECT_EQ(judge(damaged).completeness, Completeness::kIncomplete);
  Bytes old = bytes_of("REDIS0004");
  append(old, as_bytes("keys\xff"));
  EXPECT_EQ(judge(old).completeness, Completeness::kUnchecked);
  old.pop_back();
  EXPECT_EQ(judge(old).completeness, Completeness::kIncomplete);
}

TEST(Rdb, WrittenByARealServer_OnlyWholeIsComplete) {
  if (!std::filesystem::exists("/usr/bin/redis-server")) HOLDFAST_NOT_TESTED << "no redis-server";
  char pattern[] = "/tmp/holdfast-redis-XXXXXX";
  ASSERT_NE(mkdtemp(pattern), nullptr);
  const std::string folder = pattern;
  const std::string socket = folder + "/socket";
  const std::string start = "redis-server --port 0 --unixsocket " + socket + " --dir " + folder + " --daemonize yes --save '' --loglevel warning --logfile " + folder + "/log";
  ASSERT_EQ(std::system(start.c_str()), 0);
  const std::string client = "redis-cli -s " + socket + " ";
  // A new server's socket may take a moment: the client's own retries wait for it.
  ASSERT_EQ(std::system(("for i in $(seq 100); do " + client + "ping >/dev/null 2>&1 && break; sleep 0.05; done").c_str()), 0);
  ASSERT_EQ(std::system((client + "eval \"for i=1,3000 do redis.call('set','key'..i,string.rep('value'..i,3)) end\" 0 >/dev/null").c_str()), 0);
  ASSERT_EQ(std::system((client + "save >/dev/null").c_str()), 0);
  expect_only_whole_complete(read_file(folder + "/dump.rdb"), "rdb of a server");
  EXPECT_EQ(judge(read_file(folder + "/dump.rdb")).type, "rdb");
  ASSERT_EQ(std::system((client + "config set rdbchecksum no >/dev/null 2>&1; " + client + "shutdown nosave >/dev/null 2>&1").c_str()), 0);
  std::filesystem::remove_all(folder);
}

TEST(Gzip, DumpsWithinThatAreNotLookedInto_AreUnchecked) {
  // `pg_dump -Fc | gzip` ends well when pg_dump was killed.
  Bytes custom = bytes_of("PGDMP\1\16");
  append(custom, mixed(3'000));
  for (const Bytes& inner : {custom, rdb("REDIS0011", true), rdb("VALKEY080", true)}) {
    for (const Bytes& outer : {gzip(inner), zstd(inner, true, true)}) {
      EXPECT_EQ(judge(outer).completeness, Completeness::kUnchecked);
      EXPECT_EQ(judge(first(outer, outer.size() - 1)).completeness, Completeness::kIncomplete);
    }
  }
}

TEST(Lz4, WholeFrame_IsUncheckedAndACutOneIncomplete) {
  Bytes frame{0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x00, 3, 0, 0, 0x80, 'a', 'b', 'c', 0, 0, 0, 0};
  EXPECT_EQ(judge(frame).completeness, Completeness::kUnchecked) << judge(frame).reason;
  frame.pop_back();
  EXPECT_EQ(judge(frame).completeness, Completeness::kIncomplete);
}

TEST(Zstd, WindowBeyondTheDecoder_IsUnchecked) {
  // A frame header with a window of 2^30 bytes, as `zstd --long=30` writes it, and one raw block.
  const Bytes frame{0x28, 0xb5, 0x2f, 0xfd, 0x00, (30 - 10) << 3, 0x19, 0, 0, 'a', 'b', 'c'};
  EXPECT_EQ(judge(frame).completeness, Completeness::kUnchecked) << judge(frame).reason;
}

TEST(Rdb, CommandsBehindIt_AreAnAppendOnlyFile) {
  Bytes file = rdb("REDIS0009", true);
  append(file, as_bytes("*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"));
  MemoryFile aof(file);
  EXPECT_EQ(check_completeness({"appendonly.aof", aof, nullptr})->completeness, Completeness::kUnchecked);
  EXPECT_EQ(judge(file).completeness, Completeness::kIncomplete);
}

Bytes plain(std::string_view kind, std::string_view token) {
  std::string text = "--\n-- PostgreSQL " + std::string(kind) + " dump\n--\n\n";
  if (!token.empty()) text += "\\restrict " + std::string(token) + "\n\n";
  text += "SELECT 1;\n\n--\n-- PostgreSQL " + std::string(kind) + " dump complete\n--\n\n";
  if (!token.empty()) text += "\\unrestrict " + std::string(token) + "\n\n";
  return bytes_of(text);
}

TEST(PlainDump, SeveralInOneFile_AreUncheckedAndACutLastOneIncomplete) {
  const auto joined = [](Bytes first_part, const Bytes& second) {
    append(first_part, second);
    return first_part;
  };
  for (const Bytes& file : {joined(plain("database cluster", ""), plain("database", "")),       // pg_dumpall -g > f; pg_dump >> f
                            joined(plain("database cluster", "a1"), plain("database", "b2")),
                            joined(plain("database", "a1"), plain("database", "b2"))}) {
    EXPECT_EQ(judge(file).completeness, Completeness::kUnchecked) << judge(file).reason;
    for (std::size_t cut = 1; cut < 60; ++cut) EXPECT_EQ(judge(first(file, file.size() - cut)).completeness, Completeness::kIncomplete) << cut;
  }
  // pg_dumpall that ended after one of its databases has no end of its own.
  Bytes all = bytes_of("--\n-- PostgreSQL database cluster dump\n--\n\nCREATE ROLE x;\n\n");
  append(all, plain("database", ""));
  EXPECT_EQ(judge(all).completeness, Completeness::kIncomplete);
}

TEST(Completeness, PartsOfADirectoryDump_AreJudgedByTheirEndOrTheFolder) {
  MemoryFile rows(bytes_of("1\tone\n\\.\n\n\n"));
  EXPECT_EQ(check_completeness({"3012.dat", rows, nullptr})->completeness, Completeness::kComplete);
  EXPECT_EQ(check_completeness({"rows.dat", rows, nullptr})->completeness, Completeness::kUnchecked);
  MemoryFile cut(bytes_of("1\tone\n\\.\n\n"));
  EXPECT_EQ(check_completeness({"3012.dat", cut, nullptr})->completeness, Completeness::kUnchecked);
  MemoryFile list(bytes_of("16384 blob_16384.dat\n"));
  EXPECT_TRUE(check_completeness({"blobs.toc", list, nullptr})->depends_on_siblings);
  EXPECT_FALSE(check_completeness({"notes", list, nullptr})->depends_on_siblings);
}

TEST(Completeness, EmptyAndNamedAsADump_IsIncomplete) {
  MemoryFile empty({});
  for (const std::string_view name : {"orders.sql", "ORDERS.SQL", "a.dump", "a.tar.gz", "dump.rdb"}) {
    EXPECT_EQ(check_completeness({name, empty, nullptr})->completeness, Completeness::kIncomplete) << name;
  }
  for (const std::string_view name : {"sql", ".keep", "a.bson", "appendonly.aof"}) {
    EXPECT_EQ(check_completeness({name, empty, nullptr})->completeness, Completeness::kUnchecked) << name;
  }
}

TEST(Completeness, EmptyAndUnknown_AreUnchecked) {
  for (const std::string_view text : {"", "x", "hello, world\n", "PG", "--", "REDIS", "\x1f", "not a dump, -- PostgreSQL database dump complete\n"}) {
    const CompletenessVerdict verdict = judge(bytes_of(text));
    EXPECT_EQ(verdict.completeness, Completeness::kUnchecked) << text;
    EXPECT_NE(verdict.reason, "");
  }
}

TEST(Completeness, FailingReads_AreErrorsAndNoVerdicts) {
  class Failing final : public RandomBytes {
   public:
    [[nodiscard]] std::uint64_t size() const override { return 1'000; }
    Status read(std::uint64_t, MutableByteView) override { return Error(ErrorCode::kUnavailable, "no network"); }
  } failing;
  EXPECT_EQ(check_completeness({"dump", failing, nullptr}).error().code(), ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace holdfast
