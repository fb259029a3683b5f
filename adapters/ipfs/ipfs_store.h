// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <mutex>

#include "adapters/http/http_transport.h"
#include "core/store/alternate_reader.h"
#include "core/store/object_store.h"

namespace holdfast {

/// IPFS through one Kubo node (RPC) and, for reading alone, any HTTP gateways. Locators are CIDs. See README.md beside this file for
/// what durable means here. Safe from any thread.
class IpfsStore final : public ObjectStore, public AlternateReader {
 public:
  struct Options {
    std::string name = "ipfs";
    std::string api = "http://127.0.0.1:5001";
    std::vector<std::string> gateways = {};
    std::string site = {};  ///< empty: this-host where the API is on loopback, else the API's host
    std::string jurisdiction = {};
    /// How long a node or gateway may look for what it does not have itself; reads get more for their size.
    std::chrono::milliseconds find_timeout{10'000};
  };
  /// Asks nobody yet. Errors: kInvalidArgument (an address that is no http or https URL).
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
  Result<ObjectRef> add(http::Part part, std::uint64_t size_bytes, const CallContext& context);
  Status read_from_node(const std::string& cid, std::uint64_t offset, MutableByteView out, bool local_only,
                        const CallContext& context);
  Status read_from_gateway(const std::string& gateway, const std::string& cid, std::uint64_t offset, MutableByteView out,
                           const CallContext& context);
  [[nodiscard]] std::chrono::milliseconds time_for(std::uint64_t size_bytes) const;
  /// `error`, but kUnavailable when only the shorter `bound` passed and `context` has time left.
  [[nodiscard]] Error within_bound(Error error, const CallContext& context) const;

  Status unpin(const std::string& cid, const CallContext& context);
  void drop_blocks(const std::string& cid, const CallContext& context);

  Status ensure_key(const std::string& key_name, ByteView seed, const CallContext& context);
  /// The CID that `name` points at, as the node knows it; nullopt when the node says that there is none.
  Result<std::optional<std::string>> resolve_name(const std::string& name, const CallContext& context);
  Result<Bytes> read_whole(const std::string& cid, const CallContext& context);
  Result<Bytes> gateway_whole(const std::string& gateway, const std::string& path, const CallContext& context);
  Result<std::optional<Bytes>> head_of(const std::string& name, const CallContext& context);

  StoreTraits traits_;
  std::string api_;
  std::vector<std::string> gateways_;
  std::chrono::milliseconds find_timeout_;
  std::shared_ptr<http::HttpTransport> transport_;
  std::mutex mutex_;
  std::map<std::string, std::string> heads_;  // IPNS name → CID of what was published last in this run
};

}  // namespace holdfast
