// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/sharing_domain.h"

#include <algorithm>

#include "core/crypto/hash.h"
#include "core/format/byte_reader.h"

namespace holdfast {

std::uint32_t sharing_domain(std::vector<std::string> networks, bool stands_alone, const std::optional<std::pair<std::uint8_t, std::uint8_t>>& erasure) {
  std::sort(networks.begin(), networks.end());
  Sha256 hash;
  for (const std::string& network : networks) {
    hash.update(as_bytes(network));
    hash.update(as_bytes(std::string_view("\0", 1)));
  }
  if (stands_alone) hash.update(as_bytes(std::string_view("\x01", 1)));
  if (erasure) hash.update(Bytes{0x02, erasure->first, erasure->second});
  return load_le<std::uint32_t>(hash.finish().view());
}

}  // namespace holdfast
