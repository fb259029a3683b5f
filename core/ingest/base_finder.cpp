// SPDX-License-Identifier: Apache-2.0
#include "core/ingest/base_finder.h"

#include <xxhash.h>

#include <algorithm>
#include <array>

#include "core/format/byte_writer.h"

namespace holdfast {
namespace {

/// The next one is stored whole. (No number up to it has digits that add up to more than 13, within kDifferenceDepthMax.)
constexpr std::uint8_t kVersionMax = 254;
constexpr unsigned kBase = 5;  ///< that versions are counted in

/// Balance of tries: below 0 only one chunk in so many is tried; one success makes up for that. One whose bases can't be read
/// may cost a timeout.
constexpr int kBalanceMax = 16;
constexpr int kPriceOfFailure = 4;
constexpr unsigned kTryOneIn = 4;
constexpr unsigned kAskOneIn = 16;

/// What the differences of a chain may take: half of what its whole chunks do, so that reading it reads half as much again at most; where these are small, up
/// to a 32nd of their plaintext, which is next to nothing beside the cost of asking for it.
std::uint64_t chain_limit(std::uint64_t whole_record_bytes, std::uint64_t plain_bytes) {
  return std::max(whole_record_bytes / 2, std::min(whole_record_bytes, plain_bytes / 32));
}

/// A difference is poor when it takes more than a fifth of what the chunk would take whole, and more than a 64th of its plaintext.
std::uint64_t poor_above(std::uint64_t whole_bytes, std::uint64_t plain_bytes) { return std::max(whole_bytes / 5, plain_bytes / 64); }

// Beside the numbers of super-features:
constexpr std::uint64_t kBehind = 255;
constexpr std::uint64_t kBefore = 254;

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

/// Of the chunk behind that of `fp` in its file.
FeatureKey key_behind(std::uint32_t domain, const Fingerprint& fp) { return key_of(domain, kBehind, fp.view()); }
/// Of the one before it.
FeatureKey key_before(std::uint32_t domain, const Fingerprint& fp) { return key_of(domain, kBefore, fp.view()); }

}  // namespace

std::size_t links_to_skip(std::uint8_t newest_version) noexcept {
  std::size_t skip = 0;
  for (unsigned rest = newest_version; rest % kBase == kBase - 1; rest /= kBase) skip += kBase - 1;
  return skip;
}

std::uint8_t version_of_depth(int depth) noexcept {
  unsigned version = 0;
  for (unsigned unit = 1; depth > 0 && version < kVersionMax; unit *= kBase) {
    version += unit * static_cast<unsigned>(std::min(depth, static_cast<int>(kBase) - 1));
    depth -= static_cast<int>(kBase) - 1;
  }
  return static_cast<std::uint8_t>(std::min<unsigned>(version, kVersionMax));
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
  return subject.before_like ? parts_.features.find(key_behind(subject.domain, *subject.before_like)) : std::nullopt;
}

std::optional<ChunkRef> BaseFinder::reference_of(const Fingerprint& fp) const {
  std::optional<ChunkRef> ref = parts_.reading.stage.find_known(fp);
  if (!ref) ref = parts_.reading.index.find_known(fp).value_or(std::nullopt);
  return ref && ref->kind == ChunkKind::kData ? ref : std::nullopt;
}

/// A disk that was asked in vain counts as a try that did not pay: one that hangs must not be asked for each chunk. What is not at hand cost nothing: a cache that holds a part of the
/// bases is worth all its looks.
std::optional<BaseFinder::Found> BaseFinder::out_of_reach(std::uint32_t domain, const Error& why) {
  if (why.code() == ErrorCode::kNotFound) return std::nullopt;
  note(domain, false);
  luck_of(domain).one_in.store(kAskOneIn, std::memory_order_relaxed);
  return std::nullopt;
}

/// What the next version of a chunk leans on.
struct BaseFinder::Base {
  BaseReader::Chain chain;
  std::size_t member = 0;  ///< of the chain
  RecordClosure::Cost cost;
  [[nodiscard]] const ChunkRef& ref() const { return chain.records.ref(member); }
  [[nodiscard]] PackNumber pack() const { return chain.packs[member]; }
};

/// Not opened yet: most of what a base costs is its decoding. A version that isn't known is taken for the first that has a chain of that length. Errors: BaseReader::chain's.
Result<BaseFinder::Base> BaseFinder::base_for_next_version(const ChunkRef& newest, std::optional<std::uint8_t> version) const {
  HOLDFAST_ASSIGN(BaseReader::Chain chain, reader_.chain(newest));
  if (!version) {
    int depth = 0;
    for (auto base = chain.records.first_base(0); base; base = chain.records.first_base(*base)) ++depth;
    version = version_of_depth(depth);
  }
  std::size_t member = 0;
  for (std::size_t skip = links_to_skip(*version); skip > 0; --skip) {
    const auto base = chain.records.first_base(member);
    if (!base) break;
    member = *base;
  }
  const RecordClosure::Cost cost = chain.records.cost({&member, 1});
  return Base{std::move(chain), member, cost};
}

std::optional<BaseFinder::Found> BaseFinder::find(const Subject& subject) {
  const auto similar = candidate(subject);
  if (!similar || similar->version >= kVersionMax) return std::nullopt;
  Luck& luck = luck_of(subject.domain);
  const bool is_probe = luck.balance.load(std::memory_order_relaxed) < 0;
  if (is_probe && luck.passed.fetch_add(1, std::memory_order_relaxed) % luck.one_in.load(std::memory_order_relaxed) != 0) return std::nullopt;
  const auto newest = reference_of(similar->fp);
  if (!newest) return std::nullopt;
  const auto base = base_for_next_version(*newest, similar->version);
  if (!base) return out_of_reach(subject.domain, base.error());
  const std::uint64_t limit = chain_limit(base->cost.whole_bytes, base->ref().plain_size_bytes);
  if (base->cost.difference_bytes >= limit || base->cost.records > kLeansOnMax) return std::nullopt;
  auto opened = base->chain.records.open(base->member);
  if (!opened) return out_of_reach(subject.domain, opened.error());
  if (opened->depth >= kDifferenceDepthMax) return std::nullopt;

  Found found;
  found.plain = std::move(opened->plain);
  found.base = {{base->ref()}, found.plain.view(), opened->depth, static_cast<std::uint32_t>(limit - base->cost.difference_bytes)};
  found.packs = {base->pack()};
  found.like = similar->fp;
  found.version = static_cast<std::uint8_t>(similar->version + 1);
  found.poor_bytes = poor_above(base->cost.whole_bytes * subject.size_bytes / found.plain.size(), subject.size_bytes);
  found.cost = base->cost;
  found.is_probe = is_probe;
  return found;
}

std::optional<BaseFinder::Found> BaseFinder::widen(std::uint32_t domain, const Found& found, Side side) {
  const auto neighbour = parts_.features.find(side == Side::kBehind ? key_behind(domain, found.like) : key_before(domain, found.like));
  if (!neighbour || neighbour->fp == found.like) return std::nullopt;
  const auto newest = reference_of(neighbour->fp);
  if (!newest) return std::nullopt;
  const auto second = base_for_next_version(*newest, std::nullopt);
  if (!second || second->ref().id == found.base.refs.front().id) return std::nullopt;
  Found both = found;
  both.cost.whole_bytes += second->cost.whole_bytes;
  both.cost.difference_bytes += second->cost.difference_bytes;
  both.cost.records += second->cost.records;
  const std::uint64_t limit = chain_limit(both.cost.whole_bytes, found.plain.size() + second->ref().plain_size_bytes);
  if (both.cost.records > kLeansOnMax || both.cost.difference_bytes >= limit) return std::nullopt;
  const auto opened = second->chain.records.open(second->member);
  if (!opened || opened->depth >= kDifferenceDepthMax) return std::nullopt;
  // Whatever stands where in the file, the first base is the one that the subject is a version of: versions are followed along first bases.
  both.plain = SharedBytes::joined(found.plain.view(), opened->plain.view());
  both.base.refs.push_back(second->ref());
  both.base.plain = both.plain.view();
  both.base.depth = std::max(found.base.depth, opened->depth);
  both.base.record_max_bytes = static_cast<std::uint32_t>(limit - both.cost.difference_bytes);
  both.packs.push_back(second->pack());
  return both;
}

void BaseFinder::note(std::uint32_t domain, bool took_difference) {
  Luck& luck = luck_of(domain);
  luck.one_in.store(kTryOneIn, std::memory_order_relaxed);
  auto& balance = luck.balance;
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
  if (subject.before) {
    entries.push_back({key_behind(subject.domain, *subject.before), chunk});
    entries.push_back({key_before(subject.domain, fp), {*subject.before, 0}});  // its version is not known here, and not asked for
  }
  if (!entries.empty()) parts_.features.add(entries);
}

bool BaseFinder::relearn(std::uint32_t domain, const ChunkRef& ref, const std::optional<Fingerprint>& before) {
  const auto chain = reader_.chain(ref);
  if (!chain) return false;
  const auto opened = chain->records.open();
  if (!opened) return false;
  learn({domain, opened->plain.size(), similarity(opened->plain.view()), before, {}}, ref.fp, version_of_depth(opened->depth));
  return true;
}

}  // namespace holdfast
