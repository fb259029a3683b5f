// SPDX-License-Identifier: Apache-2.0
#include "fs/errno_map.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "core/live/live_error.h"

namespace holdfast::fs {
namespace {

TEST(ErrnoMap, NameRefusals_HaveTheirOwnErrno) {
  const std::pair<NameRefusal, int> cases[] = {
      {NameRefusal::kNotDirectory, ENOTDIR}, {NameRefusal::kIsDirectory, EISDIR},     {NameRefusal::kNotEmpty, ENOTEMPTY},
      {NameRefusal::kTooManyLinks, EMLINK},  {NameRefusal::kNameTooLong, ENAMETOOLONG}, {NameRefusal::kIntoItself, EINVAL},
      {NameRefusal::kNoAttribute, ENODATA},  {NameRefusal::kAttributeSize, ENOSPC},   {NameRefusal::kFileTooBig, EFBIG},
      {NameRefusal::kNotPermitted, EPERM}};
  for (const auto& [refusal, number] : cases) EXPECT_EQ(errno_of(name_error(refusal, "x")), number) << number;
}

TEST(ErrnoMap, DamageAndAbsenceOnNetworks_ReadAsEio_AndAreLogged) {
  for (const ErrorCode code : {ErrorCode::kCorrupt, ErrorCode::kUnavailable, ErrorCode::kDeadlineExceeded, ErrorCode::kInternal}) {
    EXPECT_EQ(errno_of(Error(code, "x")), EIO);
    EXPECT_TRUE(is_worth_logging(Error(code, "x")));
  }
}

TEST(ErrnoMap, OrdinaryAnswers_AreNotLogged) {
  EXPECT_EQ(errno_of(Error(ErrorCode::kNotFound, "x")), ENOENT);
  EXPECT_EQ(errno_of(Error(ErrorCode::kAlreadyExists, "x")), EEXIST);
  EXPECT_EQ(errno_of(Error(ErrorCode::kCancelled, "x")), EINTR);
  EXPECT_EQ(errno_of(Error(ErrorCode::kOutOfRange, "x")), ENXIO);
  EXPECT_FALSE(is_worth_logging(Error(ErrorCode::kNotFound, "x")));
  EXPECT_FALSE(is_worth_logging(Error(ErrorCode::kCancelled, "x")));
}

TEST(ErrnoMap, FullStaging_IsEnospc_AndLogged) {
  EXPECT_EQ(errno_of(Error(ErrorCode::kNoSpace, "x")), ENOSPC);
  EXPECT_TRUE(is_worth_logging(Error(ErrorCode::kNoSpace, "x")));
}

}  // namespace
}  // namespace holdfast::fs
