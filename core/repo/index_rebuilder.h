// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "core/base/clock.h"
#include "core/catalog/catalog_view.h"
#include "core/stage/stage.h"
#include "core/store/object_store.h"
#include "core/tree/node_store.h"

namespace holdfast {

/// Fills the chunk index from what can be read anywhere: directories of staged packs, and of packs on networks (range reads of their ends, several at once), the newest packs
/// first; then the references of the newest snapshots' chunks, so that the next backup of the same data stores nothing. Works in the background. Safe from any thread.
class IndexRebuilder {
 public:
  struct Parts {
    Stage& stage;
    ChunkIndex& index;
    CatalogView& view;
    const NetworkSet& networks;
    Clock& clock;
    SecretBytes maintenance_key;
  };
  explicit IndexRebuilder(Parts parts) : parts_(std::move(parts)) {}
  ~IndexRebuilder();

  using Then = std::function<void(const std::stop_token&)>;
  /// Indexes these packs (all of the table when empty), and those that failed earlier. What a network that doesn't answer keeps back is tried again for a minute
  /// or two. `then` runs when that is over.
  void start(std::vector<PackNumber> packs, Then then);
  /// Starts again with the packs that failed, where there are any, nothing is at work, and the last try is a while ago. Whether it did.
  bool retry_failed(Then then);
  void stop();
  [[nodiscard]] bool is_running() const;
  struct Progress {
    std::uint64_t round = 0;  ///< grows with each start
    bool is_running = false;
    std::uint64_t done = 0;
    std::uint64_t total = 0;
    std::uint64_t failed = 0;
    std::string last_error;
  };
  [[nodiscard]] Progress progress() const;
  /// Waits until something more was indexed than `seen` says, or the work has ended. Errors: kDeadlineExceeded, kCancelled.
  Status wait_beyond(const Progress& seen, const CallContext& context) const;

  /// The directory of a pack from staging or the first network that has it right. Errors: kNotFound, kCorrupt, the networks'.
  Result<PackDirectory> read_directory(const PackRow& row, const CallContext& context) const;

 private:
  void run(const std::stop_token& stop, std::vector<PackNumber> packs, const Then& then);
  std::vector<PackNumber> run_round(const std::stop_token& stop, const std::vector<PackNumber>& packs, bool is_last);
  void join();
  Status index_pack(PackNumber number, const std::stop_token& stop);

  Parts parts_;
  mutable std::mutex mutex_;
  mutable std::condition_variable_any changed_;
  Progress progress_;
  std::vector<PackNumber> failed_;
  bool is_busy_ = false;  ///< until `then` has returned
  MonoTime ended_{};
  std::mutex thread_mutex_;  ///< start and stop; taken before mutex_
  std::jthread thread_;
};

/// A source that, while the index is being rebuilt, waits for the rest of it before it says that a chunk is nowhere. `find_more` is asked first whether packs are known
/// that the rebuilder was not told of yet; it starts the rebuilder (or waits for more of the catalog) and says true then. Its errors are told instead of the chunk's absence.
/// What is nowhere for good reads as kCorrupt: kNotFound is the word for names, and a reader of a tree would take lost data for a name that was never there.
using FindMorePacks = std::function<Result<bool>(const CallContext& context)>;
std::unique_ptr<ChunkSource> make_rebuilding_source(ChunkSource& inner, const IndexRebuilder& rebuilder, FindMorePacks find_more);

}  // namespace holdfast
