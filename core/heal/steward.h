// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "core/base/waker.h"
#include "core/catalog/catalog_view.h"
#include "core/heal/copy_check.h"
#include "core/heal/steward_options.h"
#include "core/place/placer.h"

namespace holdfast {

/// Sees to it that what was placed stays there. Looks at random copies by schedule, at all of a network when one was lost on it, and at once where a read has found
/// something wrong; what it finds goes to the catalog, and the Placer puts back what was lost, from any good copy or from shards. Warns of what will be lost if nobody acts.
/// Safe from any thread.
class Steward {
 public:
  struct Parts {
    Stage& stage;
    CatalogView& view;
    const NetworkSet& networks;
    Placer& placer;
    Clock& clock;
    RandomSource& random;
    std::function<Status(std::span<const LogEntry>)> log;  ///< appends to the catalog
    std::function<void()> look_at_catalog;                 ///< the catalog's own objects are looked after by who publishes them; may be empty
  };
  Steward(const StewardOptions& options, Parts parts, ByteView maintenance_key);
  ~Steward();  ///< stop()

  void start();
  /// Ends what is under way.
  void stop();
  /// A read of that object gave wrong bytes or nothing: all of it is looked at soon.
  void suspect(const std::string& network, const std::string& locator);

  struct NetworkFindings {
    std::string network;
    std::uint64_t looked_at = 0, good = 0, missing = 0, corrupt = 0, unreachable = 0;
    std::vector<std::string> problems;  ///< at most 20, for people
  };
  struct Findings {
    std::vector<NetworkFindings> networks;
    std::set<std::string> gone;      ///< networks that are not configured, or did not answer at all
    std::vector<PackRow> to_mend;    ///< packs that lack a copy or a shard
    std::uint64_t unhealable = 0;    ///< of those, packs that nothing gives back
  };
  /// Looks at every copy of these packs (all that the catalog knows when there is no list), each network on a thread of its own, and writes to the catalog what is news.
  /// Nothing is mended. Errors: kDeadlineExceeded, kCancelled, those of the catalog.
  Result<Findings> look(const std::optional<std::set<PackId>>& packs, CopyCheckLevel level, const std::function<void(std::uint64_t, std::uint64_t)>& progress,
                        const CallContext& context);
  /// Has the Placer put back what `findings` lacks. Returns at once.
  void mend(const Findings& findings);

 private:
  /// A copy that is to be looked at.
  struct Target {
    PackRow pack;
    CopyRow row;
  };
  using Targets = std::map<std::string, std::vector<Target>>;
  using Suspects = std::set<std::pair<std::string, std::string>>;  ///< network, locator
  void run(const std::stop_token& stop);
  void look_by_schedule(const CallContext& context);
  void look_at_suspects(const Suspects& suspects, const CallContext& context);
  Status look_further(const Findings& found, const Targets& all, const CallContext& context);
  void judge_and_mend(Findings found, const Targets& all);
  [[nodiscard]] Targets targets_of(const std::optional<std::set<PackId>>& packs) const;
  Status thin_out(std::vector<Target>& targets);
  Result<Findings> look_at(const Targets& targets, CopyCheckLevel level, const std::function<void(std::uint64_t, std::uint64_t)>& progress, const CallContext& context);
  Status look_at_network(const std::string& network, const std::vector<Target>& targets, CopyCheckLevel level, NetworkFindings& out,
                         std::vector<LogEntry>& news, const std::function<void()>& tick, const CallContext& context);
  void judge(const Targets& targets, Findings& findings) const;
  bool note_silence(const std::string& network, bool is_silent);
  std::set<std::string> ask_health(const Targets& targets, const CallContext& context);
  void warn(const std::string& network, std::vector<std::string> texts);

  const StewardOptions options_;
  const Parts parts_;
  const SecretBytes maintenance_key_;
  Waker wake_;
  mutable std::mutex mutex_;  ///< all below
  Suspects suspects_;
  std::map<std::string, MonoTime> silent_since_;
  std::map<std::string, std::vector<std::string>> warnings_;  ///< that the log has
  std::jthread thread_;  ///< of start() and stop()
};

}  // namespace holdfast
