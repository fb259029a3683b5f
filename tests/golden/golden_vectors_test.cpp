// SPDX-License-Identifier: Apache-2.0
#include "tests/golden/golden_vectors.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "tests/support/source_folder.h"

namespace holdfast::golden {

namespace {

const std::filesystem::path kFolder = std::filesystem::path(holdfast::testing::source_folder()) / "tests/golden/v1";

Bytes read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  HOLDFAST_CHECK(file.good());
  return {std::istreambuf_iterator<char>(file), {}};
}

const std::vector<Vector>& all_vectors() {
  static const std::vector<Vector> all = [] {
    std::vector<Vector> vectors;
    for (const auto& row : nlohmann::json::parse(read_file(kFolder / "vectors.json"))) {
      vectors.push_back({row, row.contains("file") ? read_file(kFolder / row.at("file").get<std::string>()) : Bytes{}});
    }
    return vectors;
  }();
  return all;
}

struct Stage {
  std::set<ErrorCode> codes;
  /// One of them stands in the message; empty: any.
  std::vector<std::string> words;
};

/// How this program tells the stages of the vectors apart.
const std::map<std::string, Stage>& stages() {
  static const std::map<std::string, Stage> all = {
      {"prelude", {{ErrorCode::kCorrupt}, {"does not begin with"}}},
      {"version", {{ErrorCode::kUnsupported}, {"has format version", "has version"}}},
      {"suite", {{ErrorCode::kUnsupported}, {"has cipher suite"}}},
      {"unknown", {{ErrorCode::kUnsupported, ErrorCode::kCorrupt}, {"does not know", "unknown", "is none", "of type"}}},
      {"parse", {{ErrorCode::kCorrupt}, {}}},
      {"id",
       {{ErrorCode::kCorrupt},
        {"its id names", "is not the chunk", "was asked for", "an id that is not", "another key"}}},
      {"open", {{ErrorCode::kCorrupt}, {"does not open"}}},
      {"reference", {{ErrorCode::kCorrupt}, {"than its reference says"}}},
      {"frame", {{ErrorCode::kCorrupt}, {"no zstd frame"}}},
      {"depth", {{ErrorCode::kCorrupt}, {"depth"}}},
      {"index", {{ErrorCode::kCorrupt}, {"index"}}},
      {"merkle", {{ErrorCode::kCorrupt}, {"Merkle root"}}},
      {"code", {{ErrorCode::kInvalidArgument}, {"not a recovery code"}}},
      {"kdf", {{ErrorCode::kCorrupt}, {"allowed are"}}},
      {"unlock", {{ErrorCode::kWrongKey}, {"does not open"}}},
      {"signature", {{ErrorCode::kUntrusted}, {}}},
      {"repository", {{ErrorCode::kUntrusted}, {}}},
      {"shard", {{ErrorCode::kCorrupt}, {"does not have the id", "are not those of its header", "are not what was put"}}},
      {"cut", {{ErrorCode::kOutOfRange}, {}}},
      {"segments", {{ErrorCode::kCorrupt}, {"segment"}}},
      {"roots", {{ErrorCode::kCorrupt}, {"roots"}}},
  };
  return all;
}

}  // namespace

std::vector<Vector> vectors_of(const std::string& structure) {
  std::vector<Vector> found;
  for (const Vector& vector : all_vectors()) {
    if (vector.structure() == structure) found.push_back(vector);
  }
  HOLDFAST_CHECK(!found.empty());
  return found;
}

Bytes pattern(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(131 * i + 17 * (i >> 8U));
  return bytes;
}

std::string judge(const Vector& vector, const Status& status) {
  if (vector.refused().empty()) return status ? "" : "refused: " + status.error().message();
  if (status) return "accepted";
  const Stage& stage = stages().at(vector.refused());
  const std::string& message = status.error().message();
  bool words = stage.words.empty();
  for (const std::string& word : stage.words) words = words || message.find(word) != std::string::npos;
  if (words && stage.codes.contains(status.error().code())) return "";
  return "refused by another check than '" + vector.refused() + "': " + std::string(error_code_name(status.error().code())) + ", " + message;
}

TEST(GoldenVectors, EveryFileAndEveryVector_IsUsed) {
  const std::set<std::string> known = {"h32", "fingerprint", "derive", "gear", "domain", "mth", "code", "record", "pack", "shard", "inode", "tree_node", "list_node",
                                       "genesis", "certificate", "snapshot", "key_table", "log_entry", "log_segment", "head", "keyring"};
  std::set<std::string> files = {"vectors.json", "repository"};
  for (const Vector& vector : all_vectors()) {
    EXPECT_TRUE(known.contains(vector.structure())) << vector.name();
    files.insert(vector.row.value("file", "vectors.json"));
  }
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) EXPECT_TRUE(files.contains(entry.path().filename())) << entry.path();
}

}  // namespace holdfast::golden
