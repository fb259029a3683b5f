// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cstdlib>

#include "tests/complete/dump_files.h"
#include "tests/support/not_tested.h"

namespace holdfast {
namespace {

using namespace testing;  // NOLINT: the helpers of this folder

const std::string kPrograms = "/usr/lib/postgresql/15/bin/";  // where Debian's package has them

constexpr const char* kFill = R"(
CREATE TABLE people (id int PRIMARY KEY, name text, note text, balance numeric);
INSERT INTO people SELECT i, 'name ' || i, repeat(md5(i::text), 4) || E'\n--\n\\.\t', i * 1.5 FROM generate_series(1, 900) i;
CREATE TABLE nothing (id int);
CREATE TABLE pairs (a int, b text);
INSERT INTO pairs SELECT i, md5((i * 7)::text) FROM generate_series(1, 1500) i;
CREATE VIEW rich AS SELECT * FROM people WHERE balance > 700;
CREATE FUNCTION twice(i int) RETURNS int LANGUAGE sql AS 'SELECT i * 2';
SELECT lo_from_bytea(0, decode(repeat('00ff10', 4000), 'hex'));
SELECT lo_from_bytea(0, decode(repeat('abcd', 300), 'hex'));
SELECT lo_from_bytea(0, '');
)";

/// A real server of PostgreSQL 15 on a socket in a folder of its own, for all tests of this file.
class PostgresDump : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!std::filesystem::exists(kPrograms + "initdb")) return;
    char pattern[] = "/tmp/holdfast-pg-XXXXXX";
    if (mkdtemp(pattern) == nullptr) return;
    folder_ = pattern;
    if (geteuid() == 0 && std::system(("chown postgres " + folder_).c_str()) != 0) return;
    std::ofstream(folder_ + "/fill.sql") << kFill;
    started_ = as_postgres(kPrograms + "initdb -A trust -N -D " + folder_ + "/data") &&
               as_postgres(kPrograms + "pg_ctl -w -D " + folder_ + "/data -l " + folder_ + "/log -o '-c listen_addresses= -c fsync=off -k " + folder_ + "' start") &&
               as_postgres("createdb -h " + folder_ + " shop") && as_postgres("createdb -h " + folder_ + " empty") &&
               as_postgres("psql -q -v ON_ERROR_STOP=1 -h " + folder_ + " -f " + folder_ + "/fill.sql shop");
  }
  static void TearDownTestSuite() {
    if (folder_.empty()) return;
    (void)as_postgres(kPrograms + "pg_ctl -m immediate -D " + folder_ + "/data stop");
    std::filesystem::remove_all(folder_);
  }
  void SetUp() override {
    if (!started_) HOLDFAST_NOT_TESTED << "no PostgreSQL 15 server could be started (" << folder_ << ")";
  }

  static bool as_postgres(const std::string& command) {
    const std::string user = geteuid() == 0 ? "setpriv --reuid=postgres --regid=postgres --clear-groups " : "";
    const std::string quiet = "cd " + folder_ + " && " + user + "sh -c \"" + command + "\" >" + folder_ + "/output 2>&1";
    if (std::system(quiet.c_str()) == 0) return true;
    const Bytes output = read_file(folder_ + "/output");
    std::cerr << command << ": " << as_text(output) << "\n";
    return false;
  }
  /// What `command` writes to the file that stands for %.
  static Bytes dumped(std::string command) {
    const std::string path = folder_ + "/dump";
    std::filesystem::remove(path);
    command.replace(command.find('%'), 1, path);
    EXPECT_TRUE(as_postgres(command));
    return read_file(path);
  }
  static Folder dumped_folder(const std::string& options) {
    const std::string path = folder_ + "/folder";
    std::filesystem::remove_all(path);
    EXPECT_TRUE(as_postgres("pg_dump -h " + folder_ + " -Fd " + options + " -f " + path + " shop"));
    return read_folder(path);
  }
  static std::string host() { return " -h " + folder_ + " "; }

 private:
  static inline std::string folder_;
  static inline bool started_ = false;
};

TEST_F(PostgresDump, Plain_OnlyWholeIsComplete) {
  for (const std::string options : {"", "--inserts", "-C --clean --if-exists", "-v", "-s", "-a", "-b --no-owner"}) {
    const Bytes dump = dumped("pg_dump" + host() + options + " -f % shop");
    expect_only_whole_complete(dump, "pg_dump " + options);
    EXPECT_EQ(judge(dump).type, "pg_dump plain");
  }
  expect_only_whole_complete(dumped("pg_dump" + host() + "-f % empty"), "pg_dump of an empty database");
  expect_only_whole_complete(dumped("pg_dump" + host() + "shop | cat > %"), "pg_dump to a pipe");
}

TEST_F(PostgresDump, Cluster_OnlyWholeIsCompleteAndEachDatabasesEndIsNot) {
  for (const std::string options : {"", "-g", "-v"}) {
    const Bytes dump = dumped("pg_dumpall" + host() + options + " -f %");
    expect_only_whole_complete(dump, "pg_dumpall " + options);
    EXPECT_EQ(judge(dump).type, "pg_dumpall");
  }
  const Bytes dump = dumped("pg_dumpall" + host() + "-f %");
  const std::string_view text = as_text(dump);
  const std::string_view comment = "-- PostgreSQL database dump complete\n--\n\n";
  int ends = 0;
  for (std::size_t at = text.find(comment); at != std::string_view::npos; at = text.find(comment, at + 1)) {
    for (std::size_t more : {0U, 1U, 2U, 40U, 60U, 90U}) {
      EXPECT_EQ(judge(first(dump, at + comment.size() + more)).completeness, Completeness::kIncomplete);
    }
    ++ends;
  }
  EXPECT_GE(ends, 2);
}

TEST_F(PostgresDump, Custom_OnlyWholeIsComplete) {
  for (const std::string options : {"", "-Z0", "-Z9", "-s", "-a", "--no-blobs", "-Z0 --inserts", "--section=pre-data", "--section=data"}) {
    const Bytes dump = dumped("pg_dump" + host() + "-Fc " + options + " -f % shop");
    expect_only_whole_complete(dump, "pg_dump -Fc " + options);
    EXPECT_EQ(judge(dump).type, "pg_dump custom");
  }
  expect_only_whole_complete(dumped("pg_dump" + host() + "-Fc -f % empty"), "pg_dump -Fc of an empty database");
}

TEST_F(PostgresDump, CustomThroughAPipe_OnlyWholeIsComplete) {
  // No offsets in the table of contents: every block is walked, and one that is missing is found.
  for (const std::string options : {"", "-Z0", "-a"}) {
    expect_only_whole_complete(dumped("pg_dump" + host() + "-Fc " + options + " shop | cat > %"), "pg_dump -Fc to a pipe " + options);
  }
}

TEST_F(PostgresDump, CustomWithBytesAfterItsEnd_IsIncomplete) {
  Bytes dump = dumped("pg_dump" + host() + "-Fc -f % shop");
  dump.push_back(0);
  EXPECT_EQ(judge(dump).completeness, Completeness::kIncomplete);
}

void expect_only_whole_folder_complete(const Folder& whole, const std::string& what) {
  const CompletenessVerdict good = judge_folder(whole);
  EXPECT_EQ(good.completeness, Completeness::kComplete) << what << ": " << good.reason;
  EXPECT_EQ(good.type, "pg_dump directory");
  EXPECT_TRUE(good.depends_on_siblings);
  for (const auto& [name, bytes] : whole) {
    Folder damaged = whole;
    if (name != "toc.dat") {
      damaged.erase(name);
      EXPECT_EQ(judge_folder(damaged).completeness, Completeness::kIncomplete) << what << " without " << name;
    }
    for (const std::size_t cut : cuts(bytes.size(), 40, 2'003)) {
      damaged[name] = first(bytes, cut);
      const CompletenessVerdict bad = judge_folder(damaged);
      ASSERT_NE(bad.completeness, Completeness::kComplete) << what << ", " << name << " cut to " << cut << " of " << bytes.size();
    }
  }
}

TEST_F(PostgresDump, Directory_OnlyWholeIsComplete) {
  for (const std::string options : {"", "-j2", "-s", "--no-blobs -Z0", "--no-blobs -Z0 -j2", "--no-blobs -Z0 --inserts", "--no-blobs -Z0 -a", "--inserts"}) {
    expect_only_whole_folder_complete(dumped_folder(options), "pg_dump -Fd " + options);
  }
}

TEST_F(PostgresDump, DirectoryWithUncompressedLargeObjects_IsNeverComplete) {
  const Folder whole = dumped_folder("-Z0");
  EXPECT_EQ(judge_folder(whole).completeness, Completeness::kUnchecked);
  EXPECT_THAT(judge_folder(whole).reason,
              ::testing::HasSubstr("all large objects are there and in their list, but 3 are not compressed"));
  for (const std::string options : {"-Z0 -a", "-Z0 --section=data", "-Z0 -j2", "-Z0 -b -t people"}) {
    EXPECT_EQ(judge_folder(dumped_folder(options)).completeness, Completeness::kUnchecked)
        << options << ": " << judge_folder(dumped_folder(options)).reason;
  }
  for (const auto& [name, bytes] : whole) {
    Folder damaged = whole;
    if (name == "toc.dat") continue;
    damaged.erase(name);
    EXPECT_EQ(judge_folder(damaged).completeness, Completeness::kIncomplete) << name;
  }
  Folder fewer_objects = whole;
  Bytes& list = fewer_objects.at("blobs.toc");
  list = first(list, as_text(list).find('\n') + 1);
  EXPECT_EQ(judge_folder(fewer_objects).completeness, Completeness::kIncomplete);
}

TEST_F(PostgresDump, ListOfLargeObjectsThatIsNotThisDumps_IsIncomplete) {
  for (const std::string options : {"", "-Z0"}) {
    const Folder whole = dumped_folder(options);
    const std::string list(as_text(whole.at("blobs.toc")));
    const std::string first_line = list.substr(0, list.find('\n') + 1);
    const std::string oid = first_line.substr(0, first_line.find(' '));
    const std::string suffix = options.empty() ? ".gz" : "";
    const auto judged_with = [&](const std::string& text) {
      Folder changed = whole;
      changed["blobs.toc"] = bytes_of(text);
      changed["blob_1.dat" + suffix] = whole.at("blob_" + oid + ".dat" + suffix);
      return judge_folder(changed);
    };
    EXPECT_NE(judged_with(list).completeness, Completeness::kIncomplete) << judged_with(list).reason;
    EXPECT_THAT(judged_with(list + "1 blob_1.dat\n").reason,
                ::testing::HasSubstr("large object 1, of which the table of contents knows nothing"));
    EXPECT_THAT(judged_with(list + first_line).reason, ::testing::HasSubstr("large object " + oid + " twice"));
    EXPECT_THAT(judged_with(oid + " blob_1.dat\n" + list.substr(first_line.size())).reason,
                ::testing::HasSubstr("names no large object"));
    EXPECT_THAT(judged_with("x blob_x.dat\n" + list).reason, ::testing::HasSubstr("names no large object"));
    for (const std::string& bad :
         {list + "1 blob_1.dat\n", list + first_line, oid + " blob_1.dat\n", "\n" + list, list + oid}) {
      EXPECT_EQ(judged_with(bad).completeness, Completeness::kIncomplete) << bad;
    }
  }
}

TEST_F(PostgresDump, DirectoryAlone_IsUnchecked) {
  const CompletenessVerdict verdict = judge(dumped_folder("")["toc.dat"]);
  EXPECT_EQ(verdict.completeness, Completeness::kUnchecked);
  EXPECT_TRUE(verdict.depends_on_siblings);
}

TEST_F(PostgresDump, DirectoryWithZstdAndLz4_OnlyWholeIsComplete) {
  // PostgreSQL 16 writes such folders; the table of contents names the files in the same way.
  Folder whole = dumped_folder("--no-blobs -Z0");
  Folder zstd{{"toc.dat", whole["toc.dat"]}};
  Folder lz4 = zstd;
  for (const auto& [name, bytes] : whole) {
    if (name == "toc.dat") continue;
    Bytes out(ZSTD_compressBound(bytes.size()));
    out.resize(ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 1));
    zstd[name + ".zst"] = out;
    // An LZ4 frame of one uncompressed block, with a content checksum (not verified).
    Bytes& frame = lz4[name + ".lz4"];
    frame = {0x04, 0x22, 0x4d, 0x18, 0x64, 0x70, 0x00};
    for (unsigned shift = 0; shift < 32; shift += 8) frame.push_back(static_cast<std::uint8_t>((bytes.size() | 0x80000000U) >> shift));
    append(frame, bytes);
    frame.insert(frame.end(), 8, 0);
  }
  expect_only_whole_folder_complete(zstd, "zstd");
  expect_only_whole_folder_complete(lz4, "lz4");
}

TEST_F(PostgresDump, CutOffBehindACompressor_IsIncomplete) {
  // `pg_dump | gzip > file` ends well when pg_dump was killed: the stream is whole, the dump is not.
  const Bytes dump = dumped("pg_dump" + host() + "-f % shop");
  const auto gzip = [](const Bytes& plain) {
    z_stream stream{};
    EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
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
  };
  const auto zstd = [](const Bytes& plain) {
    Bytes out(ZSTD_compressBound(plain.size()));
    out.resize(ZSTD_compress(out.data(), out.size(), plain.data(), plain.size(), 3));
    return out;
  };
  expect_only_whole_complete(gzip(dump), "gzip");
  expect_only_whole_complete(zstd(dump), "zstd");
  for (const std::size_t cut : cuts(dump.size(), 60, 9'001)) {
    if (cut < 100) continue;
    EXPECT_EQ(judge(gzip(first(dump, cut))).completeness, Completeness::kIncomplete) << cut;
    EXPECT_EQ(judge(zstd(first(dump, cut))).completeness, Completeness::kIncomplete) << cut;
  }
}

}  // namespace
}  // namespace holdfast
