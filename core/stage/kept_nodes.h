// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/crypto/verified_record.h"
#include "core/base/ids.h"
#include "core/base/secret_bytes.h"
#include "core/stage/pack_table.h"

namespace holdfast {

/// What stays here of packs that left staging: the nodes in them (of trees and lists), so that live trees can be read
/// when no network answers and the chunk cache is gone. Each is a file `<pack id>.nodes`: the pack with holes where its
/// data was, so that a chunk's location holds in it too. Which nodes live trees stand on is not known here: all are
/// kept until a sweep, which is told. What is read is verified against its id, so a record that is not (or no longer)
/// here is simply absent. Owned by the stage. Safe from any thread.
class KeptNodes {
 public:
  /// Opens the folder, or makes it. `use_holes` false: as on a filesystem that has none (tests). Errors: kInternal,
  /// kNoSpace.
  static Result<std::unique_ptr<KeptNodes>> open(std::string folder, SecretBytes maintenance_key,
                                                 bool use_holes = true);

  /// Copies the nodes of the pack at `path`, which is left alone: somebody may be reading it to the end. Durable when
  /// it returns. Where they can't be kept (the disk is full, say), that is logged and noted as a lack.
  void take(const PackId& pack, const std::string& path);

  /// The node's verified record; nullopt when it is not here.
  [[nodiscard]] std::optional<VerifiedRecord> read(const PackId& pack, const ChunkId& id, const ChunkLocation& at);
  /// Bytes of a kept pack, not verified, for its directory; nullopt when there is no such file. Errors: kOutOfRange,
  /// kInternal.
  [[nodiscard]] Result<std::optional<Bytes>> read_range(const PackId& pack, ByteRange range) const;
  /// Whether the node is here; then it outlives a sweep that has begun. For who is about to lean a live tree on it.
  [[nodiscard]] bool claim(const PackId& pack, const ChunkId& id, const ChunkLocation& at);
  /// Adds the verified record of a node that came from elsewhere; durable after sync(). Errors: kNoSpace, kInternal.
  Status keep(const PackRow& pack, const ChunkLocation& at, ByteView record);
  /// Makes what was added durable. What can't be is noted as a lack.
  void sync();

  /// Where the nodes of live trees lie, by pack.
  using Live = std::unordered_map<PackId, std::unordered_map<std::uint64_t, std::uint32_t>>;  ///< offset → record size
  /// A sweep frees all nodes that were here when it began and are neither live nor claimed or added meanwhile. One at a
  /// time: begin, find out what is live, finish or abandon.
  void begin_sweep();
  Status finish_sweep(const Live& live);
  void abandon_sweep();

  /// Whether all nodes of live trees are known to be here. Durable, so that it needs not be looked at again after a
  /// restart.
  [[nodiscard]] bool is_whole() const noexcept { return is_whole_.load(); }
  /// How often something was noted to be missing.
  [[nodiscard]] std::uint64_t lacks() const noexcept { return lacks_.load(); }
  /// All was found to be here by a look that began when lacks() was `lacks`: nothing is noted when more has gone since.
  /// Errors: kNoSpace, kInternal.
  Status note_whole(std::uint64_t lacks);
  /// Something that live trees may stand on is not here (any more).
  void note_lack();
  /// Whether a sweep would free as much as it leaves.
  [[nodiscard]] bool is_sweep_due() const;
  /// What all of them take on the disk.
  [[nodiscard]] std::uint64_t bytes() const;

 private:
  KeptNodes(std::string folder, SecretBytes key, bool use_holes)
      : folder_(std::move(folder)), key_(std::move(key)), use_holes_(use_holes) {}
  [[nodiscard]] std::string path_of(const PackId& pack) const { return folder_ + "/" + pack.hex() + ".nodes"; }
  [[nodiscard]] std::string mark_path() const { return folder_ + "/whole"; }
  [[nodiscard]] bool has_file(const PackId& pack) const;
  Status load();
  Status load_mark();
  void note_file(const PackId& pack);
  Status remove_pack(const PackId& pack);
  Status take_nodes(const PackId& pack, const std::string& path);
  Status leave_only(const PackId& pack, std::vector<ByteRange> ranges) const;
  Status copy_only(const std::string& from, const std::string& to, const std::vector<ByteRange>& ranges) const;
  Result<std::optional<Bytes>> read_raw(const PackId& pack, ByteRange range) const;
  void drop_damaged(const PackId& pack, const ChunkId& id, const ChunkLocation& at);
  Status sweep_pack(const PackId& pack, const Live& live);

  const std::string folder_;
  const SecretBytes key_;
  const bool use_holes_;

  std::mutex change_mutex_;  ///< who changes files; held over the disk; taken before mutex_
  std::unordered_map<PackId, std::set<std::uint64_t>> claims_;  ///< since the sweep began; guarded by change_mutex_
  std::set<PackId> swept_;    ///< that the sweep under way may change; guarded by change_mutex_
  bool is_sweeping_ = false;  ///< guarded by change_mutex_

  mutable std::mutex mutex_;                         ///< what is in memory
  std::unordered_map<PackId, std::uint64_t> files_;  ///< and what each takes on the disk
  std::uint64_t bytes_ = 0;
  std::uint64_t bytes_after_sweep_ = 0;
  std::set<PackId> unsynced_;

  std::mutex mark_mutex_;  ///< the mark and the two below; held over the disk; taken last
  std::atomic<bool> is_whole_{false};
  std::atomic<std::uint64_t> lacks_{0};
};

}  // namespace holdfast
