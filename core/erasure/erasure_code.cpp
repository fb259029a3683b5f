// SPDX-License-Identifier: Apache-2.0
#include "core/erasure/erasure_code.h"

#include <isa-l/erasure_code.h>

#include <array>
#include <charconv>
#include <limits>
#include <vector>

namespace holdfast {
namespace {

constexpr std::size_t kTableBytes = 32;  // of ISA-L's tables, for each coefficient
// ISA-L counts in int.
constexpr std::size_t kSliceBytes = 1U << 20;

using Matrix = std::array<std::uint8_t, std::size_t{kShardsMax} * kShardsMax>;

Error invalid(std::string what) { return Error(ErrorCode::kInvalidArgument, std::move(what)); }

/// One row: shard `wanted` as a sum of multiples of the given shards.
Result<std::vector<std::uint8_t>> coefficients(const ErasureCode& code, std::span<const ShardBytes> given, std::uint8_t wanted) {
  const int k = code.k;
  Matrix all{};
  gf_gen_cauchy1_matrix(all.data(), code.n, k);
  Matrix rows{};
  for (int i = 0; i < k; ++i) {
    for (int j = 0; j < k; ++j) rows[static_cast<std::size_t>(i * k + j)] = all[static_cast<std::size_t>(given[static_cast<std::size_t>(i)].index * k + j)];
  }
  Matrix inverse{};
  if (gf_invert_matrix(rows.data(), inverse.data(), k) != 0) return invalid("shards of one index were given twice");
  std::vector<std::uint8_t> row(code.k);
  for (int i = 0; i < k; ++i) {
    std::uint8_t sum = 0;
    for (int j = 0; j < k; ++j) sum ^= gf_mul(all[static_cast<std::size_t>(wanted * k + j)], inverse[static_cast<std::size_t>(j * k + i)]);
    row[static_cast<std::size_t>(i)] = sum;
  }
  return row;
}

Status check(const ErasureCode& code, std::span<const ShardBytes> given, std::uint8_t wanted, std::size_t size) {
  if (!code.is_valid()) return invalid("no erasure code: " + code.text());
  if (given.size() != code.k) return invalid(std::to_string(given.size()) + " shards given where " + std::to_string(code.k) + " are needed");
  if (wanted >= code.n) return invalid("no shard of that index");
  for (const ShardBytes& shard : given) {
    if (shard.index >= code.n || shard.index == wanted) return invalid("a shard that can't be given");
    if (shard.bytes.size() != size) return invalid("shards of different sizes");
  }
  return ok_status();
}

}  // namespace

Result<ErasureCode> ErasureCode::parse(std::string_view text) {
  ErasureCode code;
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, code.k);
  if (first.ec == std::errc() && first.ptr != end && *first.ptr == '/') {
    const auto second = std::from_chars(first.ptr + 1, end, code.n);
    if (second.ec == std::errc() && second.ptr == end && code.is_valid()) return code;
  }
  return invalid("erasure is written K/N, with 2 <= K < N <= " + std::to_string(kShardsMax) + ": any K of N networks give the data back (2/3, 3/5); not \"" + std::string(text) + "\"");
}

Status rebuild_shard(const ErasureCode& code, std::span<const ShardBytes> given, std::uint8_t wanted, MutableByteView out) {
  HOLDFAST_TRY(check(code, given, wanted, out.size()));
  HOLDFAST_ASSIGN(std::vector<std::uint8_t> row, coefficients(code, given, wanted));
  std::vector<std::uint8_t> tables(kTableBytes * code.k);
  ec_init_tables(code.k, 1, row.data(), tables.data());
  std::array<unsigned char*, kShardsMax> from{};
  for (std::size_t at = 0; at < out.size(); at += kSliceBytes) {
    const std::size_t size = std::min(kSliceBytes, out.size() - at);
    // The library takes pointers to bytes that it only reads as pointers to bytes.
    for (std::size_t i = 0; i < given.size(); ++i) from[i] = const_cast<unsigned char*>(given[i].bytes.data() + at);
    unsigned char* to = out.data() + at;
    ec_encode_data(static_cast<int>(size), code.k, 1, tables.data(), from.data(), &to);
  }
  return ok_status();
}

}  // namespace holdfast
