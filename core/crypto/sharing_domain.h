// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace holdfast {

/// The domain of databases on these networks (FORMAT.md §3): chunks are shared within it alone. The order doesn't matter.
std::uint32_t sharing_domain(std::vector<std::string> networks);

}  // namespace holdfast
