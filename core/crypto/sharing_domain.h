// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace holdfast {

/// The domain of databases on these networks (FORMAT.md §3): chunks are shared within it alone. The order doesn't matter. Databases whose chunks stand alone, that is, are never
/// differences, share none with others.
std::uint32_t sharing_domain(std::vector<std::string> networks, bool stands_alone = false);

}  // namespace holdfast
