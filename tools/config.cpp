// SPDX-License-Identifier: Apache-2.0
#include "tools/config.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>

// The header-only parser; exceptions are its way to report, and they end in parse_file below.
#include <toml++/toml.h>

#include "core/repo/cron.h"
#include "tools/units.h"

namespace holdfast {

namespace {

/// A place in the configuration for messages: "holdfast.toml: [database.orders]".
struct Place {
  std::string file;
  std::string section;
  [[nodiscard]] std::string text() const { return file + ": [" + section + "]"; }
};

Error unknown_key(const Place& place, const std::string& key, const std::vector<std::string>& known) {
  const std::string near = nearest_word(key, known);
  return Error(ErrorCode::kInvalidArgument, place.text() + " has the unknown key '" + key + "'" +
                                                (near.empty() ? "" : "; did you mean '" + near + "'?"));
}

/// The text form that set_policy_key and the adapters take, of a TOML scalar or an array of strings.
Result<std::string> scalar_text(const Place& place, const std::string& key, const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) return *text;
  if (const auto number = node.value_exact<std::int64_t>()) return std::to_string(*number);
  if (const auto flag = node.value_exact<bool>()) return std::string(*flag ? "true" : "false");
  if (const auto* array = node.as_array()) {
    std::string joined;
    for (const auto& item : *array) {
      const auto text = item.value_exact<std::string>();
      if (!text) return Error(ErrorCode::kInvalidArgument, place.text() + " " + key + " wants a list of strings");
      joined += (joined.empty() ? "" : ",") + *text;
    }
    return joined;
  }
  return Error(ErrorCode::kInvalidArgument, place.text() + " " + key + " has a value of a kind that is not taken");
}

const std::vector<std::string> kRepositoryKeys{"state", "staging_size", "staging_wait", "networks", "wal_database"};
const std::vector<std::string> kCacheKeys{"path", "size"};

std::vector<std::string> split_at_commas(const std::string& text) {
  std::vector<std::string> items;
  std::istringstream list(text);
  for (std::string item; std::getline(list, item, ',');) items.push_back(item);
  return items;
}

/// `name` is one of kRepositoryKeys.
Status set_repository_key(const std::string& name, const std::string& text, Config& config) {
  if (name == "state") {
    config.state_directory = text;
  } else if (name == "staging_size") {
    HOLDFAST_ASSIGN(config.staging_size_bytes, parse_size(text));
  } else if (name == "staging_wait") {
    HOLDFAST_ASSIGN(const auto wait, parse_duration(text));
    config.staging_wait = std::chrono::duration_cast<std::chrono::seconds>(wait);
  } else if (name == "networks") {
    config.default_networks = split_at_commas(text);
  } else {
    config.wal_database = text;
  }
  return ok_status();
}

/// `name` is one of kCacheKeys.
Status set_cache_key(const std::string& name, const std::string& text, Config& config) {
  if (name == "path") {
    config.cache_directory = text;
  } else {
    HOLDFAST_ASSIGN(config.cache_size_bytes, parse_size(text));
  }
  return ok_status();
}

/// A section whose keys are known here.
template <typename Set>
Status read_keys(const Place& place, const toml::table& table, const std::vector<std::string>& known, const Set& set) {
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    HOLDFAST_ASSIGN(const std::string text, scalar_text(place, name, node));
    if (std::find(known.begin(), known.end(), name) == known.end()) return unknown_key(place, name, known);
    HOLDFAST_TRY(set(name, text));
  }
  return ok_status();
}

/// A list of a network: of strings, or of tables with one value a key.
Status read_network_list(const Place& place, const std::string& key, const toml::array& array, NetworkConfig& network) {
  std::vector<std::string> texts;
  std::vector<std::map<std::string, std::string>> tables;
  for (const auto& item : array) {
    if (const auto* table = item.as_table()) {
      auto& taken = tables.emplace_back();
      for (const auto& [inner, node] : *table) {
        HOLDFAST_ASSIGN(taken[std::string(inner.str())], scalar_text(place, key, node));
      }
      continue;
    }
    const auto text = item.value_exact<std::string>();
    if (!text) return Error(ErrorCode::kInvalidArgument, place.text() + " " + key + " wants a list of strings, or of tables");
    texts.push_back(*text);
  }
  if (!texts.empty() && !tables.empty()) return Error(ErrorCode::kInvalidArgument, place.text() + " " + key + " has strings and tables in one list");
  network.lists.erase(key);  // a variable's list takes the place of the file's
  network.tables.erase(key);
  if (tables.empty()) {
    network.lists[key] = std::move(texts);
  } else {
    network.tables[key] = std::move(tables);
  }
  return ok_status();
}

Status read_network(const Place& place, const std::string& name, const toml::table& table, Config& config) {
  NetworkConfig network;
  network.name = name;
  network.type = name;
  for (const auto& [key, node] : table) {
    const std::string key_name(key.str());
    if (const auto* array = node.as_array()) {
      HOLDFAST_TRY(read_network_list(place, key_name, *array, network));
      continue;
    }
    HOLDFAST_ASSIGN(const std::string text, scalar_text(place, key_name, node));
    if (key_name == "type") {
      network.type = text;
    } else {
      network.values[key_name] = text;
    }
  }
  config.networks.push_back(std::move(network));
  return ok_status();
}

Status read_database(const Place& place, const std::string& name, const toml::table& table, Config& config) {
  DatabasePolicy& policy = config.databases[name];
  for (const auto& [key, node] : table) {
    const std::string key_name(key.str());
    HOLDFAST_ASSIGN(const std::string text, scalar_text(place, key_name, node));
    const Status set = set_policy_key(policy, key_name, text);
    if (!set) return Error(set.error()).with_context(place.text());
    config.database_keys[name].insert_or_assign(key_name, text);
  }
  return ok_status();
}

/// [network.NAME] or [database.NAME]: a table of tables.
template <typename Read>
Status read_named(const std::string& file, const std::string& kind, const toml::node& node, const Read& read) {
  const auto* tables = node.as_table();
  if (tables == nullptr) return Error(ErrorCode::kInvalidArgument, file + ": " + kind + " wants sections [" + kind + ".NAME]");
  for (const auto& [name, inner] : *tables) {
    const Place place{file, kind + "." + std::string(name.str())};
    const auto* table = inner.as_table();
    if (table == nullptr) return Error(ErrorCode::kInvalidArgument, place.text() + " wants a section, not a value");
    HOLDFAST_TRY(read(place, std::string(name.str()), *table));
  }
  return ok_status();
}

Status read_document(const std::string& file, const toml::table& document, Config& config) {
  for (const auto& [key, node] : document) {
    const std::string name(key.str());
    const Place place{file, name};
    const auto* table = node.as_table();
    if (name == "network") {
      HOLDFAST_TRY(read_named(file, name, node, [&](const Place& at, const std::string& which, const toml::table& inner) {
        return read_network(at, which, inner, config);
      }));
    } else if (name == "database") {
      HOLDFAST_TRY(read_named(file, name, node, [&](const Place& at, const std::string& which, const toml::table& inner) {
        return read_database(at, which, inner, config);
      }));
    } else if (name == "repository" && table != nullptr) {
      HOLDFAST_TRY(read_keys(place, *table, kRepositoryKeys,
                             [&](const std::string& which, const std::string& text) { return set_repository_key(which, text, config); }));
    } else if (name == "cache" && table != nullptr) {
      HOLDFAST_TRY(read_keys(place, *table, kCacheKeys,
                             [&](const std::string& which, const std::string& text) { return set_cache_key(which, text, config); }));
    } else {
      return unknown_key({file, ""}, name, {"repository", "cache", "network", "database"});
    }
  }
  return ok_status();
}

Status parse_file(const std::string& file, Config& config) {
  try {
    const toml::table document = toml::parse_file(file);
    return read_document(file, document, config);
  } catch (const toml::parse_error& problem) {
    return Error(ErrorCode::kInvalidArgument, file + ": line " + std::to_string(problem.source().begin.line) + ": " +
                                                  std::string(problem.description()));
  }
}

std::string home_directory(const Environment& environment) {
  if (const auto home = environment("HOME")) return *home;
  const passwd* entry = ::getpwuid(::getuid());
  return entry != nullptr ? entry->pw_dir : "/";
}

Result<std::string> find_file(const std::string& option, const Environment& environment) {
  namespace files = std::filesystem;
  std::error_code failure;
  std::string named = option;
  if (named.empty()) named = environment("HOLDFAST_CONFIG").value_or("");
  if (!named.empty()) {
    if (!files::exists(named, failure)) {
      return Error(ErrorCode::kNotFound, "the configuration file " + named + " does not exist");
    }
    return named;
  }
  const std::string user_folder =
      environment("XDG_CONFIG_HOME").value_or(home_directory(environment) + "/.config");
  for (const std::string& candidate : {user_folder + "/holdfast/holdfast.toml", std::string("/etc/holdfast/holdfast.toml")}) {
    if (files::exists(candidate, failure)) return candidate;
  }
  return std::string();
}

/// A list of tables as a variable holds it: as it would stand in the file.
Status read_variable_tables(const std::string& key, const std::string& value, NetworkConfig& network) {
  try {
    const toml::table document = toml::parse(key + " = " + value);
    const auto* array = document.size() == 1 ? document.begin()->second.as_array() : nullptr;
    if (array == nullptr) return Error(ErrorCode::kInvalidArgument, key + " wants a list of tables, as in the file: [{ key = \"value\" }]");
    return read_network_list({"the environment", network.name}, key, *array, network);
  } catch (const toml::parse_error& problem) {
    return Error(ErrorCode::kInvalidArgument, key + ": " + std::string(problem.description()));
  }
}

NetworkConfig& network_called(Config& config, const std::string& name) {
  for (NetworkConfig& network : config.networks) {
    if (network.name == name) return network;
  }
  config.networks.push_back({.name = name, .type = name, .values = {}, .lists = {}});
  return config.networks.back();
}

/// HOLDFAST_<SECTION>_<KEY>: upper case, with "_" for all that is neither letter nor digit.
std::string variable_of(const std::string& section, const std::string& key) {
  std::string name = "HOLDFAST_" + section + "_" + key;
  for (char& letter : name) {
    const bool lower = letter >= 'a' && letter <= 'z';
    const bool kept = (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9');
    if (lower) letter = static_cast<char>(letter - 'a' + 'A');
    if (!lower && !kept) letter = '_';
  }
  return name;
}

template <typename Set>
Status apply_variables(const Environment& environment, const std::string& section, const std::vector<std::string>& keys, const Set& set) {
  for (const std::string& key : keys) {
    const std::string name = variable_of(section, key);
    const auto value = environment(name);
    if (!value) continue;
    const Status done = set(key, *value);
    if (!done) return Error(done.error()).with_context("the environment variable " + name);
  }
  return ok_status();
}

/// Networks of the file, and of each known type under its own name.
Status apply_network_variables(const Environment& environment, Config& config) {
  std::vector<std::string> names = network_types();
  for (const NetworkConfig& network : config.networks) {
    if (std::find(names.begin(), names.end(), network.name) == names.end()) names.push_back(network.name);
  }
  for (const std::string& name : names) {
    const std::string section = "network_" + name;
    HOLDFAST_TRY(apply_variables(environment, section, {"type"}, [&](const std::string&, const std::string& value) {
      network_called(config, name).type = value;
      return ok_status();
    }));
    const auto known = std::find_if(config.networks.begin(), config.networks.end(), [&](const NetworkConfig& network) { return network.name == name; });
    const NetworkKeys keys = network_keys(known == config.networks.end() ? name : known->type);
    HOLDFAST_TRY(apply_variables(environment, section, keys.values, [&](const std::string& key, const std::string& value) {
      network_called(config, name).values[key] = value;
      return ok_status();
    }));
    HOLDFAST_TRY(apply_variables(environment, section, keys.lists, [&](const std::string& key, const std::string& value) {
      network_called(config, name).lists[key] = split_at_commas(value);
      return ok_status();
    }));
    HOLDFAST_TRY(apply_variables(environment, section, keys.tables, [&](const std::string& key, const std::string& value) {
      return read_variable_tables(key, value, network_called(config, name));
    }));
  }
  return ok_status();
}

Status apply_environment(const Environment& environment, Config& config) {
  HOLDFAST_TRY(apply_variables(environment, "repository", kRepositoryKeys,
                               [&](const std::string& key, const std::string& value) { return set_repository_key(key, value, config); }));
  HOLDFAST_TRY(apply_variables(environment, "cache", kCacheKeys,
                               [&](const std::string& key, const std::string& value) { return set_cache_key(key, value, config); }));
  HOLDFAST_TRY(apply_network_variables(environment, config));
  for (auto& [name, policy] : config.databases) {
    std::vector<std::string> keys;
    for (const auto& [key, value] : policy_fields(policy)) keys.push_back(key);
    HOLDFAST_TRY(apply_variables(environment, "database_" + name, keys,
                                 [&policy = policy, &named = config.database_keys[name]](const std::string& key, const std::string& value) {
                                   named.insert_or_assign(key, value);
                                   return set_policy_key(policy, key, value);
                                 }));
  }
  if (const auto value = environment("HOLDFAST_STATE")) config.state_directory = *value;
  if (const auto value = environment("HOLDFAST_CACHE")) config.cache_directory = *value;
  if (const auto value = environment("HOLDFAST_WAL_DATABASE")) config.wal_database = *value;
  if (const auto value = environment("IPFS_API_URL")) network_called(config, "ipfs").values["api"] = *value;
  if (const auto value = environment("BEE_API_URL")) network_called(config, "swarm").values["api"] = *value;
  if (const auto schedule = environment("BACKUP_SCHEDULE")) {
    const auto understood = CronSchedule::parse(*schedule);
    if (!understood) return Error(understood.error()).with_context("the environment variable BACKUP_SCHEDULE");
    config.default_schedule = *schedule;
  }
  return ok_status();
}

void fill_folders(const Environment& environment, Config& config) {
  const bool root = ::geteuid() == 0;
  if (config.state_directory.empty()) {
    const std::string base = environment("XDG_STATE_HOME").value_or(home_directory(environment) + "/.local/state");
    config.state_directory = root && !environment("XDG_STATE_HOME") ? "/var/lib/holdfast" : base + "/holdfast";
  }
  if (config.cache_directory.empty()) {
    const std::string base = environment("XDG_CACHE_HOME").value_or(home_directory(environment) + "/.cache");
    config.cache_directory = root && !environment("XDG_CACHE_HOME") ? "/var/cache/holdfast" : base + "/holdfast";
  }
}

void fill_networks(Config& config) {
  if (config.networks.empty()) config.networks.push_back({"local", "local", {}, {}});
  for (NetworkConfig& network : config.networks) {
    if (network.type == "local" && !network.values.contains("path")) {
      network.values["path"] = config.state_directory + "/local";
    }
  }
  if (!config.default_networks.empty()) return;
  // Design §1: those of ipfs, storj, sia that are configured; else every network there is.
  for (const NetworkConfig& network : config.networks) {
    if (network.type == "ipfs" || network.type == "storj" || network.type == "sia") {
      config.default_networks.push_back(network.name);
    }
  }
  if (!config.default_networks.empty()) return;
  for (const NetworkConfig& network : config.networks) config.default_networks.push_back(network.name);
}

}  // namespace

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr || *value == '\0') return std::nullopt;
    return std::string(value);
  };
}

Result<Config> load_config(const std::string& file_option, const Environment& environment) {
  Config config;
  HOLDFAST_ASSIGN(config.file, find_file(file_option, environment));
  if (!config.file.empty()) HOLDFAST_TRY(parse_file(config.file, config));
  HOLDFAST_TRY(apply_environment(environment, config));
  fill_folders(environment, config);
  // What `init --network` chose, where the configuration itself does not say.
  const std::string defaults = config.state_directory + "/defaults.toml";
  std::error_code failure;
  if (config.default_networks.empty() && std::filesystem::exists(defaults, failure)) {
    HOLDFAST_TRY(parse_file(defaults, config));
  }
  fill_networks(config);
  for (const std::string& name : config.default_networks) {
    const bool known = std::any_of(config.networks.begin(), config.networks.end(),
                                   [&](const NetworkConfig& network) { return network.name == name; });
    if (!known) {
      return Error(ErrorCode::kInvalidArgument, "the network '" + name + "' is named, but there is no section [network." +
                                                    name + "] in " + (config.file.empty() ? "any configuration file" : config.file));
    }
  }
  return config;
}

}  // namespace holdfast
