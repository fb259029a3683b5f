// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>

#include "adapters/http/http_transport.h"
#include "adapters/ipfs/kubo_wire.h"
#include "adapters/ipfs/pinning_service.h"
#include "core/store/alternate_reader.h"
#include "core/store/object_store.h"

namespace holdfast {

/// IPFS through one Kubo node (RPC), services that pin what it has, and, for reading alone, any HTTP gateways. Locators are CIDs. See README.md beside this file for
/// what durable means here. Safe from any thread.
class IpfsStore final : public ObjectStore, public AlternateReader {
 public:
  struct Options {
    std::string name = "ipfs";
    std::string api = "http://127.0.0.1:5001";
    std::vector<std::string> gateways = {};
    std::vector<ipfs::PinningService::Options> pinning = {};  ///< each has to hold an object before it counts as stored
    std::string site = {};  ///< empty: this-host where the API is on loopback, else the API's host
    std::string jurisdiction = {};
    /// How long a node or gateway may look for what it does not have itself; reads get more for their size.
    std::chrono::milliseconds find_timeout{10'000};
    std::chrono::milliseconds pin_timeout{45'000};  ///< how long one put waits for services to pin; larger objects get more
  };
  /// Asks nobody yet. Errors: kInvalidArgument (an address that is no http or https URL, a token that is none, two services of one name).
  static Result<std::shared_ptr<IpfsStore>> make(const Options& options, std::shared_ptr<http::HttpTransport> transport);

  const StoreTraits& traits() const noexcept override { return traits_; }
  /// What the node has itself first, then what the node can find, then the gateways.
  Status read(const ObjectRef& ref, std::uint64_t offset, MutableByteView out, const CallContext& context) override;
  /// From the gateways, each in turn until one gives the range.
  Status read_elsewhere(const ObjectRef& ref, std::uint64_t offset, MutableByteView out,
                        const CallContext& context) override;
  Result<Durability> probe(const ObjectRef& ref, const CallContext& context) override;
  Result<StoreHealth> health(const CallContext& context) override;
  Result<ObjectRef> put(const ObjectName& name, ByteView object, const CallContext& context) override;
  Result<ObjectRef> put_file(const ObjectName& name, const std::string& path, const CallContext& context) override;
  Status remove(const ObjectRef& ref, const CallContext& context) override;
  Result<std::string> publish_head(const RepositoryId& repository, std::uint32_t slot, ByteView key_seed,
                                   ByteView head, const CallContext& context) override;
  Result<std::optional<Bytes>> resolve_head(const RepositoryId& repository, std::uint32_t slot, ByteView key_seed,
                                            const CallContext& context) override;
  Result<Bytes> fetch_head(const std::string& locator, const CallContext& context) override;

 private:
  IpfsStore(const Options& options, std::shared_ptr<http::HttpTransport> transport);

  /// POST /api/v0/<command>; the reply of a success. Errors: reply_error's, and the transport's.
  Result<Bytes> call(const std::string& command, const CallContext& context, std::vector<http::Part> form = {});
  /// The same with a bound of its own, which is kUnavailable when it passes before the caller's deadline.
  Result<Bytes> call_within(std::chrono::milliseconds bound, const std::string& command, const CallContext& context);
  [[nodiscard]] std::chrono::milliseconds time_for(std::uint64_t size_bytes) const;
  /// `error`, but kUnavailable when only the shorter `bound` passed and `context` has time left.
  [[nodiscard]] Error within_bound(Error error, const CallContext& context) const;

  // Reading (ipfs_store.cpp)
  Status read_from_node(const std::string& cid, std::uint64_t offset, MutableByteView out, bool local_only,
                        const CallContext& context);
  Status read_from_gateway(const std::string& gateway, const std::string& cid, std::uint64_t offset, MutableByteView out,
                           const CallContext& context);
  /// Asks gateways, the one that gave something last first, until `attempt` gives something, or an answer that ends the call. Errors: the first one's; kUnsupported where there is none.
  Status from_gateways(const std::function<Status(const std::string&)>& attempt);

  // Putting and removing (ipfs_put.cpp)
  /// What is to be stored, with the CIDs of its blocks, the root's last.
  struct Content {
    http::Part part;
    std::uint64_t size_bytes = 0;
    std::vector<std::string> blocks;
  };
  static Content content_of(ByteView bytes);
  /// On the node, whole and pinned there.
  Result<ObjectRef> put_on_node(const Content& content, const CallContext& context);
  /// In the place of blocks that are not the object's.
  Status put_anew(const Content& content, const CallContext& context);
  Result<ObjectRef> put_everywhere(const ObjectName& name, const Content& content, const CallContext& context);
  Status add(const Content& content, const CallContext& context);
  /// Whether the node has the block, right or rotten.
  Result<bool> has_block(const std::string& cid, const CallContext& context);
  /// Whether the node's own blocks are the object's.
  Result<bool> reads_back(const Content& content, const CallContext& context);
  /// Whether what they lead to is the object's bytes.
  Result<bool> bytes_read_back(const std::string& cid, std::uint64_t size_bytes, const CallContext& context);
  Status unpin(const std::string& cid, const CallContext& context);
  void drop_blocks(const std::vector<std::string>& blocks, const CallContext& context);

  // Services that pin (ipfs_pins.cpp)
  /// Every service has it pinned. Errors: the first service's that does not; kUnavailable where it is still at it (the same call goes on waiting) or has given up (the same call asks anew).
  Status pin_with_services(const std::string& name, const ObjectRef& ref, std::chrono::milliseconds bound, const CallContext& context);
  /// A pin that a service has, or has now been asked for.
  struct Asked {
    ipfs::PinningService* service = nullptr;
    ipfs::Pin pin;
    MonoTime settled = MonoTime::min();  ///< until then the service may speak for a part of its nodes
    [[nodiscard]] bool is_done() const;
  };
  Result<Asked> pin_at(ipfs::PinningService& service, const std::string& name, const std::string& cid, const CallContext& context);
  /// Waits until each of them is decided.
  Status wait_for_pins(std::vector<Asked> asked, const CallContext& context);
  std::vector<std::string> origins_for(const ipfs::PinningService& service, const CallContext& context);
  void connect_to(const std::vector<std::string>& delegates, const CallContext& context);
  Status pin_on_node(const ObjectRef& ref, const CallContext& context);
  /// The worst that a service says of it.
  Result<Durability> durability_at_services(const std::string& cid, const CallContext& context);
  Status unpin_at_services(const std::string& cid, const CallContext& context);
  /// The head `cid` at every service under `name`, and no older one; what does not work is logged.
  void pin_head(const std::string& name, const ObjectRef& ref, const CallContext& context);

  // Health (ipfs_health.cpp)
  /// As call, for a reply that the node writes as it finds things until `bound` has passed: what came by then.
  Result<Bytes> call_until(std::chrono::milliseconds bound, const std::string& command, const CallContext& context);
  void describe_services(StoreHealth& health, const CallContext& context);
  /// Who besides this node provides what was put last; nothing where nothing was put, or there is nobody to ask.
  std::string describe_providers(const CallContext& context);

  // Heads (ipfs_heads.cpp)
  Status ensure_key(const std::string& key_name, ByteView seed, const CallContext& context);
  /// The CID that `name` points at, as the node knows it; nullopt when the node says that there is none.
  Result<std::optional<std::string>> resolve_name(const std::string& name, const CallContext& context);
  Result<Bytes> read_whole(const std::string& cid, const CallContext& context);
  Result<Bytes> gateway_whole(const std::string& gateway, const std::string& path, const CallContext& context);
  Result<std::optional<Bytes>> head_of(const std::string& name, const CallContext& context);

  StoreTraits traits_;
  std::string api_;
  std::vector<std::string> gateways_;
  std::atomic<std::size_t> good_gateway_ = 0;  // the one that gave something last
  std::vector<std::shared_ptr<ipfs::PinningService>> services_;
  std::chrono::milliseconds find_timeout_;
  std::chrono::milliseconds pin_timeout_;
  std::shared_ptr<http::HttpTransport> transport_;
  std::mutex mutex_;
  std::map<std::string, std::string> heads_;  // IPNS name → CID of what was published last in this run
  std::string last_put_;                      // CID
};

}  // namespace holdfast
