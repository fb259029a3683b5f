// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>

#include "adapters/http/http_transport.h"
#include "adapters/sia/renterd_wire.h"
#include "core/store/object_store.h"

namespace holdfast {

/// Sia through one renterd: objects in a bucket of its own, spread over hosts by renterd. Locators are object names; the locator of a head
/// is heads/<repository id>/<slot>. See README.md beside this file for what durable means here and what a put costs. Safe from any thread.
class SiaStore final : public ObjectStore {
 public:
  struct Options {
    std::string name = "sia";
    std::string api = "http://127.0.0.1:9980";  ///< with or without /api at its end
    std::shared_ptr<const SecretBytes> password = {};  ///< of renterd's API; null where user information in `api` has it
    std::string bucket = "holdfast";            ///< made at the first put when it is missing
    std::uint32_t min_shards = 0;               ///< how many shards reading takes; 0, together with total_shards: as renterd is set
    std::uint32_t total_shards = 0;             ///< how many hosts get one
    std::string site = {};                      ///< empty: this-host where the API is on loopback, else the API's host
    std::string jurisdiction = {};
  };
  /// Asks nobody yet. Errors: kInvalidArgument (an address, bucket or redundancy that can't be; no password).
  static Result<std::shared_ptr<SiaStore>> make(const Options& options, std::shared_ptr<http::HttpTransport> transport);

  const StoreTraits& traits() const noexcept override { return traits_; }
  Status read(const ObjectRef& ref, std::uint64_t offset, MutableByteView out, const CallContext& context) override;
  /// By renterd's own bookkeeping, which learns of lost hosts with some delay.
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
  SiaStore(const Options& options, std::string authorization, std::shared_ptr<http::HttpTransport> transport);

  /// How long sending or receiving so much may take before renterd is taken for hanging.
  static std::chrono::milliseconds time_for(std::uint64_t size_bytes);
  [[nodiscard]] http::Request request(http::Method method, const std::string& path) const;
  [[nodiscard]] std::string object_path(const std::string& part, const std::string& key) const;
  /// `error`, but kUnavailable when only a bound of the adapter's own passed and `context` has time left.
  [[nodiscard]] Error within_bound(Error error, const CallContext& context) const;
  /// One exchange within `bound`; any status is a success here.
  Result<http::CollectedResponse> exchange(const http::Request& request, std::chrono::milliseconds bound, const CallContext& context);
  /// GET of a small reply. Errors: those of the reply, and the transport's.
  Result<Bytes> ask(const std::string& path, const CallContext& context);

  Status ensure_bucket(const CallContext& context);
  /// What renterd has under `key`; nullopt when nothing.
  Result<std::optional<sia::StoredObject>> look_at(const std::string& key, const CallContext& context);
  /// PUT, whatever was there before; succeeds when renterd says that it has exactly these bytes.
  Status upload(const std::string& key, ByteView object, const std::string& md5, const CallContext& context);
  /// Removes what renterd stored wrongly, so that it does not block the name for ever. Best effort.
  void drop_unless(const std::string& key, const std::string& md5, const CallContext& context);
  Status remove_key(const std::string& key, const CallContext& context);
  Result<Bytes> read_head(const std::string& key, const CallContext& context);

  /// What renterd says of its means, for people; what is wrong stands behind semicolons.
  Result<std::string> describe(const sia::Node& node, const sia::ObjectStats& stats, StoreHealth& health, const CallContext& context);
  Result<std::string> describe_contracts(StoreHealth& health, const CallContext& context);

  StoreTraits traits_;
  std::string api_;
  std::string authorization_;
  std::string bucket_;
  sia::Redundancy redundancy_;  // 0 of 0: as renterd is set
  std::shared_ptr<http::HttpTransport> transport_;
  std::mutex mutex_;
  bool bucket_is_there_ = false;
};

}  // namespace holdfast
