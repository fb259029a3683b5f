// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/base/bytes.h"

/// Pure codecs of the Pinning Service API 1.0 (ipfs.github.io/pinning-services-api-spec; seen with ipfs-cluster 1.1.0): bytes in, values out, no I/O.
/// What does not parse is kUnavailable: what answers is not (or not now) the service, most often a page of something in front of it.
namespace holdfast::ipfs {

enum class PinStatus : std::uint8_t { kQueued, kPinning, kPinned, kFailed };
std::string_view pin_status_name(PinStatus status) noexcept;

/// A service's word on one pin.
struct Pin {
  std::string request_id;
  PinStatus status = PinStatus::kQueued;
  std::string cid;
  std::string name = {};
  std::vector<std::string> delegates = {};  ///< addresses of the service's nodes that want to be connected to
  std::string details = {};                 ///< what the service says of it, for people; mostly empty
};
Result<Pin> parse_pin(ByteView reply);

struct PinList {
  std::uint64_t count = 0;  ///< of all that match; no more than a page of them is listed
  std::vector<Pin> pins;
};
Result<PinList> parse_pins(ByteView reply);

/// The body of a request for a pin. `origins`: addresses of nodes that have it.
std::string pin_request(const std::string& cid, const std::string& name, const std::vector<std::string>& origins);

/// The Error of a reply that is no success.
Error service_error(int status, const std::string& doing, ByteView reply);

}  // namespace holdfast::ipfs
