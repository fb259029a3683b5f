// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.h"
#include "core/base/random_source.h"
#include "core/catalog/log_entry.h"
#include "core/pack/pack.h"
#include "core/store/network_copy.h"

namespace holdfast {

enum class CopyCheckLevel : std::uint8_t {
  kAvailability,  ///< the network says that it has all of it
  kSample,        ///< besides, its directory (or a shard's header and trailer) and two random records or blocks are read and proved
  kFull,          ///< every byte of it is read and proved
};

struct CopyFinding {
  VerifiedOutcome outcome = VerifiedOutcome::kGood;
  std::string problem;  ///< for people; empty: none
};

/// Looks at one copy of a pack, or a shard, on its network alone. Needs no key that opens data. What the network answers is never an error, but a finding.
/// Errors: kDeadlineExceeded and kCancelled of `context`; kInternal (no entropy).
Result<CopyFinding> check_copy(ObjectReader& store, const NetworkCopy& copy, const PackId& pack, ByteView maintenance_key, CopyCheckLevel level,
                               Clock& clock, RandomSource& random, const CallContext& context);

}  // namespace holdfast
