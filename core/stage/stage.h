// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/random_source.h"
#include "core/base/secret_bytes.h"
#include "core/index/chunk_index.h"
#include "core/pack/pack.h"
#include "core/stage/kept_nodes.h"
#include "core/stage/pack_table.h"

namespace holdfast {

struct StageOptions {
  std::string state_directory;                      ///< packs go to <state>/packs, the table to <state>/packs.hft
  std::uint64_t limit_bytes = 20ULL << 30;          ///< of all staged packs
  std::uint64_t pack_target_bytes = 16ULL << 20;    ///< a pack is closed once it has so many (design §3)
  SecretBytes maintenance_key;                      ///< K_maint: seals the packs' own indexes
  SecretBytes table_key;                            ///< K_local("packs"): seals the pack table
  /// Tests only: called with the name of each step of the commit, close and drop protocols, which may end the process there.
  std::function<void(std::string_view step)> at_step;
};

/// A pack in the staging folder.
struct StagedPack {
  PackNumber number = 0;
  PackId id;
  std::uint64_t size_bytes = 0;
  std::uint32_t domain = 0;
  std::string path;
};

/// A record on its way into a pack.
struct NewRecord {
  std::uint32_t domain = 0;
  ChunkRef ref = {};                   ///< kind and id are taken from here; kept for deduplication
  ByteView record = {};
  std::span<const ChunkId> bases = {};           ///< of a difference
  std::span<const PackNumber> base_packs = {};   ///< where bases lie, as far as is known
  std::span<const ChunkId> children = {};  ///< direct references of a node
};

/// The packs that are not on networks yet: one open pack a domain, to which records are appended, and closed ones that wait for the placer.
///
/// What a commit makes durable: prepare() is given to Journal::set_prepare; it syncs the open packs and gives the journal the records
/// that say what is in them. A restart replays those, cuts each open pack to what was committed, and goes on appending. Entries reach the ChunkIndex
/// only once they are durable (their pack is closed, or a later commit began): an index that survives a crash never names a record that did not.
/// Safe from any thread, except where said.
class Stage {
 public:
  /// Opens the folder and the table; unfinished closes are finished. `index` and `random` outlive the stage.
  /// Then: replay() for each journal record of kinds kPackOpened … kPackDropped, finish_replay(), Journal::set_prepare(prepare).
  /// Errors: kCorrupt (the table), kNoSpace, kInternal.
  static Result<std::unique_ptr<Stage>> open(StageOptions options, ChunkIndex& index, RandomSource& random);
  ~Stage();

  // Replay: one thread, before any other use.
  /// Applies one record of this module, in the journal's order. Errors: kCorrupt.
  Status replay(ByteView payload);
  /// What finish_replay found amiss: chunks that were committed and are not in the folder any more. They were logged; whoever reads them gets kNotFound.
  struct ReplayReport {
    std::uint64_t packs_reopened = 0;
    std::uint64_t records_replayed = 0;
    std::uint64_t records_lost = 0;
    std::uint64_t packs_adopted = 0;  ///< pack files that no row named
  };
  /// Cuts open packs to their committed length, removes files that nothing names, and adds to the index what the journal told.
  /// When records were lost, a commit has to follow before anything is appended: it tells the journal how short the packs are now.
  Result<ReplayReport> finish_replay();

  // Writing.
  /// Per domain: a larger pack where its networks ask for it, as traits().object_size_liked_bytes says. From the next pack on.
  void set_pack_target(std::uint32_t domain, std::uint64_t target_bytes);
  /// Appends to the domain's open pack, closing it when it is full. The chunk is readable and known at once, durable after the next commit.
  /// Data chunks leave a reserve of the limit to nodes, so that sealing and forgetting work when staging is full.
  /// Errors: kNoSpace (the limit, or the disk: nothing was added), kInternal (the disk failed).
  Result<ChunkLocation> append(const NewRecord& record);
  /// Closes every open pack that has records (or one domain's). Durable when it returns. Errors: as append; what is not closed stays open.
  Status close_open_packs();
  Status close_open_pack(std::uint32_t domain);

  // Committing.
  /// For Journal::set_prepare: makes the bytes of all open packs durable and gives the records that must go first. Not to be called otherwise.
  Result<std::vector<Bytes>> prepare();
  /// The open packs as journal records, as far as they are committed: for Journal::checkpoint, called right after a commit that succeeded and
  /// while no other runs.
  [[nodiscard]] std::vector<Bytes> checkpoint_records() const;
  /// The same beside running commits: the next prepare() gives all of the open packs anew. Order: Journal::begin_checkpoint, this,
  /// ChunkIndex::sync, Journal::finish_checkpoint.
  void restate_at_next_commit();
  /// The index gave kCorrupt, to the stage or to who reports it. Nothing stops for that: new entries stay in memory and in the journal. The index' owner should clear
  /// it, call reindex(), which adds again what open packs hold, and have the directories of all other packs read.
  void report_index_damage() noexcept;
  [[nodiscard]] bool index_is_damaged() const noexcept;
  Status reindex();
  /// Records since the last prepare(): who sees many should commit, since they are kept in memory until then.
  [[nodiscard]] std::uint64_t uncommitted_records() const noexcept;

  // Reading.
  /// Where a chunk lies that is not in the index yet.
  [[nodiscard]] std::optional<ChunkLocation> find(const ChunkId& id) const;
  [[nodiscard]] std::optional<ChunkRef> find_known(const Fingerprint& fp) const;
  /// Whether a chunk that the index places in `pack` can be leaned on: the pack is open, staged or on networks, not lost or unknown.
  [[nodiscard]] bool is_usable(PackNumber pack) const;
  /// The other packs that differences in this one lean on directly. Empty also where it isn't known: for packs of other writers, and all that a recovery took over.
  [[nodiscard]] std::vector<PackNumber> leans_on(PackNumber pack) const;
  /// The bytes there, not verified; nullopt when the pack's file is not here (any more). A drop meanwhile does no harm.
  /// Errors: kOutOfRange (beyond the file), kInternal.
  [[nodiscard]] Result<std::optional<Bytes>> read(PackNumber pack, std::uint64_t offset, std::uint64_t size) const;
  Result<std::optional<Bytes>> read(const ChunkLocation& at) const {
    return read(at.pack, at.offset, at.record_size_bytes);
  }

  // Packs.
  [[nodiscard]] PackTable& table() noexcept;
  [[nodiscard]] const PackTable& table() const noexcept;
  /// Closed and still here, oldest first.
  [[nodiscard]] std::vector<StagedPack> closed_packs() const;
  [[nodiscard]] std::optional<StagedPack> closed_pack(PackNumber number) const;
  /// Every record that was appended before this call is in a pack with at most this number; 0 when there was never one.
  [[nodiscard]] PackNumber last_number() const noexcept;
  /// Removes a closed pack's file: networks have it. Its nodes stay in kept_nodes(). Reads that have begun end well.
  /// Errors: kNotFound (not a closed pack here), kNoSpace, kInternal.
  Status drop(PackNumber number);

  /// The nodes of packs that left.
  [[nodiscard]] KeptNodes& kept_nodes() noexcept;

  // Called from threads of the stage's users, outside all its locks. Set and unset while nothing is appended or dropped.
  void on_pack_closed(std::function<void(const StagedPack&)> call);
  void on_space_freed(std::function<void()> call);

  struct Usage {
    std::uint64_t bytes = 0;        ///< of all packs here
    std::uint64_t open_bytes = 0;   ///< of those that are open
    std::uint64_t soft_limit_bytes = 0;  ///< where writers begin to wait
    std::uint64_t data_limit_bytes = 0;  ///< where data chunks are refused
    std::uint64_t limit_bytes = 0;       ///< where everything is refused
    std::uint64_t closed_count = 0;
  };
  [[nodiscard]] Usage usage() const noexcept;
  /// Usage::bytes alone, without a lock.
  [[nodiscard]] std::uint64_t staged_bytes() const noexcept;

 private:
  Stage();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast
