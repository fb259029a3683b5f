// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>

#include "adapters/memory/memory_store.h"
#include "core/ingest/ingest_pipeline.h"
#include "core/ingest/stored_chunk_source.h"
#include "tests/support/fake_clock.h"
#include "tests/support/faulty_store.h"
#include "tests/support/stage_rig.h"

namespace holdfast::testing {

/// Stage, real journal, pipeline and source over one folder; networks "a" (at hand) and "b" in memory.
struct IngestRig final : PlacementDirectory {
  explicit IngestRig(FakeClock::Sleep sleep = FakeClock::Sleep::kJump) : clock(sleep) {
    std::vector<std::shared_ptr<ObjectStore>> stores;
    for (const std::string name : {"a", "b"}) {
      MemoryStore::Options about;
      about.name = name;
      about.is_at_hand = name == "a";
      faulty[name] = std::make_shared<FaultyStore>(std::make_shared<MemoryStore>(about), clock, 5);
      stores.push_back(faulty[name]);
    }
    networks = std::make_unique<NetworkSet>(stores);
  }
  ~IngestRig() override { close(); }

  Status open() {
    close();
    StageOptions how;
    how.state_directory = folder.path();
    how.limit_bytes = limit_bytes;
    how.pack_target_bytes = pack_target_bytes;
    how.maintenance_key = SecretBytes::copy_of(maintenance_key);
    how.table_key = SecretBytes::copy_of(Bytes(32, 2));
    HOLDFAST_ASSIGN(stage, Stage::open(std::move(how), *index, random));
    const auto visit = [&](Journal::Position, ByteView payload) { return stage->replay(payload); };
    HOLDFAST_ASSIGN(journal, Journal::open(folder / "journal", {}, {}, Bytes(32, 3), random, visit));
    HOLDFAST_ASSIGN(report, stage->finish_replay());
    journal->set_prepare([this] { return stage->prepare(); });
    plain_cache = std::make_shared<PlainCache>(plain_cache_bytes);
    if (features) bases = std::make_unique<BaseFinder>(BaseFinder::Parts{gear, *features, {*stage, *index, *cache, *this, *networks, clock}});
    pipeline = std::make_unique<IngestPipeline>(
        options, IngestPipeline::Parts{*stage, *index, *journal, clock, random, *this, plain_cache, bases.get()}, Bytes(32, 4));
    reader = std::make_unique<ReplicatedReader>(*networks, clock);
    source = std::make_unique<StoredChunkSource>(
        source_options, StoredChunkSource::Parts{*stage, *index, *cache, *this, *reader, clock, plain_cache});
    return ok_status();
  }
  void close() {
    source.reset();
    reader.reset();
    pipeline.reset();
    bases.reset();
    journal.reset();
    stage.reset();
  }
  Result<ChunkRef> submit(const Bytes& plain, std::uint32_t domain = 7) {
    return pipeline->submit(domain, {std::make_shared<const Bytes>(plain)})->wait();
  }
  /// Closes what is open, puts it on `on`, and drops it from staging; the plaintext cache is emptied by a restart.
  void move_to_networks(const std::vector<std::string>& on) {
    ASSERT_TRUE(stage->close_open_packs());
    for (const StagedPack& pack : stage->closed_packs()) {
      for (const std::string& name : on) {
        const auto ref = networks->find(name)->put("packs/" + pack.id.hex(), file_bytes(pack.path), {});
        ASSERT_TRUE(ref) << ref.error().message();
        copies_[pack.id].push_back({name, *ref});
      }
      ASSERT_TRUE(stage->drop(pack.number));
    }
    ASSERT_TRUE(journal->commit());
    ASSERT_TRUE(open());
  }
  std::vector<NetworkCopy> copies(const PackId& pack) const override {
    const auto found = copies_.find(pack);
    return found == copies_.end() ? std::vector<NetworkCopy>() : found->second;
  }
  std::vector<NetworkCopy> held_copies(const PackId& pack) const override {
    if (std::exchange(memory_runs_out, false)) throw std::bad_alloc();
    return damaged.contains(pack) ? std::vector<NetworkCopy>() : copies(pack);
  }

  TemporaryFolder folder;
  SeededRandom random{21};
  FakeClock clock;
  Bytes maintenance_key = Bytes(32, 1);
  std::uint64_t limit_bytes = 1ULL << 30U;
  std::uint64_t pack_target_bytes = 16ULL << 20U;
  std::uint64_t plain_cache_bytes = 32ULL << 20U;
  IngestOptions options;
  SourceOptions source_options;
  std::shared_ptr<ChunkIndex> index = make_memory_chunk_index();
  std::shared_ptr<ChunkCache> cache = make_memory_chunk_cache(64ULL << 20U);
  std::shared_ptr<FeatureTable> features;  ///< with one, chunks are stored as differences
  const GearTable gear = make_gear_table(Bytes(32, 9));
  std::map<std::string, std::shared_ptr<FaultyStore>> faulty;
  std::unique_ptr<NetworkSet> networks;
  std::map<PackId, std::vector<NetworkCopy>> copies_;
  mutable bool memory_runs_out = false;  ///< the next time that somebody asks for a good copy
  std::set<PackId> damaged;  ///< packs of whose copies none is good
  Stage::ReplayReport report;
  std::unique_ptr<Stage> stage;
  std::unique_ptr<Journal> journal;
  std::shared_ptr<PlainCache> plain_cache;
  std::unique_ptr<BaseFinder> bases;
  std::unique_ptr<IngestPipeline> pipeline;
  std::unique_ptr<ReplicatedReader> reader;
  std::unique_ptr<StoredChunkSource> source;
};

}  // namespace holdfast::testing
