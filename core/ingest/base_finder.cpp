// SPDX-License-Identifier: Apache-2.0
#include "core/ingest/base_finder.h"

#include <xxhash.h>

#include <algorithm>
#include <array>

#include "core/format/byte_writer.h"

namespace holdfast {
namespace {

/// The next one is stored whole. (Long before it digits add up to more than kDifferenceDepthMax: 333 in base 4.)
constexpr std::uint8_t kVersionMax = 254;

/// Balance of tries: below 0 only one chunk in kRest is tried; one success makes up for that.
constexpr int kBalanceMax = 16;
constexpr int kPriceOfFailure = 4;
constexpr unsigned kRest = 16;

/// What follows the whole chunk at a chain's end may take so much: three quarters of its size, beyond which storing whole anew is the better bargain; where the whole is small, up
/// to a 32nd of its plaintext, which is next to nothing beside the cost of asking for it.
std::uint64_t chain_limit(std::uint64_t whole_record_bytes, std::uint64_t plain_bytes) {
  return std::max(whole_record_bytes / 4 * 3, std::min(whole_record_bytes, plain_bytes / 32));
}

constexpr std::uint64_t kFollowersOf = 255;  ///< beside the numbers of super-features

FeatureKey key_of(std::uint32_t domain, std::uint64_t what, ByteView value) {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(value.data(), value.size(), what << 32U | domain);
  FeatureKey key{};
  store_le(MutableByteView(key), static_cast<std::uint64_t>(hash.low64));
  store_le(MutableByteView(key).subspan(8), static_cast<std::uint64_t>(hash.high64));
  return key;
}

FeatureKey key_of(std::uint32_t domain, std::size_t slot, std::uint64_t super_feature) {
  std::array<std::uint8_t, 8> value{};
  store_le(MutableByteView(value), super_feature);
  return key_of(domain, slot, ByteView(value));
}

FeatureKey key_after(std::uint32_t domain, const Fingerprint& before) { return key_of(domain, kFollowersOf, before.view()); }

}  // namespace

std::size_t links_to_skip(std::uint8_t newest_version) noexcept {
  std::size_t skip = 0;
  for (unsigned rest = newest_version; rest % 4 == 3; rest /= 4) skip += 3;
  return skip;
}

std::uint8_t version_of_depth(int depth) noexcept {
  unsigned version = 0;
  for (unsigned unit = 1; depth > 0; unit *= 4) {
    version += unit * static_cast<unsigned>(std::min(depth, 3));
    depth -= 3;
  }
  return static_cast<std::uint8_t>(version);
}

BaseFinder::Luck& BaseFinder::luck_of(std::uint32_t domain) {
  const std::lock_guard lock(luck_mutex_);
  auto& luck = luck_[domain];
  if (!luck) luck = std::make_unique<Luck>();
  return *luck;
}

std::optional<SimilarChunk> BaseFinder::candidate(const Subject& subject) {
  if (subject.similarity) {
    for (std::size_t slot = 0; slot < subject.similarity->super_features.size(); ++slot) {
      const auto found = parts_.features.find(key_of(subject.domain, slot, subject.similarity->super_features[slot]));
      if (found) return found;
    }
  }
  return subject.before_like ? parts_.features.find(key_after(subject.domain, *subject.before_like)) : std::nullopt;
}

std::optional<ChunkRef> BaseFinder::reference_of(const Fingerprint& fp) const {
  if (const auto fresh = parts_.reading.stage.find_known(fp)) return fresh;
  const auto known = parts_.reading.index.find_known(fp);
  return known ? *known : std::nullopt;
}

/// Counts as a try that did not pay: a disk that hangs, or bases that are all far away, must not be asked for each chunk.
std::optional<BaseFinder::Found> BaseFinder::out_of_reach(std::uint32_t domain) {
  note(domain, false);
  return std::nullopt;
}

std::optional<BaseFinder::Found> BaseFinder::find(const Subject& subject) {
  const auto similar = candidate(subject);
  if (!similar || similar->version >= kVersionMax) return std::nullopt;
  Luck& luck = luck_of(subject.domain);
  if (luck.balance.load(std::memory_order_relaxed) < 0 && luck.passed.fetch_add(1, std::memory_order_relaxed) % kRest != 0) return std::nullopt;
  const auto ref = reference_of(similar->fp);
  if (!ref || ref->kind != ChunkKind::kData) return std::nullopt;
  const std::vector<BaseReader::Link> links = reader_.chain(*ref);
  if (links.empty()) return out_of_reach(subject.domain);

  const std::size_t skip = std::min(links_to_skip(similar->version), links.size() - 1);
  const std::span<const BaseReader::Link> chain = std::span(links).subspan(skip);
  if (chain.size() > static_cast<std::size_t>(kDifferenceDepthMax)) return std::nullopt;
  std::uint64_t differences = 0;
  for (const auto& link : chain.first(chain.size() - 1)) differences += link.record.size();
  const std::uint64_t whole = chain.back().record.size();
  const std::uint64_t limit = chain_limit(whole, chain.back().ref.plain_size_bytes);
  if (differences >= limit) return std::nullopt;
  const auto opened = BaseReader::open(chain);
  if (!opened) return out_of_reach(subject.domain);

  Found found;
  found.plain = opened->plain;
  found.base = {chain.front().ref, *found.plain, opened->depth, static_cast<std::uint32_t>(limit - differences)};
  found.pack = chain.front().pack;
  found.like = similar->fp;
  found.version = static_cast<std::uint8_t>(similar->version + 1);
  return found;
}

void BaseFinder::note(std::uint32_t domain, bool took_difference) {
  auto& balance = luck_of(domain).balance;
  const int now = balance.load(std::memory_order_relaxed);
  // Two threads that do this at once may lose one's word: it is an estimate.
  balance.store(took_difference ? std::min(std::max(now, 0) + 1, kBalanceMax) : std::max(now - kPriceOfFailure, -1), std::memory_order_relaxed);
}

void BaseFinder::learn(const Subject& subject, const Fingerprint& fp, std::uint8_t version) {
  std::vector<FeatureTable::Entry> entries;
  const SimilarChunk chunk{fp, version};
  if (subject.similarity) {
    for (std::size_t slot = 0; slot < subject.similarity->super_features.size(); ++slot) {
      entries.push_back({key_of(subject.domain, slot, subject.similarity->super_features[slot]), chunk});
    }
  }
  if (subject.before) entries.push_back({key_after(subject.domain, *subject.before), chunk});
  if (!entries.empty()) parts_.features.add(entries);
}

bool BaseFinder::relearn(std::uint32_t domain, const ChunkRef& ref, const std::optional<Fingerprint>& before) {
  const std::vector<BaseReader::Link> links = reader_.chain(ref);
  if (links.empty()) return false;
  const auto opened = BaseReader::open(links);
  if (!opened) return false;
  learn({domain, similarity(*opened->plain), before, {}}, ref.fp, version_of_depth(opened->depth));
  return true;
}

}  // namespace holdfast
