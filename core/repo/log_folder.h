// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "core/catalog/log_entry.h"

namespace holdfast {

/// What lies in `<state>/log`, by the headers of its files.
struct LogFolder {
  std::vector<LogIdentity> logs;
  std::vector<WriterId> key_writers;
};
/// Files that are neither are left alone. Errors: kInternal.
Result<LogFolder> scan_log_folder(const std::string& directory);

}  // namespace holdfast
