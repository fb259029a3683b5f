// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "core/complete/completeness.h"

namespace holdfast::testing {

/// A file in memory that counts what is read of it.
class MemoryFile final : public RandomBytes {
 public:
  explicit MemoryFile(Bytes bytes) : bytes_(std::move(bytes)) {}
  [[nodiscard]] std::uint64_t size() const override { return bytes_.size(); }
  Status read(std::uint64_t offset, MutableByteView out) override {
    if (offset > bytes_.size() || out.size() > bytes_.size() - offset) {
      ADD_FAILURE() << "a check read past the end";
      return Error(ErrorCode::kOutOfRange, "past the end");
    }
    read_bytes += out.size();
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
    return ok_status();
  }
  std::uint64_t read_bytes = 0;

 private:
  Bytes bytes_;
};

using Folder = std::map<std::string, Bytes>;

class MemoryFolder final : public SiblingFiles {
 public:
  explicit MemoryFolder(const Folder& files) : files_(files) {}
  Result<std::unique_ptr<RandomBytes>> open(std::string_view name) override {
    const auto found = files_.find(std::string(name));
    if (found == files_.end()) return std::unique_ptr<RandomBytes>();
    return std::unique_ptr<RandomBytes>(std::make_unique<MemoryFile>(found->second));
  }

 private:
  const Folder& files_;
};

inline Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

inline Bytes first(const Bytes& bytes, std::size_t size) {
  return {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(std::min(size, bytes.size()))};
}

inline CompletenessVerdict judge(const Bytes& bytes, SiblingFiles* siblings = nullptr) {
  MemoryFile file(bytes);
  const auto verdict = check_completeness({"dump", file, siblings});
  EXPECT_TRUE(verdict) << verdict.error().message();
  return verdict ? *verdict : CompletenessVerdict{};
}

inline CompletenessVerdict judge_folder(const Folder& folder) {
  MemoryFolder siblings(folder);
  return judge(folder.at("toc.dat"), &siblings);
}

inline Bytes read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline Folder read_folder(const std::filesystem::path& path) {
  Folder folder;
  for (const auto& entry : std::filesystem::directory_iterator(path)) folder[entry.path().filename()] = read_file(entry.path());
  return folder;
}

/// Sizes to cut a file of `size` bytes to: all near both ends, some in between.
inline std::vector<std::size_t> cuts(std::size_t size, std::size_t near = 300, std::size_t step = 2'003) {
  std::vector<std::size_t> all;
  for (std::size_t cut = 0; cut < size; cut += (cut < near || size - cut <= near) ? 1 : std::min(step, size - near - cut)) all.push_back(cut);
  return all;
}

/// Whole it is complete, and cut off anywhere it is not.
inline void expect_only_whole_complete(const Bytes& whole, std::string_view what) {
  const CompletenessVerdict good = judge(whole);
  EXPECT_EQ(good.completeness, Completeness::kComplete) << what << ": " << good.reason;
  EXPECT_EQ(good.reason, "") << what;
  for (const std::size_t cut : cuts(whole.size())) {
    const CompletenessVerdict bad = judge(first(whole, cut));
    ASSERT_NE(bad.completeness, Completeness::kComplete) << what << " cut to " << cut << " of " << whole.size();
    ASSERT_NE(bad.reason, "");
    // Where enough is left to tell the type, it is known to be cut off.
    if (cut >= 64) {
      ASSERT_EQ(bad.completeness, Completeness::kIncomplete) << what << " cut to " << cut;
    }
  }
}

}  // namespace holdfast::testing
