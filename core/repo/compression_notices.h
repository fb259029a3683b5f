// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "core/base/ids.h"
#include "core/complete/inner_compression.h"

namespace holdfast {

/// What databases hold that was compressed before it came here, as their last seals found it, and whom it was said of. Kept in a file of the state folder, so that each is told once.
/// Losing the file means being told again. Safe from any thread.
class CompressionNotices {
 public:
  /// What is wrong with the file is logged, and then it is as if there were none.
  static std::unique_ptr<CompressionNotices> open(std::string path);

  /// What a seal found among the files that changed.
  struct Amount {
    std::uint64_t compressed_bytes = 0;
    std::uint64_t all_bytes = 0;
    std::string how, remedy;  ///< of the largest of the compressed files
    std::uint64_t largest_bytes = 0;
    void add(std::uint64_t size_bytes, const std::optional<InnerCompression>& found);
  };
  /// The notice, if it is the first of this database. Most of what changed has to be compressed, and a mebibyte of it; where most is not, an earlier notice is taken back.
  std::optional<std::string> note(const DatabaseId& database, const std::string& name, const Amount& amount);
  /// What stands; empty for none.
  [[nodiscard]] std::string text(const DatabaseId& database) const;

 private:
  explicit CompressionNotices(std::string path) : path_(std::move(path)) {}
  Status load();
  void save() const;
  const std::string path_;
  mutable std::mutex mutex_;
  std::map<DatabaseId, std::string> notices_;
};

}  // namespace holdfast
