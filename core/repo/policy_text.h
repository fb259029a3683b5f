// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/repo/repository.h"

namespace holdfast {

/// A database as the catalog and the journal keep it: its name and its policy as TOML of one `key = value` a line (strings, integers and arrays of
/// strings; sizes in bytes, times in seconds).
std::string encode_policy(const std::string& name, const DatabasePolicy& policy);

struct NamedPolicy {
  std::string name;
  DatabasePolicy policy;
};
/// Keys that this version does not know are ignored: a later version may write more. Errors: kCorrupt.
Result<NamedPolicy> decode_policy(std::string_view text);

/// Whether a database may be called that (docs: no "@", ":", "/", not empty, at most 255 bytes, not starting with a dot, no control characters). Errors: kInvalidArgument.
Status check_database_name(std::string_view name);
/// Bounds of what a policy says. Errors: kInvalidArgument naming the key.
Status check_policy(const DatabasePolicy& policy);

}  // namespace holdfast
