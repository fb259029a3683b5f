// SPDX-License-Identifier: Apache-2.0
// Whom a database and the state folder belong to.
#include <pwd.h>
#include <sys/stat.h>

#include "tests/repo/repository_fixture.h"
#include "tests/support/not_tested.h"

namespace holdfast {
namespace {

using testing::Machine;
using testing::two_sites;

LiveAttributes root_of(Repository& repository, const std::string& database) {
  const auto live = repository.live(database);
  EXPECT_TRUE(live.has_value());
  const auto root = (*live)->attributes(LiveTree::kRootIno, CallContext::unbounded());
  EXPECT_TRUE(root.has_value());
  return *root;
}

class Owner : public ::testing::Test {
 protected:
  void SetUp() override {
    const passwd* user = ::getpwnam("nobody");
    if (user == nullptr) HOLDFAST_NOT_TESTED << "this machine has no user nobody";
    uid_ = user->pw_uid;
    gid_ = user->pw_gid;
    machine_.init();
  }
  Machine machine_{two_sites()};
  std::uint32_t uid_ = 0;
  std::uint32_t gid_ = 0;
};

TEST_F(Owner, NamedInThePolicy_OwnsTheNewDatabase) {
  Repository& repository = machine_.open();
  DatabasePolicy policy;
  policy.owner = "nobody";
  policy.mode = 0750;
  ASSERT_TRUE(repository.create_database("orders", policy, 1, 1));
  EXPECT_EQ(root_of(repository, "orders").uid, uid_);
  EXPECT_EQ(root_of(repository, "orders").gid, gid_);
  EXPECT_EQ(root_of(repository, "orders").mode & 07777U, 0750U);
}

TEST_F(Owner, AndModeOfAChangedPolicy_ReachTheFolder_AndLast) {
  {
    Repository& repository = machine_.open();
    ASSERT_TRUE(repository.create_database("orders", {}, 1, 1));
    DatabasePolicy policy;
    policy.owner = "nobody";
    policy.mode = 0755;
    ASSERT_TRUE(repository.set_policy("orders", policy));
    machine_.close();
  }
  Repository& repository = machine_.open();
  EXPECT_EQ(root_of(repository, "orders").uid, uid_);
  EXPECT_EQ(root_of(repository, "orders").mode & 07777U, 0755U);
}

TEST_F(Owner, UnknownHere_ChangesNothing) {
  Repository& repository = machine_.open();
  DatabasePolicy policy;
  policy.owner = "nobody-of-this-name";
  ASSERT_TRUE(repository.create_database("orders", policy, 1, 2));
  EXPECT_EQ(root_of(repository, "orders").uid, 1U);
  EXPECT_EQ(root_of(repository, "orders").gid, 2U);
}

TEST_F(Owner, OthersReachTheSocketInTheStateFolder_AndSeeNoNames) {
  struct stat info {};
  ASSERT_EQ(::stat(machine_.state().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0711U);
  for (const auto& entry : std::filesystem::directory_iterator(machine_.state())) {
    ASSERT_EQ(::lstat(entry.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0077U, 0U) << entry.path();
  }
}

}  // namespace
}  // namespace holdfast
