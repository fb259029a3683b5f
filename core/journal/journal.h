// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/random_source.h"

namespace holdfast {

/// What a journal record is about; the first byte of its payload. Owners of the payloads: core/stage, core/live, core/repo.
enum class JournalKind : std::uint8_t {
  kPackOpened = 1,   ///< number, domain, header
  kChunks = 2,       ///< records appended to open packs since the last commit
  kPackClosed = 3,   ///< number, id, size
  kPackDropped = 4,  ///< the staged file went, the pack lies on networks
  kDatabase = 10,    ///< created or policy changed: id, name, policy text
  kLiveBatch = 11,   ///< one operation on a live tree: primitives applied together
  kLiveBase = 12,    ///< a fold: the live tree's sealed root, link table, next ino
};

/// The truth between seals: append-only, sealed, checksummed by its seals (FORMAT.md §9). Safe from any thread.
class Journal {
 public:
  /// Position of an appended record since this open: replayed records come first, each one higher than the one before. Not stored.
  using Position = std::uint64_t;
  /// Called for each intact record in order.
  using Visitor = std::function<Status(Position position, ByteView payload)>;

  /// Opens the journal in `directory` (made when absent), replays every record through `visit`, and starts a new file.
  /// A torn end of the newest file is dropped. Errors: kCorrupt (damage elsewhere, naming file and offset; also what a wrong `key` looks like),
  /// kUnsupported (another version), kConflict (another repository's or writer's), kInternal, kNoSpace; those of `visit`.
  static Result<std::unique_ptr<Journal>> open(std::string directory, RepositoryId repository, WriterId writer,
                                               ByteView key, RandomSource& random, const Visitor& visit);
  ~Journal();

  /// Queues a record in memory, in order; returns its position. Not durable before a commit: where very much is queued, it makes one itself and waits for it,
  /// so it must not be called under a lock that prepare takes. After a failed commit nothing is queued any more.
  Position append(Bytes payload);
  /// The same for several that only count together: no commit takes a part of them. Gives the position of the first.
  Position append(std::vector<Bytes> payloads);

  /// What must be on disk before the queued records may be: syncs the packs and gives records that go first.
  using Prepare = std::function<Result<std::vector<Bytes>>()>;
  void set_prepare(Prepare prepare);

  /// Makes every record appended before the call durable: takes the queue, calls prepare, writes its records and then the taken ones, fdatasync.
  /// Concurrent calls share the work. After an error no later commit succeeds (the file's state is unknown): the mount must be restarted.
  Status commit();

  /// Starts a new file whose first records are `state` (all that is needed of older records), durable at return; then deletes the older files.
  /// The caller makes sure that nothing is appended meanwhile that `state` misses. Records still queued at the call follow `state`.
  Status checkpoint(std::vector<Bytes> state);

  /// The same without stopping anybody, in two steps. begin_checkpoint() starts a new file; then each owner appends records that void
  /// all its earlier ones and stand for its state, under its own lock; then finish_checkpoint() commits and deletes the files before the one begun. A crash in between
  /// costs nothing: the older files are still there. Owners must bear a history whose start is missing, up to their voiding record.
  Status begin_checkpoint();
  /// Errors: those of commit; kInvalidArgument when none was begun.
  Status finish_checkpoint();

  /// Bytes in all files.
  [[nodiscard]] std::uint64_t size_bytes() const noexcept;
  [[nodiscard]] Position next_position() const noexcept;
  /// fdatasync calls since open: what shows that commits were shared.
  [[nodiscard]] std::uint64_t sync_count() const noexcept;

 private:
  Journal();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast
