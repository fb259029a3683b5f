// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <functional>

#include "fs/snapshot_node.h"

namespace holdfast::fs {

namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text.append(text.empty() ? "" : ",").append(word);
  return text;
}

struct Field {
  std::string_view name;
  std::string (*value)(const SnapshotInfo&);
};

constexpr std::array kFields{
    Field{"id", [](const SnapshotInfo& info) { return info.id.hex(); }},
    Field{"name", [](const SnapshotInfo& info) { return info.name; }},
    Field{"database", [](const SnapshotInfo& info) { return info.database; }},
    Field{"label", [](const SnapshotInfo& info) { return info.label; }},
    Field{"strategy", [](const SnapshotInfo& info) { return info.strategy; }},
    Field{"tags", [](const SnapshotInfo& info) { return joined(info.tags); }},
    Field{"state", [](const SnapshotInfo& info) { return std::string(durability_state_name(info.state)); }},
    Field{"networks", [](const SnapshotInfo& info) { return joined(info.networks); }},
    Field{"merkle_root", [](const SnapshotInfo& info) { return info.merkle_root.hex(); }},
    Field{"content_hash", [](const SnapshotInfo& info) { return info.content_hash.hex(); }},
    Field{"key_id", [](const SnapshotInfo& info) { return info.key_id.hex(); }},
    Field{"bytes_logical", [](const SnapshotInfo& info) { return std::to_string(info.bytes_logical); }},
    Field{"bytes_new", [](const SnapshotInfo& info) { return std::to_string(info.bytes_new); }},
    Field{"bytes_stored", [](const SnapshotInfo& info) { return std::to_string(info.bytes_stored); }},
    Field{"stored_bytes", [](const SnapshotInfo& info) { return std::to_string(info.bytes_stored); }},
    Field{"files", [](const SnapshotInfo& info) { return std::to_string(info.files); }},
};

}  // namespace

std::optional<std::string> snapshot_attribute(const SnapshotInfo& info, std::string_view name,
                                              std::optional<Completeness> file_completeness) {
  if (name == "completeness") return std::string(completeness_name(file_completeness.value_or(info.completeness)));
  for (const Field& field : kFields) {
    if (field.name == name) return field.value(info);
  }
  return std::nullopt;
}

}  // namespace holdfast::fs
