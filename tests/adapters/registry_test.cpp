// SPDX-License-Identifier: Apache-2.0
#include "adapters/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temporary_folder.h"

namespace holdfast {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Registry, TypeDefaultsToTheName) {
  const testing::TemporaryFolder folder;
  const auto store = make_store({.name = "local", .type = "", .values = {{"path", folder / "store"}}, .lists = {}});
  ASSERT_TRUE(store) << store.error().message();
  EXPECT_EQ((*store)->traits().type, "local");
  EXPECT_EQ((*store)->traits().site, "this-host");
}

TEST(Registry, TwoOfOneType_KeepTheirNamesAndSites) {
  const testing::TemporaryFolder folder;
  const auto store = make_store({.name = "nas",
                                 .type = "local",
                                 .values = {{"path", folder / "nas"}, {"site", "cellar"}, {"jurisdiction", "EU"}},
                                 .lists = {}});
  ASSERT_TRUE(store);
  EXPECT_EQ((*store)->traits().name, "nas");
  EXPECT_EQ((*store)->traits().site, "cellar");
  EXPECT_EQ((*store)->traits().jurisdiction, "EU");
}

TEST(Registry, UnknownKey_NamesTheNearestKnownOne) {
  const auto store = make_store({.name = "local", .type = "", .values = {{"pth", "/x"}}, .lists = {}});
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(store.error().message(), HasSubstr("'pth': did you mean 'path'"));
}

TEST(Registry, UnknownType_NamesTheKnownOnes) {
  const auto store = make_store({.name = "floppy", .type = "", .values = {}, .lists = {}});
  ASSERT_FALSE(store);
  EXPECT_THAT(store.error().message(), HasSubstr("ipfs, local, memory, sia"));
}

TEST(Registry, ListWhereAValueBelongs_IsRefused) {
  const auto store = make_store({.name = "local", .type = "", .values = {}, .lists = {{"path", {"/x"}}}});
  ASSERT_FALSE(store);
  EXPECT_THAT(store.error().message(), HasSubstr("not a list"));
}

TEST(Registry, MissingPath_IsSaid) {
  const auto store = make_store({.name = "local", .type = "", .values = {}, .lists = {}});
  ASSERT_FALSE(store);
  EXPECT_THAT(store.error().message(), HasSubstr("needs a path"));
}

TEST(Registry, Sia_TakesItsPasswordFromAFile) {
  const testing::TemporaryFolder folder;
  std::ofstream(folder / "password") << "hunter2\n";
  const auto store = make_store({.name = "sia",
                                 .type = "",
                                 .values = {{"api", "http://10.0.0.1:9980"}, {"password_file", folder / "password"}, {"bucket", "backups"}, {"min_shards", "10"}, {"total_shards", "30"}},
                                 .lists = {}});
  ASSERT_TRUE(store) << store.error().message();
  EXPECT_EQ((*store)->traits().type, "sia");
  EXPECT_EQ((*store)->traits().site, "http://10.0.0.1:9980");
  EXPECT_GT((*store)->traits().object_size_liked_bytes, 0U);
}

TEST(Registry, Sia_RefusesNumbersThatAreNone) {
  for (const char* text : {"ten", "-1", "0", "256", "2.5", "", "10 "}) {
    const auto store = make_store({.name = "sia", .type = "", .values = {{"password", "hunter2"}, {"min_shards", text}, {"total_shards", "30"}}, .lists = {}});
    ASSERT_FALSE(store) << text;
    EXPECT_EQ(store.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(store.error().message(), HasSubstr("min_shards is 1 to 255"));
    EXPECT_THAT(store.error().message(), Not(HasSubstr("hunter2")));
  }
}

}  // namespace
}  // namespace holdfast
