// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/repo/repository.h"
#include "tools/config.h"

namespace holdfast {

/// The only place where networks, decorators, cache and repository meet.

/// Every configured network with its decorators. Errors: kInvalidArgument (naming section and key), those of the adapters.
Result<std::shared_ptr<NetworkSet>> make_networks(const Config& config);

/// One network without decorators, for the conformance suite. Errors: kNotFound (no such section); as above.
Result<std::shared_ptr<ObjectStore>> make_bare_network(const Config& config, const std::string& name);

/// What Repository::open, init and recover want. The networks are made; nothing is asked of them yet.
Result<OpenOptions> make_open_options(const Config& config);

}  // namespace holdfast
