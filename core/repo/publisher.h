// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <memory>
#include <thread>

#include "core/repo/head_reader.h"

namespace holdfast {

/// The meta objects that a head names, without their places: log segments and key tables in order, each at least about twice as large as all that follow
/// (so there are O(log n) of them), and the keyring.
struct MetaPlan {
  RepositoryCatalog::OwnState state;
  std::vector<MetaObject> metas;
};

struct Place;

/// Adds [covered, total) to the runs of `counts`, merging the last runs while they are not larger than what would follow: the counts of the new runs.
/// Sums are kept. Pure.
std::vector<std::uint64_t> merge_runs(std::vector<std::uint64_t> counts, std::uint64_t total);

/// Brings the catalog to the networks: log segments, key tables and keyring, then the signed head. Each network with mutable names has a thread of its own, so a slow or
/// failing one holds up no other; failures are tried again with growing pauses. Before each head the one that is there is looked at: nobody else's is overwritten.
/// Safe from any thread.
class Publisher {
 public:
  struct Parts {
    RepositoryCatalog& catalog;
    HeadReader& heads;
    std::shared_ptr<const RepositorySecrets> secrets;
    const NetworkSet& networks;
    Clock& clock;
    StatePaths paths;
  };
  explicit Publisher(Parts parts);
  ~Publisher();  ///< stop()

  void start();
  /// Ends what is under way; what is not published is published after the next start.
  void stop();
  /// There is something new; it goes out within about two seconds.
  void poke();

  /// Has every object of the catalog that a head names read again, on all networks, and put back what is missing or spoilt. Returns at once; flush() waits for it.
  void look_again();

  /// Publishes now and waits until at least `count` networks (all of them when it is larger; only `network` where one is named) show everything that is in the log
  /// by now.
  /// Errors: kDeadlineExceeded and kCancelled, naming the networks that miss and why; kUnavailable when as many have failed meanwhile that `count` can't be reached at
  /// once (they are tried again in the background).
  Status flush(std::size_t count, const CallContext& context, const std::string& network = {});

  struct NetworkState {
    std::string network;
    std::string locator;      ///< of the head; empty when it was never published in this run
    std::uint64_t log_size = 0;  ///< published
    bool current = false;
    std::string last_error;
    WallNanos failing_since = 0;  ///< 0: the last attempt went well, or there was none
  };
  [[nodiscard]] std::vector<NetworkState> states() const;
  /// The keyring for networks was replaced (a file of the state folder).
  void keyring_changed();

 private:
  struct Lane;
  void run(Lane& lane, const std::stop_token& stop);
  bool wait_for_work(Lane& lane, const std::stop_token& stop);
  Status publish(Lane& lane, const CallContext& context);
  Result<HeadReader::OwnHead> look_at_own_head(Lane& lane, const RepositoryCatalog::OwnState& published, const CallContext& context);
  MetaPlan plan();
  Result<Bytes> make_object(const MetaPlan& plan, const MetaObject& meta) const;
  Status check_places(Lane& lane, const HeadReader::OwnHead& own, const CallContext& context);
  Result<bool> is_place_good(Lane& lane, const Place& place, bool is_read, const CallContext& context);
  Status put_missing(Lane& lane, MetaPlan& plan, const CallContext& context);
  Result<Bytes> make_head(const MetaPlan& plan) const;
  void load_places(Lane& lane);
  void restore_runs(const Lane& lane);
  Status save_places(const Lane& lane) const;

  Parts parts_;
  mutable std::mutex mutex_;
  std::condition_variable_any wake_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<std::uint64_t> segment_runs_;
  std::vector<std::uint64_t> key_runs_;
  LogIdentity runs_of_;
  std::uint64_t urgent_ = 0;  ///< flushes that wait
};

}  // namespace holdfast
