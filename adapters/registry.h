// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/store/object_store.h"

namespace holdfast {

/// One [network.NAME] of the configuration, as texts.
struct NetworkConfig {
  std::string name;
  std::string type;  ///< empty: as name
  std::map<std::string, std::string> values;
  std::map<std::string, std::vector<std::string>> lists;
  std::map<std::string, std::vector<std::map<std::string, std::string>>> tables = {};  ///< keys with a list of tables: pinning = [{ name = "…" }]
};

/// The adapter for `config`, without decorators. What a network needs is checked here as far as it can be without asking
/// it: a network that is down is made all the same (`local` opens its directory).
/// Errors: kInvalidArgument (unknown type, naming the known ones; unknown key, naming the nearest known one; a bad or
/// missing value), and those of the adapter's own opening.
Result<std::shared_ptr<ObjectStore>> make_store(const NetworkConfig& config);

/// The known types, sorted.
std::vector<std::string> network_types();

/// The keys that a network of `type` takes (besides `type` itself), with one value, with a list of them and with a list of tables; none for an unknown type.
struct NetworkKeys {
  std::vector<std::string> values;
  std::vector<std::string> lists;
  std::vector<std::string> tables = {};
};
NetworkKeys network_keys(const std::string& type);

}  // namespace holdfast
