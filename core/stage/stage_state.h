// SPDX-License-Identifier: Apache-2.0
#pragma once

// Inside of core/stage; included by its .cpp files alone.

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <unordered_map>

#include "core/stage/local_file.h"
#include "core/stage/stage.h"
#include "core/stage/stage_records.h"

namespace holdfast {

/// A pack that records are appended to, or that is being closed, or that was closed since the last prepare.
struct OpenPack {
  PackNumber number = 0;
  std::uint32_t domain = 0;
  PackHeader header{};
  std::string path;
  LocalFile file;

  // Guarded by State::mutex; only the thread that holds the lane appends.
  std::vector<PackEntry> entries;
  std::vector<ChunkRef> refs;        ///< one an entry
  std::set<PackNumber> leans_on;     ///< packs of bases, but for this one
  std::uint64_t length = kPackHeaderBytes;
  std::size_t told = 0;              ///< entries that were given to a prepare
  std::size_t indexed = 0;           ///< entries that the index has
  bool opened_told = false;

  std::mutex close_mutex;            ///< taken before State::mutex
  std::optional<PackTail> tail;      ///< made once: a second attempt at closing must give the same pack id
  bool is_closed = false;
};

/// Where a domain's records go.
struct StageLane {
  std::mutex mutex;  ///< held while a record is written; taken before all others
  std::shared_ptr<OpenPack> pack;
  std::uint64_t target_bytes = 0;
};

/// Lock order: lane, close_mutex, the table's, mutex. No callback is called under any of them.
struct Stage::State {
  State(StageOptions&& given, ChunkIndex& chunk_index, RandomSource& source)
      : options(std::move(given)), index(chunk_index), random(source), packs_directory(options.state_directory + "/packs") {}

  StageOptions options;
  ChunkIndex& index;
  RandomSource& random;
  std::string packs_directory;
  std::unique_ptr<PackTable> table;
  std::unique_ptr<KeptNodes> kept_nodes;
  std::uint64_t reserve_bytes = 0;
  std::function<void(const StagedPack&)> pack_closed;
  std::function<void()> space_freed;

  std::mutex lanes_mutex;
  std::map<std::uint32_t, std::shared_ptr<StageLane>> lanes;

  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::uint64_t> untold_records{0};
  std::atomic<bool> index_refuses{false};
  std::atomic<bool> index_is_damaged{false};

  mutable std::shared_mutex mutex;
  std::map<PackNumber, std::shared_ptr<OpenPack>> open;
  std::map<PackNumber, StagedPack> closed;
  std::vector<std::shared_ptr<OpenPack>> closed_untold;
  std::vector<std::shared_ptr<OpenPack>> closed_unindexed;  ///< told, but the index did not take all: they stay in the journal until it did
  std::vector<Bytes> dropped_untold;
  std::unordered_map<ChunkId, ChunkLocation> pending_ids;      ///< not in the index yet
  std::unordered_map<Fingerprint, ChunkRef> pending_refs;
  PackNumber last_number = 0;
  bool restate = false;         ///< the next prepare tells all of the open packs
  std::optional<Error> broken;  ///< a sync failed: nothing can be committed any more

  // Replay, one thread.
  std::map<PackNumber, std::shared_ptr<OpenPack>> replayed;
  std::map<PackNumber, std::uint64_t> unopened;  ///< packs whose opening was not replayed, with the count of their chunks
  std::vector<IndexEntry> replayed_entries;
  ReplayReport report;

  void step(std::string_view name) const {
    if (options.at_step) options.at_step(name);
  }
  [[nodiscard]] std::string open_path(PackNumber number) const {
    return packs_directory + "/" + std::to_string(number) + ".open";
  }
  [[nodiscard]] std::string closed_path(const PackId& id) const { return packs_directory + "/" + id.hex() + ".pack"; }

  std::shared_ptr<StageLane> lane(std::uint32_t domain);
  Status check_room(const NewRecord& record) const;
  Status check_disk(const NewRecord& record) const;
  Result<std::shared_ptr<OpenPack>> open_pack(std::uint32_t domain);
  Result<ChunkLocation> append_to(StageLane& lane, const NewRecord& record);
  Status close_pack(OpenPack& pack);
  Status sync(OpenPack& pack);
  Status close_file(OpenPack& pack, StagedPack& done);
  /// Puts entries [pack.indexed, until) into the index, then forgets them here.
  Status put_into_index(OpenPack& pack, std::size_t until);
  Status try_index(std::span<const IndexEntry> batch);
  void index_told();
  void index_closed(const std::vector<std::shared_ptr<OpenPack>>& packs);
  void tell(OpenPack& pack, std::size_t until, bool all, std::vector<Bytes>& records);

  Status replay_opened(const PackOpenedRecord& record);
  Status replay_chunks(ChunksRecord& record);
  Status replay_closed(const PackClosedRecord& record);
  Status flush_replayed();
  Status reopen(const std::shared_ptr<OpenPack>& pack);
  [[nodiscard]] std::set<PackNumber> packs_of_bases(const std::vector<PackEntry>& entries, PackNumber self) const;
  Status find_closed_files();
  Status sweep();
  Status adopt(const std::string& path);
};

}  // namespace holdfast
