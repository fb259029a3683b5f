// SPDX-License-Identifier: Apache-2.0
#include "core/chunk/chunk_scanner.h"

#include <algorithm>

#include "core/base/check.h"
#include "core/chunk/similarity_samples.h"

namespace holdfast {
namespace {

/// Cuts where `cut_mask` says (0: nowhere), and samples on the way.
struct CutAndSampleWatch {
  std::uint64_t rare_mask;
  std::uint64_t cut_mask;
  SimilaritySamples& samples;
  [[nodiscard]] bool ends_at(std::uint64_t hash) const noexcept { return cut_mask != 0 && (hash & cut_mask) == 0; }
  void keep(std::uint64_t hash) const {
    if ((hash & SimilaritySamples::kMask) == 0) samples.add(hash);
  }
};

}  // namespace

struct ChunkScanner::State {
  explicit State(const GearChunker& of) : chunker(of) {}
  const GearChunker chunker;
  SimilaritySamples samples;
  std::size_t scanned = 0;

  /// Positions [begin, end) of `input`.
  std::size_t walk(ByteView input, std::size_t begin, std::size_t end, std::uint64_t cut_mask) {
    if (begin >= end) return kNoPosition;
    const std::uint64_t rare = cut_mask == 0 ? SimilaritySamples::kMask : SimilaritySamples::kMask & cut_mask;
    CutAndSampleWatch watch{rare, cut_mask, samples};
    return gear_walk(input.data(), chunker.table().data(), begin, end, watch);
  }
};

ChunkScanner::ChunkScanner(const GearChunker& chunker) : state_(std::make_unique<State>(chunker)) {}
ChunkScanner::~ChunkScanner() = default;

std::optional<std::size_t> ChunkScanner::scan(ByteView input) {
  State& state = *state_;
  HOLDFAST_CHECK(input.size() >= state.scanned || state.scanned == state.chunker.sizes().max_bytes);
  const GearChunker::Rule rule = state.chunker.rule();
  const std::size_t limit = std::min<std::size_t>(input.size(), rule.max_bytes);
  const std::size_t from = std::max(state.scanned, kGearWindowBytes - 1);
  // A cut after byte i makes a chunk of i + 1 bytes.
  const std::size_t first_cut = rule.min_bytes - 1;
  (void)state.walk(input, from, std::min(first_cut, limit), 0);
  std::size_t cut = state.walk(input, std::max(from, first_cut), std::min(rule.normal_bytes, limit), rule.mask_hard);
  if (cut == kNoPosition) cut = state.walk(input, std::max({from, first_cut, rule.normal_bytes}), limit, rule.mask_easy);
  state.scanned = cut == kNoPosition ? limit : cut + 1;
  if (cut != kNoPosition) return cut + 1;
  if (limit == rule.max_bytes) return limit;
  return std::nullopt;
}

std::optional<Similarity> ChunkScanner::end_chunk(std::size_t size_bytes) {
  State& state = *state_;
  const bool is_whole = state.scanned == size_bytes && size_bytes >= kSimilarityMinBytes;
  std::optional<Similarity> similarity = is_whole ? state.samples.similarity(state.chunker.table()) : std::nullopt;
  restart();
  return similarity;
}

void ChunkScanner::restart() {
  state_->samples.clear();
  state_->scanned = 0;
}

}  // namespace holdfast
