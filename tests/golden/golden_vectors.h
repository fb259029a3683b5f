// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "core/base/bytes.h"

namespace holdfast::golden {

/// One vector of tests/golden/v1/vectors.json and the bytes of its file, if it has one.
struct Vector {
  nlohmann::json row;
  Bytes data;

  [[nodiscard]] std::string name() const { return row.at("name"); }
  [[nodiscard]] std::string structure() const { return row.at("structure"); }
  /// The check that must refuse; empty when the vector is good.
  [[nodiscard]] std::string refused() const { return row.value("refused", ""); }
  [[nodiscard]] std::string text(const char* key) const { return row.at(key); }
  [[nodiscard]] Bytes hex(const char* key) const { return *from_hex(row.at(key).get<std::string>()); }
  template <typename Id>
  [[nodiscard]] Id id(const char* key) const {
    return *Id::from(hex(key));
  }
};

inline void PrintTo(const Vector& vector, std::ostream* out) { *out << vector.name(); }

/// Those of `structure`, all of them checked in; a missing file ends the program.
std::vector<Vector> vectors_of(const std::string& structure);

/// Byte i is (131 i + 17 (i >> 8)) mod 256.
Bytes pattern(std::size_t size);

/// Whether `status` is what the vector wants: success, or an error of the class and of the words that belong to the stage.
/// The reason when it isn't.
std::string judge(const Vector& vector, const Status& status);

}  // namespace holdfast::golden
