// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/store/object_store.h"

namespace holdfast {

/// A network that has more than one place to read an object from, beside its ObjectReader: IPFS has other nodes and gateways, of which
/// read() takes the nearest. Asked when what read() gave does not verify.
class AlternateReader {
 public:
  virtual ~AlternateReader() = default;
  /// As ObjectReader::read, but from other places than read() asks first. Errors: as there; kUnsupported where there is no other place.
  virtual Status read_elsewhere(const ObjectRef& ref, std::uint64_t offset, MutableByteView out,
                                const CallContext& context) = 0;
};

}  // namespace holdfast
