// SPDX-License-Identifier: Apache-2.0
#include "tools/session.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/repo/repository_fixture.h"
#include "tests/support/capture.h"
#include "tests/support/temp_folder.h"

namespace holdfast {
namespace {

using ::testing::HasSubstr;
using testing::Capture;
using testing::Machine;
using testing::two_sites;

class Commands : public ::testing::Test {
 protected:
  void SetUp() override {
    machine_.init();
    ASSERT_TRUE(machine_.open().create_database("orders", {}, kDatabaseOwner, kDatabaseOwner).has_value());
  }
  /// As another process asks the owner for it.
  int ask(const std::vector<std::string>& arguments, unsigned uid) {
    const Parsed parsed = parse_command_line(arguments);
    EXPECT_TRUE(parsed.invocation) << parsed.text;
    Io io;
    io.out = out_.descriptor();
    io.err = err_.descriptor();
    io.json = parsed.invocation->json;
    io.remote = true;
    io.uid = uid;
    Session session{machine_.repository(), config_, *parsed.invocation, io, {}, nullptr};
    return run_in_repository(session);
  }

  static constexpr unsigned kDatabaseOwner = 12'345;
  static constexpr unsigned kStranger = 54'321;
  testing::TempFolder folder_;
  Machine machine_{two_sites()};
  Config config_;
  Capture out_{folder_.path("out")};
  Capture err_{folder_.path("err")};
};

TEST_F(Commands, OfAStranger_LackTheRightToAsk) {
  EXPECT_EQ(ask({"list", "orders", "--json"}, kStranger), 1);
  const auto error = nlohmann::json::parse(err_.text()).at("error");
  EXPECT_EQ(error.at("code"), "permission_denied");
  EXPECT_THAT(error.at("message"), HasSubstr("54321"));
  EXPECT_EQ(out_.text(), "");
}

TEST_F(Commands, OfWhoOwnsADatabase_AreThoseThatItsBackupsNeed) {
  EXPECT_EQ(ask({"list", "orders", "--json"}, kDatabaseOwner), 0);
  EXPECT_EQ(ask({"status", "--json"}, kDatabaseOwner), 1);
}

TEST(ExitCodes, OfRightsAndOfForeignSignatures_Differ) {
  EXPECT_EQ(exit_code_of(Error(ErrorCode::kPermissionDenied, "")), ExitCode::kFailed);
  EXPECT_EQ(opening_exit_code(Error(ErrorCode::kPermissionDenied, "")), ExitCode::kFailed);
  EXPECT_EQ(exit_code_of(Error(ErrorCode::kUntrusted, "")), ExitCode::kIntegrity);
  EXPECT_EQ(opening_exit_code(Error(ErrorCode::kUntrusted, "")), ExitCode::kIntegrity);
}

}  // namespace
}  // namespace holdfast
