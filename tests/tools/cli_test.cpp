// SPDX-License-Identifier: Apache-2.0
#include "tools/cli.h"

#include <gtest/gtest.h>

#include <fstream>
#include <regex>

#include "tests/support/source_folder.h"
#include "tools/mount_command.h"
#include "tools/program.h"
#include "tools/session.h"
#include "tools/units.h"

namespace holdfast {
namespace {

TEST(CommandLine, Commands_TakeTheirOptions) {
  const Parsed parsed = parse_command_line({"snapshot", "orders", "--label", "x", "--tag", "a", "--tag", "b", "--wait", "safe"});
  ASSERT_TRUE(parsed.invocation) << parsed.text;
  EXPECT_EQ(parsed.invocation->command, "snapshot");
  EXPECT_EQ(parsed.invocation->operands, std::vector<std::string>{"orders"});
  EXPECT_EQ(parsed.invocation->tags, (std::vector<std::string>{"a", "b"}));
}

TEST(CommandLine, EverythingBehindDashes_IsTheChilds) {
  const Parsed parsed = parse_command_line({"run", "orders", "--", "pg_dump", "--json", "-f", "x"});
  ASSERT_TRUE(parsed.invocation) << parsed.text;
  EXPECT_FALSE(parsed.invocation->json);
  EXPECT_EQ(parsed.invocation->child, (std::vector<std::string>{"pg_dump", "--json", "-f", "x"}));
}

TEST(CommandLine, SubcommandsOfSubcommands_HaveTwoWords) {
  const Parsed parsed = parse_command_line({"db", "set", "orders", "write_quorum=2"});
  ASSERT_TRUE(parsed.invocation) << parsed.text;
  EXPECT_EQ(parsed.invocation->command, "db set");
}

TEST(CommandLine, MountOptions_DoNotSwallowTheMountPoint) {
  const Parsed parsed = parse_command_line({"mount", "-o", "allow_other,noauto", "/mnt"});
  ASSERT_TRUE(parsed.invocation) << parsed.text;
  EXPECT_EQ(parsed.invocation->operands, std::vector<std::string>{"/mnt"});
  EXPECT_EQ(parsed.invocation->mount_options, (std::vector<std::string>{"allow_other", "noauto"}));
}

TEST(CommandLine, Mistakes_AreUsageErrors) {
  for (const std::vector<std::string>& wrong : std::vector<std::vector<std::string>>{
           {}, {"frobnicate"}, {"snapshot"}, {"snapshot", "a", "--nope"}, {"verify", "--level", "most"}, {"list", "--", "x"}}) {
    const Parsed parsed = parse_command_line(wrong);
    EXPECT_FALSE(parsed.invocation);
    EXPECT_EQ(parsed.exit, 2);
    EXPECT_FALSE(parsed.text.empty());
  }
  EXPECT_EQ(parse_command_line({"--help"}).exit, 0);
}

std::string text_of(const std::string& path) {
  std::ifstream file(testing::source_folder() + "/" + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(CommandNames, AreAllInTheManualAndTheCompletions) {
  const std::string manual = std::regex_replace(text_of("packaging/man/holdfast.1"), std::regex("\\\\-"), "-");
  const std::string completions = text_of("packaging/completions/holdfast");
  ASSERT_FALSE(command_names().empty());
  for (const std::string& name : command_names()) {
    // In bold at the head of a paragraph; and among the words that bash offers.
    EXPECT_TRUE(std::regex_search(manual, std::regex("\n\\.(B|BR) ([^\n]*[ ,\"])?" + name + "([ \"][^\n]*)?\n"))) << name;
    EXPECT_TRUE(std::regex_search(completions, std::regex("local commands='([^']* )?" + name + "( [^']*)?'"))) << name;
  }
}

TEST(MountHelper, FstabLine_BecomesAMountCommand) {
  EXPECT_EQ(mount_helper_arguments({"holdfast", "/mnt/backup", "-o", "rw,allow_other,_netdev", "-t", "fuse.holdfast"}),
            (std::vector<std::string>{"mount", "-o", "rw,allow_other,_netdev", "/mnt/backup"}));
}

TEST(MountOptions, OptionsOfMount8_AreUnderstood_OthersAreRefused) {
  const auto request = parse_mount_options({"rw", "_netdev", "x-systemd.automount", "allow_other", "ro", "read_timeout=5m"});
  ASSERT_TRUE(request);
  EXPECT_TRUE(request->allow_other);
  EXPECT_TRUE(request->read_only);
  EXPECT_EQ(request->read_timeout, std::chrono::minutes(5));
  EXPECT_FALSE(request->writeback_cache.has_value());
  EXPECT_EQ(parse_mount_options({"writeback"})->writeback_cache, true);
  EXPECT_EQ(parse_mount_options({"no_writeback"})->writeback_cache, false);
  EXPECT_FALSE(parse_mount_options({"read_timeout=0"}));
  EXPECT_EQ(parse_mount_options({"rmdir=forget"}).error().code(), ErrorCode::kUnsupported);
  const auto wrong = parse_mount_options({"alow_other"});
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().message().find("did you mean 'allow_other'"), std::string::npos);
}

TEST(SnapshotPath, TimesMayHoldColons) {
  EXPECT_EQ(split_snapshot_path("orders@2026-11-20T12:00Z").path, "");
  EXPECT_EQ(split_snapshot_path("orders@2026-11-20T12:00Z:/a/b/").path, "a/b");
  EXPECT_EQ(split_snapshot_path("orders@2026-11-20T12:00Z:/a/b").snapshot, "orders@2026-11-20T12:00Z");
  EXPECT_EQ(split_snapshot_path("12ab34cd:/x").snapshot, "12ab34cd");
}

TEST(Units, SizesAndDurations) {
  EXPECT_EQ(*parse_size("20GiB"), 20ULL << 30);
  EXPECT_EQ(*parse_size("150GB"), 150'000'000'000ULL);
  EXPECT_EQ(*parse_size("512"), 512U);
  EXPECT_EQ(*parse_duration("10m"), std::chrono::minutes(10));
  EXPECT_EQ(*parse_duration("250ms"), std::chrono::milliseconds(250));
  for (const char* wrong : {"", "GiB", "-1G", "1X", "1e400", "nan"}) EXPECT_FALSE(parse_size(wrong)) << wrong;
  for (const char* wrong : {"", "10 parsecs", "-5s"}) EXPECT_FALSE(parse_duration(wrong)) << wrong;
}

TEST(Units, Times_AreIso8601) {
  EXPECT_EQ(time_text(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(time_text(1'500'000'000), "1970-01-01T00:00:01.5Z");
}

}  // namespace
}  // namespace holdfast
