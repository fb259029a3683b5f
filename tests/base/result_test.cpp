// SPDX-License-Identifier: Apache-2.0
#include "core/base/result.h"

#include <gtest/gtest.h>

#include "core/base/bytes.h"

namespace holdfast {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return Error(ErrorCode::kInvalidArgument, "an odd number");
  return value / 2;
}

Result<int> quarter(int value) {
  HOLDFAST_ASSIGN(const int halved, half(value));
  return half(halved);
}

TEST(Result, Assign_PassesValuesAndErrorsOn) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(quarter(6).error().code(), ErrorCode::kInvalidArgument);
}

TEST(Result, KeepFirst_LaterErrorDoesNotHideTheEarlierOne) {
  Status status;
  status.keep_first(Error(ErrorCode::kCorrupt, "first"));
  status.keep_first(Error(ErrorCode::kNoSpace, "second"));
  status.keep_first(ok_status());
  EXPECT_EQ(status.error().message(), "first");
}

TEST(Hex, RoundTrip_AndRefusals) {
  EXPECT_EQ(to_hex(*from_hex("00fFa1")), "00ffa1");
  EXPECT_FALSE(from_hex("0"));
  EXPECT_FALSE(from_hex("0g"));
}

}  // namespace
}  // namespace holdfast
