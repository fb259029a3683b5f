// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "core/chunk/chunk_codec.h"
#include "core/chunk/similarity.h"
#include "core/index/feature_table.h"
#include "core/ingest/base_reader.h"

namespace holdfast {

/// What new chunks are stored as differences to (design §2 "Why differences"). A chunk's base is looked for among chunks of its domain: first one that shares a
/// super-feature with it, else the one that once followed what the chunk before it in the stream is like: where an edit fell on a cut, chunks were merged or split,
/// and their features say little. Safe from any thread.
class BaseFinder {
 public:
  struct Parts {
    const GearTable& gear;
    FeatureTable& features;
    BaseReader::Parts reading;
  };
  explicit BaseFinder(const Parts& parts) : parts_(parts), reader_(parts.reading) {}

  /// A new chunk, and what is known of the one before it in its stream.
  struct Subject {
    std::uint32_t domain = 0;
    std::uint64_t size_bytes = 0;
    std::optional<Similarity> similarity;
    std::optional<Fingerprint> before;       ///< its own
    std::optional<Fingerprint> before_like;  ///< of the older chunk that it is like: itself, where it was known already
  };
  [[nodiscard]] std::optional<Similarity> similarity(ByteView plain) const { return similarity_of(parts_.gear, plain); }

  /// One or two bases with their plaintext.
  struct Found {
    SharedBytes plain;
    DifferenceBase base;             ///< points to `plain`
    std::vector<PackNumber> packs;   ///< where the bases lie
    std::uint8_t version = 0;        ///< of the chunk that leans on them
    Fingerprint like;                ///< of the newest version: what the subject is like, whatever of its chain it leans on
    std::uint64_t poor_bytes = 0;    ///< a difference that is longer leaves much of the subject uncovered: then widen() is worth its while
    RecordClosure::Cost cost;
    bool is_probe = false;           ///< one of the few that are tried where trying does not pay: not worth a second base when the first fails
  };
  /// Nullopt: the chunk is to be stored whole. What it costs to find out is bounded where trying never pays (see note()).
  [[nodiscard]] std::optional<Found> find(const Subject& subject);

  /// The same with a second base, the first's neighbour in its file: where an edit took a cut away, both were merged into the subject. Nullopt where there is none.
  enum class Side { kBehind, kBefore };
  [[nodiscard]] std::optional<Found> widen(std::uint32_t domain, const Found& found, Side side);

  /// How it went: the chunk was stored as a difference to `found`, or whole although there was one.
  void note(std::uint32_t domain, bool took_difference);

  /// The subject was stored, under that fingerprint: later ones may lean on it.
  void learn(const Subject& subject, const Fingerprint& fp, std::uint8_t version);

  /// The same of a chunk that was stored long ago, where it is at hand; whether it was. `before` is the one before it in its file.
  bool relearn(std::uint32_t domain, const ChunkRef& ref, const std::optional<Fingerprint>& before);

 private:
  /// Whether bases are worth their trying: in data that only seems similar each costs a chain that is read and a difference that is thrown away.
  struct Luck {
    std::atomic<int> balance{0};   ///< of tries that paid and tries that did not, within bounds
    std::atomic<unsigned> passed{0};
    std::atomic<unsigned> one_in{1};  ///< that is tried while the balance is below 0
  };
  struct Base;
  [[nodiscard]] std::optional<SimilarChunk> candidate(const Subject& subject);
  [[nodiscard]] Result<Base> base_for_next_version(const ChunkRef& newest, std::optional<std::uint8_t> version) const;
  [[nodiscard]] std::optional<ChunkRef> reference_of(const Fingerprint& fp) const;
  std::optional<Found> out_of_reach(std::uint32_t domain, const Error& why);
  Luck& luck_of(std::uint32_t domain);

  const Parts parts_;
  const BaseReader reader_;
  std::mutex luck_mutex_;
  std::map<std::uint32_t, std::unique_ptr<Luck>> luck_;
};

/// How many links of the newest version's chain are skipped, so that the new version leans on an older one: versions are counted in digits of base 5, and each leans on the one
/// whose lowest digit that isn't 0 is one less. So 30 versions need chains of at most 8, and four of five lean on the version just before them, which costs least.
std::size_t links_to_skip(std::uint8_t newest_version) noexcept;
/// A version whose chain has so many differences, 0..kDifferenceDepthMax.
std::uint8_t version_of_depth(int depth) noexcept;

}  // namespace holdfast
