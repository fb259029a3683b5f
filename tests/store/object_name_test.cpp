// SPDX-License-Identifier: Apache-2.0
#include "core/store/object_name.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(ObjectName, WhatThePortAllows_Passes) {
  for (const std::string_view name : {"a", "packs/00ff", "meta/a-b-9", "key-tables"}) {
    EXPECT_TRUE(validate_object_name(name)) << name;
  }
  EXPECT_TRUE(validate_object_name(std::string(200, 'a')));
}

TEST(ObjectName, AnythingElse_IsRefusedWithoutRawBytesInTheMessage) {
  for (const std::string_view name :
       {"", "/", "/a", "a/", "a/b/c", "..", "a/..", ".", "A", "a b", "a\n", "heads", "heads/1", "packs/\x1b[2J", "a\\b"}) {
    const Status status = validate_object_name(name);
    ASSERT_FALSE(status) << name;
    EXPECT_EQ(status.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(status.error().message().find('\x1b'), std::string::npos);
  }
  EXPECT_FALSE(validate_object_name(std::string(201, 'a')));
}

}  // namespace
}  // namespace holdfast
