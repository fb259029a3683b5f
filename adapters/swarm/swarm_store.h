// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "adapters/http/http_transport.h"
#include "adapters/swarm/bee_wire.h"
#include "adapters/swarm/feed.h"
#include "core/store/object_store.h"

namespace holdfast {

/// Swarm through one Bee node, paid with one postage batch. Locators are <batch>/<reference>; the locator of a head is its feed. See README.md beside this file for what durable
/// means here, and how a batch is looked after. Safe from any thread.
class SwarmStore final : public ObjectStore {
 public:
  struct Options {
    std::string name = "swarm";
    std::string api = "http://127.0.0.1:1633";
    std::string batch = {};                                           ///< 64 hexadecimal digits: what new objects are stamped with; empty: nothing is stored, only read
    std::uint32_t redundancy = 0;                                     ///< Bee's levels 1 to 4, of objects; 0: none
    std::chrono::seconds ttl_min = std::chrono::hours(24);            ///< a batch that lives less long takes nothing new
    std::chrono::seconds ttl_warn = std::chrono::days(14);            ///< health warns of one that lives less long
    std::chrono::seconds top_up_to{0};                                ///< how long it shall live after a top-up, which is made under ttl_warn; 0: never
    std::uint32_t top_up_max_bzz = 0;                                 ///< what one top-up may cost
    std::uint32_t depth_max = 0;                                      ///< up to which depth one that fills up is diluted; 0: never
    std::chrono::seconds block_time{5};                               ///< of the chain that has Swarm's contracts (Gnosis: 5 s)
    std::chrono::milliseconds sync_timeout{60'000};                   ///< how long an upload may make no progress
    bool counts_used = false;                                         ///< whether health counts stamps, which a quota needs
    std::string site = {};                                            ///< empty: this-host where the API is on loopback, else the API's host
    std::string jurisdiction = {};
  };
  /// Asks nobody yet. Errors: kInvalidArgument (an address, batch or bound that can't be).
  static Result<std::shared_ptr<SwarmStore>> make(const Options& options, std::shared_ptr<http::HttpTransport> transport);

  const StoreTraits& traits() const noexcept override { return traits_; }
  Status read(const ObjectRef& ref, std::uint64_t offset, MutableByteView out, const CallContext& context) override;
  /// Durable: pinned on the node, its batch lives, and every chunk comes back from the network (which moves all of them). Accepted: pinned and paid for, and the network does not give all of it. Absent: not pinned, or its batch has ended.
  Result<Durability> probe(const ObjectRef& ref, const CallContext& context) override;
  Result<StoreHealth> health(const CallContext& context) override;
  /// Returns when the network has every chunk. May top up or dilute the batch, as configured.
  Result<ObjectRef> put(const ObjectName& name, ByteView object, const CallContext& context) override;
  Result<ObjectRef> put_file(const ObjectName& name, const std::string& path, const CallContext& context) override;
  /// Unpins: the bytes end with their batch.
  Status remove(const ObjectRef& ref, const CallContext& context) override;
  Result<std::string> publish_head(const RepositoryId& repository, std::uint32_t slot, ByteView key_seed,
                                   ByteView head, const CallContext& context) override;
  Result<std::optional<Bytes>> resolve_head(const RepositoryId& repository, std::uint32_t slot, ByteView key_seed,
                                            const CallContext& context) override;
  Result<Bytes> fetch_head(const std::string& locator, const CallContext& context) override;

 private:
  /// An update and where it stands in its feed.
  struct Seen {
    std::uint64_t index = 0;
    swarm::Update update;
  };
  struct Upload {
    std::string doing;             ///< for messages
    std::uint32_t redundancy = 0;
  };
  struct Posted {
    std::string reference;
    std::uint64_t uid = 0;  ///< of its tag
  };
  /// An upload that others may wait for.
  struct Flight {
    std::string reference;              ///< set before is_over, empty where it failed
    std::atomic<bool> is_over = false;
  };

  SwarmStore(const Options& options, std::shared_ptr<http::HttpTransport> transport);

  // swarm_store.cpp: exchanges, reading, probing, removing.
  static std::chrono::milliseconds time_for(std::uint64_t size_bytes);
  [[nodiscard]] http::Request request(http::Method method, const std::string& path) const;
  /// One exchange within `bound`; any status is a success here.
  Result<http::CollectedResponse> exchange(const http::Request& request, std::chrono::milliseconds bound, const CallContext& context);
  /// One without a body, whose reply is a success. Errors: those of the reply, and the transport's.
  Result<Bytes> ask(http::Method method, const std::string& path, std::chrono::milliseconds bound, const CallContext& context);
  Result<Bytes> get(const std::string& path, const CallContext& context);
  /// `error`, but kUnavailable where it is an absence that a node without peers can't know of.
  Error absence(Error error, const CallContext& context);
  /// nullopt: the node can't find its root.
  Result<std::optional<std::uint64_t>> size_of(const std::string& reference, const CallContext& context);
  Status unpin(const std::string& reference, const CallContext& context);
  Result<bool> is_retrievable(const std::string& reference, std::uint64_t size_bytes, const CallContext& context);

  // swarm_put.cpp: uploading until the network has it.
  /// The reference under which the network has all of `object`, pinned on the node.
  Result<std::string> store_bytes(ByteView object, const Upload& upload, const CallContext& context);
  Result<std::string> upload_all(ByteView object, const std::string& address, const Upload& upload, const CallContext& context);
  Result<Posted> post_bytes(ByteView object, const std::string& address, const Upload& upload, const CallContext& context);
  /// The tag of an earlier upload of the same bytes in this run that the node still knows.
  std::optional<std::uint64_t> unfinished(const std::string& address, const CallContext& context);
  Result<swarm::Tag> wait_synced(std::uint64_t uid, const Upload& upload, const CallContext& context);
  Status compare(const std::string& reference, ByteView object, const CallContext& context);
  /// Of an upload whose tag says that it is done, and not that others have taken all of it.
  Status push_rest(const Posted& posted, const swarm::Tag& tag, std::uint64_t size_bytes, const CallContext& context);
  /// Errors: kUnavailable where the node has no peers.
  Status need_peers(const CallContext& context);

  // swarm_batch.cpp: the postage batch.
  /// What the node knows of a batch; nullopt when nothing: expired, or not its own.
  Result<std::optional<swarm::Batch>> look_at_batch(const std::string& id, const CallContext& context);
  /// Success when the batch takes something new; tops it up and dilutes it first where that is configured.
  Status ready_batch(const CallContext& context);
  [[nodiscard]] Status judge(const std::optional<swarm::Batch>& batch) const;
  void look_after(const swarm::Batch& batch, const CallContext& context);
  Status top_up(const swarm::Batch& batch, const CallContext& context);
  Status dilute(const swarm::Batch& batch, const CallContext& context);
  [[nodiscard]] bool fills_up(const swarm::Batch& batch) const noexcept;
  [[nodiscard]] std::string batch_name() const;

  // swarm_health.cpp
  Result<std::string> describe(const std::string& version, StoreHealth& health, const CallContext& context);
  [[nodiscard]] std::string describe_batch(const swarm::Batch& batch) const;
  /// What must be done about it before it is too late.
  [[nodiscard]] std::vector<std::string> warnings_of(const swarm::Batch& batch) const;
  /// Logs these, once an hour.
  void warn_of(const swarm::Batch& batch);
  void describe_others(const std::map<std::string, swarm::Batch>& batches, StoreHealth& health) const;

  // swarm_heads.cpp
  Result<std::optional<Seen>> find_newest(const swarm::Feed& feed, const CallContext& context);
  Result<std::optional<Seen>> ask_for_newest(const swarm::Feed& feed, const CallContext& context);
  Result<std::optional<Seen>> update_at(const swarm::Feed& feed, std::uint64_t index, const CallContext& context);
  Result<Seen> newest_from(const swarm::Feed& feed, Seen known, const CallContext& context);
  Status post_update(const EthereumKey& key, const swarm::Feed& feed, const Seen& next, const CallContext& context);
  Status finish_pending(const EthereumKey& key, const swarm::Feed& feed, const CallContext& context);
  Result<std::string> publish(const EthereumKey& key, const swarm::Feed& feed, ByteView head, const CallContext& context);
  Result<Bytes> read_head(const std::string& reference, const CallContext& context);
  void remember(const swarm::Feed& feed, const Seen& seen);
  std::optional<Seen> remembered(const swarm::Feed& feed);

  StoreTraits traits_;
  Options options_;
  std::string api_;
  std::shared_ptr<http::HttpTransport> transport_;

  std::mutex mutex_;                            // guards all that follows; never held over an exchange
  std::map<std::string, std::uint64_t> tags_;   // address of what is being uploaded → its tag
  std::map<std::string, std::shared_ptr<Flight>> flights_;  // uploads that run, by address and redundancy
  std::map<swarm::Feed, Seen> newest_;          // nothing older is believed
  std::map<swarm::Feed, Seen> pending_;         // sent, and nobody knows whether it arrived
  std::set<swarm::Feed> publishing_;
  MonoTime warned_{};                           // when the log last had warnings of the batch
  MonoTime looked_after_{};                     // when the batch was last topped up or diluted, or that was tried
};

}  // namespace holdfast
