// SPDX-License-Identifier: Apache-2.0
#include "core/live/live_error.h"

namespace holdfast {
namespace {

// Details of other modules may be small numbers too: ours stand apart.
constexpr std::uint8_t kDetailBase = 0x40;

ErrorCode code_of(NameRefusal refusal) {
  switch (refusal) {
    case NameRefusal::kNotEmpty: return ErrorCode::kAlreadyExists;
    case NameRefusal::kNoAttribute: return ErrorCode::kNotFound;
    case NameRefusal::kAttributeSize: return ErrorCode::kNoSpace;
    case NameRefusal::kNone:
    case NameRefusal::kNotDirectory:
    case NameRefusal::kIsDirectory:
    case NameRefusal::kTooManyLinks:
    case NameRefusal::kNameTooLong:
    case NameRefusal::kIntoItself:
    case NameRefusal::kFileTooBig:
    case NameRefusal::kNotPermitted: return ErrorCode::kInvalidArgument;
  }
  return ErrorCode::kInvalidArgument;
}

}  // namespace

Error name_error(NameRefusal refusal, std::string message) {
  return Error(code_of(refusal), std::move(message)).with_detail(static_cast<std::uint8_t>(kDetailBase + static_cast<std::uint8_t>(refusal)));
}

NameRefusal name_refusal(const Error& error) noexcept {
  const std::uint8_t detail = error.detail();
  if (detail <= kDetailBase || detail > kDetailBase + static_cast<std::uint8_t>(NameRefusal::kNotPermitted)) return NameRefusal::kNone;
  return static_cast<NameRefusal>(detail - kDetailBase);
}

}  // namespace holdfast
