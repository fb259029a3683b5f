// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>

#include "adapters/http/http_transport.h"
#include "adapters/s3/s3_wire.h"
#include "core/base/clock.h"
#include "core/store/object_store.h"

namespace holdfast {

/// A bucket behind the S3 protocol: Storj's gateway, and any other server of it. See README.md beside this file for what durable means here. Safe from any thread.
class S3Store final : public ObjectStore {
 public:
  struct Options {
    std::string name = "storj";
    std::string type = "storj";  ///< for traits().type: "storj" or "s3"
    std::string endpoint = {};   ///< http or https, without the bucket
    std::string bucket = {};
    std::string prefix = {};     ///< of all keys in the bucket; "" or "some/folder/"
    std::string region = "us-east-1";
    std::string access_key = {};
    std::shared_ptr<const SecretBytes> secret_key = {};
    bool virtual_host = false;   ///< https://BUCKET.host instead of https://host/BUCKET
    std::uint32_t object_lock_days = 0;             ///< above 0: objects are kept so long in COMPLIANCE mode, and nobody can remove them before
    std::uint64_t part_size_bytes = 64ULL << 20;    ///< of larger objects, which go up in parts; S3 wants at least 5 MiB
    bool counts_used = false;   ///< whether health() tells used_bytes, which S3 doesn't: by listing what lies under the prefix, once a run
    std::string site = {};  ///< empty: this-host where the endpoint is on loopback, else the endpoint
    std::string jurisdiction = {};
  };
  /// Asks nobody yet. Errors: kInvalidArgument (endpoint, bucket, prefix, region, keys).
  static Result<std::shared_ptr<S3Store>> make(Options options, std::shared_ptr<http::HttpTransport> transport);

  const StoreTraits& traits() const noexcept override { return traits_; }
  Status read(const ObjectRef& ref, std::uint64_t offset, MutableByteView out, const CallContext& context) override;
  Result<Durability> probe(const ObjectRef& ref, const CallContext& context) override;
  Result<StoreHealth> health(const CallContext& context) override;
  /// Asks first whether the key is taken; where the server knows If-None-Match, a writer that comes between is noticed too.
  Result<ObjectRef> put(const ObjectName& name, ByteView object, const CallContext& context) override;
  Result<ObjectRef> put_file(const ObjectName& name, const std::string& path, const CallContext& context) override;
  /// Of a bucket that keeps versions, that version. Errors besides the port's: kPermissionDenied while an object lock holds it.
  Status remove(const ObjectRef& ref, const CallContext& context) override;
  Result<std::string> publish_head(const RepositoryId& repository, std::uint32_t slot, ByteView key_seed, ByteView head, const CallContext& context) override;
  Result<std::optional<Bytes>> resolve_head(const RepositoryId& repository, std::uint32_t slot, ByteView key_seed, const CallContext& context) override;
  Result<Bytes> fetch_head(const std::string& locator, const CallContext& context) override;

 private:
  using Fields = std::vector<std::pair<std::string, std::string>>;
  S3Store(Options options, std::shared_ptr<http::HttpTransport> transport);
  /// A signed request without a body. `query` is sorted and encoded, without "?".
  [[nodiscard]] http::Request request(http::Method method, const std::string& key, const std::string& query = {}) const;
  /// `hash` is the body's SHA-256.
  [[nodiscard]] http::Request request_with(http::Method method, const std::string& key, const std::string& query, ByteView body, const Digest& hash) const;
  Result<http::CollectedResponse> send(http::Request request, const std::string& doing, const CallContext& context);
  [[nodiscard]] Error failed(int status, const std::string& doing, ByteView text) const;

  /// What HEAD says of a key or version.
  struct Known {
    std::uint64_t size_bytes = 0;
    std::string sha256;   ///< hex, as it was put; empty where the server keeps none
    std::string version;  ///< empty: the bucket keeps none
  };
  Result<std::optional<Known>> look(const s3::Locator& at, const CallContext& context);
  /// The same, but kUnavailable rather than nullopt where the bucket itself is not there.
  Result<std::optional<Known>> look_for_sure(const s3::Locator& at, const CallContext& context);
  /// Of a key that is there already. Errors: kAlreadyExists.
  Result<ObjectRef> settle(const ObjectName& name, const Known& known, const Digest& hash, std::uint64_t size_bytes) const;
  Result<ObjectRef> put_whole(const ObjectName& name, ByteView object, const Digest& hash, const CallContext& context);
  Result<ObjectRef> put_in_parts(const ObjectName& name, ByteView object, const Digest& hash, const CallContext& context);
  Result<std::string> begin_parts(const ObjectName& name, const Digest& hash, const CallContext& context);
  Result<std::string> put_part(const ObjectName& name, const std::string& upload, std::size_t number, ByteView part, const CallContext& context);
  void give_up_parts(const ObjectName& name, const std::string& upload);
  [[nodiscard]] Fields lock_fields() const;
  /// Lets one put at a time have a name: whoever comes second finds the object. (Storj answers 500 and 429 to two at once.)
  class Turn;

  const Options options_;
  StoreTraits traits_;
  std::string base_;  ///< URL of the bucket, without the last slash
  const std::shared_ptr<http::HttpTransport> transport_;
  /// Of what lies under the prefix, whoever put it. Errors: kUnsupported (too many objects to count), and as read.
  Result<std::uint64_t> used_bytes(const CallContext& context);
  void count_used(std::int64_t change_bytes);

  std::mutex usage_mutex_;
  std::optional<std::uint64_t> used_bytes_;
  std::mutex turns_mutex_;
  std::condition_variable_any turns_changed_;
  std::set<ObjectName> turns_;  ///< names that are being put
  std::atomic<bool> knows_conditions_{true};  ///< until it says that it doesn't know If-None-Match
};

}  // namespace holdfast
