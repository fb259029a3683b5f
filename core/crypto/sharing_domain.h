// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace holdfast {

/// The domain of databases on these networks (FORMAT.md §3): chunks are shared within it alone. The order doesn't matter. Databases whose chunks stand alone, that is, are never
/// differences, share none with others; nor do those whose packs are cut in shards, k and n of the code, with those whose packs are not.
std::uint32_t sharing_domain(std::vector<std::string> networks, bool stands_alone = false, const std::optional<std::pair<std::uint8_t, std::uint8_t>>& erasure = std::nullopt);

}  // namespace holdfast
