// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "core/chunk/chunk_codec.h"
#include "tests/ingest/ingest_rig.h"

// New chunks that are stored as differences to older ones.
namespace holdfast {
namespace {

using testing::IngestRig;
using testing::SeededRandom;

constexpr std::size_t kSize = 65'536;

/// Text that compresses about 2 : 1, so that a whole record is large beside a difference.
Bytes text(SeededRandom& random, std::size_t size = kSize) {
  Bytes out = random.bytes(size);
  for (auto& byte : out) byte = static_cast<std::uint8_t>('a' + byte % 16);
  return out;
}

/// Some runs of 20 bytes are others.
Bytes next_version(Bytes plain, SeededRandom& random, int changes = 5) {
  for (int i = 0; i < changes; ++i) {
    const Bytes fresh = text(random, 20);
    std::copy(fresh.begin(), fresh.end(), plain.begin() + static_cast<std::ptrdiff_t>(random.next() % (plain.size() - 20)));
  }
  return plain;
}

class Differences : public ::testing::Test {
 protected:
  void SetUp() override {
    rig.features = make_memory_feature_table();
    rig.options.threads = 1;
    ASSERT_TRUE(rig.open());
  }
  ChunkRef store(const Bytes& plain) {
    const auto ref = rig.submit(plain);
    if (!ref) ADD_FAILURE() << ref.error().message();
    return ref ? *ref : ChunkRef{};
  }
  /// As a stream's.
  std::vector<ChunkRef> store_in_turn(const std::vector<Bytes>& plains) {
    std::vector<PlainChunk> shared;
    for (const Bytes& plain : plains) shared.push_back({SharedBytes::copy_of(plain)});
    std::vector<ChunkRef> refs;
    for (const auto& ticket : rig.pipeline->submit_all(7, shared, nullptr)) refs.push_back(ticket->wait().value());
    return refs;
  }
  void expect_readable(const ChunkRef& ref, const Bytes& plain) {
    const auto back = rig.source->read(ref, {});
    ASSERT_TRUE(back) << back.error().message();
    EXPECT_EQ(*back, plain);
  }
  Bytes record_of(const ChunkRef& ref) {
    const VerifiedRecord record = rig.source->read_record(ref.id, {}).value();
    return {record.view().begin(), record.view().end()};
  }
  std::vector<ChunkRef> bases_of(const ChunkRef& ref) { return leans_on(ref, record_of(ref)).value(); }
  int depth_of(const ChunkRef& ref) {
    int depth = 0;
    for (const ChunkRef& base : bases_of(ref)) depth = std::max(depth, depth_of(base) + 1);
    return depth;
  }
  IngestRig rig;
  SeededRandom random_{77};
};

TEST_F(Differences, NextVersionOfAChunk_TakesNextToNothing) {
  const Bytes first = text(random_);
  const ChunkRef whole = store(first);
  const Bytes second = next_version(first, random_);
  const ChunkRef difference = store(second);
  EXPECT_EQ(depth_of(whole), 0);
  ASSERT_EQ(depth_of(difference), 1);
  EXPECT_EQ(bases_of(difference).at(0).id, whole.id);
  EXPECT_LT(record_of(difference).size(), record_of(whole).size() / 20);
  EXPECT_EQ(rig.pipeline->counters().chunks_differences, 1U);
  // It is known under its own content, from memory and after everything left for the networks.
  EXPECT_EQ(store(second), difference);
  rig.move_to_networks({"b"});
  expect_readable(difference, second);
}

TEST_F(Differences, ThirtyVersions_NeedChainsOfEightAndAllComeBack) {
  std::vector<std::pair<ChunkRef, Bytes>> versions;
  Bytes plain = text(random_);
  for (int i = 0; i < 31; ++i) {
    versions.emplace_back(store(plain), plain);
    plain = next_version(plain, random_, 2);
  }
  int next_to_it = 0;
  for (std::size_t i = 1; i < versions.size(); ++i) {
    EXPECT_LE(depth_of(versions[i].first), 8) << i;
    ASSERT_GT(depth_of(versions[i].first), 0) << i;
    if (bases_of(versions[i].first).at(0).id == versions[i - 1].first.id) ++next_to_it;
  }
  EXPECT_EQ(next_to_it, 24);  // of 1 to 30 those that 5 doesn't divide
  EXPECT_EQ(bases_of(versions[5].first).at(0).id, versions[0].first.id);
  EXPECT_EQ(bases_of(versions[15].first).at(0).id, versions[10].first.id);
  rig.move_to_networks({"b"});
  for (const auto& [ref, content] : versions) expect_readable(ref, content);
}

TEST(LinksToSkip, VersionsAreCountedInDigitsOfBase5) {
  for (unsigned version = 0; version < 254; ++version) {
    unsigned digits = 0;
    for (unsigned rest = version; rest > 0; rest /= 5) digits += rest % 5;
    // Skipping leads from the newest version's depth to that of the next one's base.
    unsigned next_digits = 0;
    for (unsigned rest = version + 1; rest > 0; rest /= 5) next_digits += rest % 5;
    EXPECT_EQ(digits - links_to_skip(static_cast<std::uint8_t>(version)) + 1, next_digits) << version;
  }
}

/// Up to the deepest that the counting gives; a chain that another rule made longer ends with the next chunk.
TEST(LinksToSkip, VersionOfADepth_HasThatManyDigits) {
  EXPECT_EQ(version_of_depth(kDifferenceDepthMax), 254);
  for (int depth = 0; depth <= 13; ++depth) {
    int digits = 0;
    for (unsigned rest = version_of_depth(depth); rest > 0; rest /= 5) digits += static_cast<int>(rest % 5);
    EXPECT_EQ(digits, depth);
  }
}

TEST_F(Differences, LostFeatures_AreFoundAgainInTheChunks) {
  Bytes plain = text(random_);
  ChunkRef ref = store(plain);
  for (int i = 0; i < 6; ++i) {
    plain = next_version(plain, random_, 1);
    ref = store(plain);
  }
  ASSERT_EQ(depth_of(ref), 2);  // version 6 is 11 in base 5
  rig.move_to_networks({"a"});
  rig.features->clear();
  EXPECT_TRUE(rig.bases->relearn(7, ref, {}));
  const Bytes next = next_version(plain, random_, 1);
  const ChunkRef difference = store(next);
  EXPECT_EQ(depth_of(difference), 3);
  expect_readable(difference, next);
  rig.move_to_networks({"b"});
  EXPECT_FALSE(rig.bases->relearn(7, difference, {})) << "it is far away";
}

TEST_F(Differences, ChainThatCostsAsMuchAsAWholeChunk_EndsWithOne) {
  Bytes plain = text(random_);
  store(plain);
  bool ended = false;
  std::uint64_t differences = 0;
  std::uint64_t whole = record_of(store(plain)).size();
  for (int i = 0; i < 20 && !ended; ++i) {
    plain = next_version(plain, random_, 300);  // a tenth of it
    const ChunkRef ref = store(plain);
    ended = depth_of(ref) == 0;
    if (!ended) differences += record_of(ref).size();
  }
  EXPECT_TRUE(ended);
  EXPECT_LE(differences, 2 * whole);
}

TEST_F(Differences, MergedAndSplitChunks_AreFoundByTheirNeighbours) {
  const Bytes a = text(random_, 40'000), b = text(random_, 40'000), c = text(random_, 40'000);
  const auto before = store_in_turn({a, b, c});
  // The end of b alone: 8 % of it, whose features are b's by chance only.
  const Bytes rest(b.begin() + 36'500, b.end());
  const Bytes joined = [&] {
    Bytes out = rest;
    const Bytes fresh = text(random_, 600);
    append(out, fresh);
    return out;
  }();
  const auto after = store_in_turn({next_version(a, random_), joined});
  EXPECT_EQ(bases_of(after[0]).at(0).id, before[0].id);
  ASSERT_EQ(depth_of(after[1]), 1);
  EXPECT_EQ(bases_of(after[1]).at(0).id, before[1].id);
  expect_readable(after[1], joined);
  // Without a chunk before it nothing tells.
  EXPECT_EQ(depth_of(store(Bytes(b.begin() + 36'000, b.end()))), 0);
}

TEST_F(Differences, MergedChunk_LeansOnBothThatItWasMadeOf) {
  const Bytes a = text(random_, 60'000), b = text(random_, 50'000);
  const auto before = store_in_turn({a, b});
  Bytes merged = next_version(a, random_);
  append(merged, next_version(b, random_));
  const ChunkRef ref = store_in_turn({merged}).front();
  const auto bases = bases_of(ref);
  ASSERT_EQ(bases.size(), 2U);
  EXPECT_EQ(bases[0].id, before[0].id);
  EXPECT_EQ(bases[1].id, before[1].id);
  EXPECT_LT(record_of(ref).size(), 1'500U);
  rig.move_to_networks({"b"});
  expect_readable(ref, merged);
}

TEST_F(Differences, MergedChunksOverAndOver_AllComeBack) {
  // Two chunks become one, and two again, and so on.
  std::vector<std::pair<ChunkRef, Bytes>> all;
  Bytes a = text(random_, 40'000), b = text(random_, 40'000);
  for (int round = 0; round < 40; ++round) {
    a = next_version(a, random_, 2);
    b = next_version(b, random_, 2);
    Bytes merged = a;
    append(merged, b);
    const auto refs = round % 2 == 0 ? store_in_turn({a, b}) : store_in_turn({merged});
    all.emplace_back(refs.front(), round % 2 == 0 ? a : merged);
  }
  EXPECT_TRUE(std::any_of(all.begin(), all.end(), [&](const auto& each) { return bases_of(each.first).size() == 2; }));
  rig.move_to_networks({"b"});
  for (const auto& [ref, plain] : all) {
    EXPECT_LE(depth_of(ref), kDifferenceDepthMax);
    expect_readable(ref, plain);
  }
}

TEST_F(Differences, BaseFarAway_IsNotFetched) {
  const Bytes first = text(random_);
  store(first);
  rig.move_to_networks({"b"});
  EXPECT_EQ(depth_of(store(next_version(first, random_))), 0);
  EXPECT_EQ(rig.source->counters().network_reads, 0U);
}

TEST_F(Differences, BaseOnANetworkAtHandOrInTheCache_IsUsed) {
  const Bytes first = text(random_);
  store(first);
  rig.move_to_networks({"a"});
  const Bytes second = next_version(first, random_);
  const ChunkRef difference = store(second);
  EXPECT_EQ(depth_of(difference), 1);
  rig.move_to_networks({"b"});
  expect_readable(difference, second);  // fetched, so it is cached
  EXPECT_EQ(depth_of(store(next_version(first, random_, 3))), 2);
}

TEST_F(Differences, BaseWhosePackIsLost_IsNotLeanedOn) {
  const Bytes first = text(random_);
  const ChunkRef whole = store(first);
  rig.move_to_networks({"b"});
  expect_readable(whole, first);  // cached, and so at hand for a while
  for (const auto& [pack, copies] : rig.copies_) rig.damaged.insert(pack);
  EXPECT_EQ(depth_of(store(next_version(first, random_))), 0);
}

TEST_F(Differences, KnownDifferenceWhoseBaseIsLost_IsStoredAnew) {
  const Bytes first = text(random_), second = next_version(first, random_), third = next_version(second, random_);
  const ChunkRef whole = store(first);
  rig.move_to_networks({"a"});
  const auto lost = rig.copies_.begin()->first;
  const ChunkRef difference = store(second);
  ASSERT_EQ(depth_of(difference), 1);
  ASSERT_TRUE(rig.journal->commit());
  ASSERT_TRUE(rig.open());  // the pack of the difference is still open, and goes on
  EXPECT_EQ(rig.stage->leans_on(rig.source->locate(difference.id)->pack), std::vector<PackNumber>{rig.source->locate(whole.id)->pack});
  const ChunkRef further = store(third);
  ASSERT_EQ(depth_of(further), 2);
  rig.move_to_networks({"a"});
  EXPECT_EQ(store(second), difference);
  rig.damaged.insert(lost);
  rig.clock.advance(std::chrono::seconds(11));
  const ChunkRef anew = store(second);
  EXPECT_NE(anew, difference);
  EXPECT_EQ(depth_of(anew), 0);
  EXPECT_NE(store(third), further);
  // What is stored now leans on nothing that was lost.
  const Bytes fourth = next_version(second, random_, 1);
  const ChunkRef newest = store(fourth);
  rig.faulty["a"]->always(StoreVerb::kRead, {testing::Fault::Kind::kFlip, ErrorCode::kUnavailable});
  rig.cache = make_memory_chunk_cache(64ULL << 20U);
  ASSERT_TRUE(rig.journal->commit());
  ASSERT_TRUE(rig.open());
  expect_readable(newest, fourth);
  expect_readable(anew, second);
}

TEST_F(Differences, DamagedBase_IsNotLeanedOn) {
  const Bytes first = text(random_);
  store(first);
  rig.move_to_networks({"a"});
  rig.faulty["a"]->always(StoreVerb::kRead, {testing::Fault::Kind::kFlip, ErrorCode::kUnavailable});
  const Bytes second = next_version(first, random_);
  const ChunkRef ref = store(second);
  EXPECT_EQ(depth_of(ref), 0);
  expect_readable(ref, second);
}

TEST_F(Differences, FeatureTableThatIsWrong_CostsSpaceAlone) {
  const Bytes plain = text(random_);
  // Somebody else's entry under the features of what comes: an unknown chunk, then a known one that is nothing like it.
  BaseFinder::Subject subject{7, plain.size(), rig.bases->similarity(plain), {}, {}};
  rig.bases->learn(subject, Fingerprint{{1, 2, 3}}, 200);
  EXPECT_EQ(depth_of(store(plain)), 0);
  const ChunkRef other = store(random_.bytes(kSize));
  const Bytes next = next_version(plain, random_);
  subject.similarity = rig.bases->similarity(next);
  rig.bases->learn(subject, other.fp, 254);
  const ChunkRef ref = store(next);
  expect_readable(ref, next);
}

TEST_F(Differences, BasesThatNeverHelp_AreSoonNotTriedForEachChunk) {
  // Every chunk shares features with one that is nothing like it.
  const ChunkRef other = store(random_.bytes(kSize));
  int tried = 0;
  for (int i = 0; i < 200; ++i) {
    const Bytes plain = random_.bytes(kSize);
    BaseFinder::Subject subject{7, plain.size(), rig.bases->similarity(plain), {}, {}};
    rig.bases->learn(subject, other.fp, 0);
    if (rig.bases->find(subject)) {
      ++tried;
      rig.bases->note(7, false);
    }
  }
  EXPECT_LE(tried, 200 / 4 + 8);
  // One that helps, and all are tried again.
  rig.bases->note(7, true);
  const Bytes plain = random_.bytes(kSize);
  BaseFinder::Subject subject{7, plain.size(), rig.bases->similarity(plain), {}, {}};
  rig.bases->learn(subject, other.fp, 0);
  EXPECT_TRUE(rig.bases->find(subject));
}

TEST_F(Differences, BasesOutOfReach_AreNotAskedForWithEachChunk) {
  std::vector<Bytes> plains;
  for (int i = 0; i < 60; ++i) {
    plains.push_back(text(random_, 20'000));
    store(plains.back());
  }
  rig.move_to_networks({"a"});
  rig.faulty["a"]->always(StoreVerb::kRead, {testing::Fault::Kind::kErrorInstead, ErrorCode::kUnavailable});
  for (int i = 0; i < 40; ++i) EXPECT_EQ(depth_of(store(next_version(plains[static_cast<std::size_t>(i)], random_))), 0);
  EXPECT_LE(rig.faulty["a"]->calls(StoreVerb::kRead), 10);
  // It is back: one of 16 chunks finds out, and all after it have their bases.
  rig.faulty["a"]->clear();
  int differences = 0;
  for (int i = 40; i < 60; ++i) differences += depth_of(store(next_version(plains[static_cast<std::size_t>(i)], random_)));
  EXPECT_GE(differences, 4);
}

TEST_F(Differences, OtherDomains_ShareNoBases) {
  const Bytes first = text(random_);
  ASSERT_TRUE(rig.submit(first, 7));
  const auto ref = rig.submit(next_version(first, random_), 8);
  ASSERT_TRUE(ref);
  EXPECT_EQ(depth_of(*ref), 0);
}

TEST_F(Differences, RandomEdits_EveryVersionComesBackWithoutIndexOfFeatures) {
  rig.options.threads = 0;
  ASSERT_TRUE(rig.open());
  std::vector<std::pair<ChunkRef, Bytes>> all;
  std::vector<Bytes> files;
  for (int i = 0; i < 6; ++i) files.push_back(text(random_, 5'000 + random_.next() % 120'000));
  for (int round = 0; round < 25; ++round) {
    for (Bytes& file : files) {
      const std::size_t at = random_.next() % file.size();
      const std::size_t size = std::min<std::size_t>(random_.next() % 3'000 + 1, file.size() - at);
      const auto begin = file.begin() + static_cast<std::ptrdiff_t>(at);
      const Bytes part(begin, begin + static_cast<std::ptrdiff_t>(size));
      switch (random_.next() % 5) {
        case 0: file.insert(begin, part.begin(), part.end()); break;                                        // duplicate
        case 1: file = next_version(file, random_); break;                                                  // replace
        case 2: if (file.size() > size + 4'500) file.erase(begin, begin + static_cast<std::ptrdiff_t>(size)); break;  // delete
        case 3: std::rotate(file.begin(), begin, file.end()); break;                                        // move
        default: { const Bytes fresh = text(random_, size); file.insert(begin, fresh.begin(), fresh.end()); }         // insert
      }
      if (file.size() > 200'000) file.resize(150'000);
      all.emplace_back(store(file), file);
    }
    if (round == 12) rig.move_to_networks({"a"});
  }
  EXPECT_GT(rig.pipeline->counters().chunks_differences, 20U);
  rig.move_to_networks({"b"});
  rig.features->clear();
  rig.cache = make_memory_chunk_cache(64ULL << 20U);
  ASSERT_TRUE(rig.open());
  for (const auto& [ref, plain] : all) expect_readable(ref, plain);
}

/// Sealed bytes of files that are stored one after the other.
std::uint64_t stored_bytes(const std::vector<Bytes>& files, std::shared_ptr<FeatureTable> features) {
  IngestRig rig;
  rig.features = std::move(features);
  rig.options.threads = 1;
  EXPECT_TRUE(rig.open());
  const GearChunker chunker = *GearChunker::create(rig.gear, {});
  for (const Bytes& file : files) {
    std::shared_ptr<ChunkTicket> last;
    for (ByteView rest = file; !rest.empty();) {
      const std::size_t size = chunker.first_cut(rest).value_or(rest.size());
      last = rig.pipeline->submit(7, {SharedBytes::copy_of(rest.first(size))}, last);
      rest = rest.subspan(size);
    }
    EXPECT_TRUE(last == nullptr || last->wait());
  }
  return rig.pipeline->counters().bytes_stored;
}

/// Lines of a made-up table, some of them changed by `seed`, in the order that `order` gives.
Bytes table_dump(std::size_t rows, std::uint64_t seed, const std::function<std::size_t(std::size_t)>& order) {
  std::string out;
  for (std::size_t i = 0; i < rows; ++i) {
    const std::size_t row = order(i);
    SeededRandom random(row % 97 == seed % 97 ? row * 1'000 + seed : row);
    out += std::to_string(row) + "\t" + std::to_string(random.next()) + "\tsome text that is the same in all rows\t" + std::to_string(random.next() % 1'000) + "\n";
  }
  return Bytes(out.begin(), out.end());
}

TEST(AdversarialData, TakesNoMoreThanWithoutDifferences) {
  SeededRandom random(5);
  const Bytes noise = random.bytes(2'000'000);
  Bytes period = random.bytes(777);
  Bytes repeated;
  while (repeated.size() < 2'000'000) {
    append(repeated, period);
    period[random.next() % period.size()] ^= 1;  // alike everywhere, and nowhere the same
  }
  const auto sorted = [](std::size_t i) { return i; };
  const auto shuffled = [](std::size_t i) { return i * 7'919 % 20'000; };
  Bytes joined = noise;
  append(joined, repeated);
  append(joined, table_dump(20'000, 1, sorted));
  const std::vector<std::pair<std::string, std::vector<Bytes>>> cases{
      {"zeros", {Bytes(3'000'000), Bytes(1'234'567)}},
      {"one byte among zeros", {Bytes(1'000'000), [] { Bytes b(1'000'000); b[500'000] = 1; return b; }()}},
      {"a pattern that changes slowly", {repeated, repeated}},
      {"the same noise twice", {noise, noise}},
      {"noise and other noise", {noise, random.bytes(2'000'000)}},
      {"a file made of others", {noise, repeated, table_dump(20'000, 1, sorted), joined}},
      {"unsorted after sorted", {table_dump(20'000, 1, sorted), table_dump(20'000, 2, shuffled)}},
      {"the next day", {table_dump(20'000, 1, sorted), table_dump(20'000, 2, sorted)}},
  };
  for (const auto& [name, files] : cases) {
    const std::uint64_t without = stored_bytes(files, nullptr);
    const std::uint64_t with = stored_bytes(files, make_memory_feature_table());
    EXPECT_LE(with, without * 102 / 100 + 200) << name;
    RecordProperty(name, std::to_string(with) + " of " + std::to_string(without));
    EXPECT_TRUE(name != "the next day" || with <= without * 60 / 100) << "the second day is nearly free";
  }
}

}  // namespace
}  // namespace holdfast
