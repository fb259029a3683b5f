// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <variant>

#include "core/base/clock.h"
#include "core/store/sharded_object.h"
#include "core/store/verifying_reader.h"

namespace holdfast {

struct ReplicatedOptions {
  /// A network that has not answered after `hedge_factor` times its usual latency (within these bounds) gets company: the next
  /// best network is asked too, and the first verified answer wins. 0 as the upper bound: never.
  double hedge_factor = 4;
  std::chrono::milliseconds hedge_min{150};
  std::chrono::milliseconds hedge_max{3'000};
  std::chrono::seconds mark_halves_after{600};  ///< a network's bad marks lose half their weight in this time
};

/// What a network was caught at since the start of the run.
struct NetworkFaults {
  std::uint64_t reads = 0;        ///< answers that verified
  std::uint64_t corrupt = 0;      ///< wrong bytes under a right name
  std::uint64_t missing = 0;      ///< absent, or shorter than it should be
  std::uint64_t unavailable = 0;  ///< did not answer, or not in time
  double latency_ms = 0;          ///< smoothed; 0: not measured yet
  std::string last_fault;
};

/// How fast a network answers, smoothed.
struct NetworkPace {
  std::chrono::nanoseconds round_trip{0};  ///< of an answer so small that its size does not matter
  double bytes_per_second = 0;             ///< of one large answer
};

/// Reads records and objects from whichever network has them good: the best first by measured latency and past honesty, the others
/// when it fails, is slow, or lies. Shards of one object count together as one copy (ShardedObject). Bytes that do not verify never leave it. Each fault is logged, counted and marks its network.
/// Borrows networks and clock. Safe from any thread.
class ReplicatedReader {
 public:
  ReplicatedReader(const NetworkSet& networks, Clock& clock, const ReplicatedOptions& options = {});
  /// Waits for reads that lost a race to notice that they are called off.
  ~ReplicatedReader();

  /// Records of one pack, in ascending order of their offsets, fetched as one range. All are verified; a record that one network
  /// has bad is taken from the next. Errors: kNotFound (no copies, or no network has it), kCorrupt when every network
  /// answered and one has it bad or cut, kUnavailable when one that may have it good did not answer; kDeadlineExceeded, kCancelled. The message has each network's
  /// answer.
  /// When every network has failed, those that gave wrong bytes are asked for what they have elsewhere (AlternateReader).
  Result<std::vector<VerifiedRecord>> read_records(const std::vector<NetworkCopy>& copies, std::span<const RecordRange> records,
                                          const CallContext& context);
  Result<VerifiedRecord> read_record(const std::vector<NetworkCopy>& copies, const RecordRange& record,
                            const CallContext& context);
  /// A whole object by its SHA-256. Errors: as read_records.
  Result<Bytes> read_object(const std::vector<NetworkCopy>& copies, const Digest& sha256, const CallContext& context);

  [[nodiscard]] std::map<std::string, NetworkFaults> faults() const;
  /// `copies` and shards with the best network first; unknown networks are left out.
  [[nodiscard]] std::vector<NetworkCopy> in_order(const std::vector<NetworkCopy>& copies) const;
  /// Whether one of them lies on a network whose reads cost what those of a disk of this machine cost, and which did not fail of late.
  [[nodiscard]] bool is_at_hand(const std::vector<NetworkCopy>& copies) const;
  /// Of the network that would be asked first for these; nullopt until it has given both a small answer and a large one.
  [[nodiscard]] std::optional<NetworkPace> pace(const std::vector<NetworkCopy>& copies) const;
  /// Told of every fault, on the reading thread: (network, locator of the object, what). Set before the first read.
  /// (The log has the first of its kind on a network, and then one a minute.)
  using FaultListener = std::function<void(const std::string&, const std::string&, ErrorCode)>;
  void on_fault(FaultListener listener) { listener_ = std::move(listener); }

 private:
  struct Health {
    NetworkFaults faults;
    NetworkPace pace;
    double mark = 0;  // bad marks, halving with time
    MonoTime marked{};
    std::optional<MonoTime> told;  ///< when a fault was logged last, and which
    ErrorCode told_code{};
    std::uint64_t untold = 0;      ///< like it since
  };
  /// What the log says of a fault, if anything: one that goes on is told of once a minute.
  static std::optional<std::string> to_tell(Health& health, const Error& error, MonoTime now);
  /// What is still wanted: records, or a whole object.
  struct Wanted {
    std::vector<RecordRange> records;
    std::optional<Digest> object;
  };
  /// One answer per record (or one for the object); nullopt where it did not verify.
  using Part = std::variant<VerifiedRecord, Bytes>;
  using Answer = std::vector<std::optional<Part>>;
  struct Given {
    std::string network;
    Answer answer;
  };
  struct Race;

  /// What is asked as one: a whole copy, or all shards, best first.
  using Source = std::vector<NetworkCopy>;
  [[nodiscard]] std::vector<Source> sources_of(const std::vector<NetworkCopy>& copies) const;
  Result<std::vector<Part>> read(const std::vector<NetworkCopy>& copies, Wanted wanted, const CallContext& context);
  /// The first answer of `order[next..]`; moves `next` past those that were asked.
  std::optional<Given> race(const std::vector<Source>& order, std::size_t& next, const Wanted& wanted,
                             const CallContext& context, std::vector<Error>& failed);
  Result<Answer> ask(const Source& source, const Wanted& wanted, VerifyingReader::Place place, const CallContext& context);
  Result<Answer> ask_network(const NetworkCopy& copy, const Wanted& wanted, VerifyingReader::Place place,
                             const CallContext& context);
  Result<Answer> ask_shards(const std::vector<NetworkCopy>& shards, const Wanted& wanted, const CallContext& context);
  ShardWatch watch_shards();
  /// Puts what `answer` has good into its place in `results`; `wanted` and `open` keep what is still missing.
  static void settle(Answer& answer, Wanted& wanted, std::vector<std::size_t>& open, Answer& results);
  void note_answer(const std::string& network, std::chrono::nanoseconds took, std::uint64_t size_bytes, bool is_good);
  void note_latency(const std::string& network, std::chrono::nanoseconds took);
  void note_pace(const std::string& network, std::chrono::nanoseconds took, std::uint64_t size_bytes);
  void note_fault(const NetworkCopy& copy, const Error& error);
  [[nodiscard]] double mark_now(const Health& health, MonoTime now) const;
  [[nodiscard]] std::chrono::nanoseconds hedge_delay(const NetworkCopy& copy) const;
  void reap();

  const NetworkSet& networks_;
  Clock& clock_;
  const ReplicatedOptions options_;
  FaultListener listener_;
  mutable std::mutex mutex_;
  std::map<std::string, Health> health_;
  struct Runner {
    std::jthread thread;
    std::shared_ptr<Race> race;
  };
  std::list<Runner> runners_;  // joined when their race is over
};

}  // namespace holdfast
