// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>

#include "core/store/alternate_reader.h"
#include "core/store/object_store.h"

namespace holdfast {

/// The calls of the port, for counters and plans.
enum class StoreVerb : std::uint8_t { kRead, kProbe, kHealth, kPut, kRemove, kPublishHead, kResolveHead, kFetchHead };
inline constexpr std::size_t kStoreVerbCount = 8;
/// "read", "probe", …: stable, as metrics show it.
std::string_view store_verb_name(StoreVerb verb) noexcept;

/// One call as a decorator sees it.
struct StoreCall {
  StoreVerb verb = StoreVerb::kRead;
  std::uint64_t size_bytes = 0;  ///< that the call moves as far as is known before it; 0 for probe, health and the like
};

/// A store around another store: what is done around each call is written once, in around(), and the verbs forward.
/// Shares ownership of the inner store. Safe from any thread where around() is.
class StoreDecorator : public ObjectStore, public AlternateReader {
 public:
  explicit StoreDecorator(std::shared_ptr<ObjectStore> inner) : inner_(std::move(inner)) {}

  const StoreTraits& traits() const noexcept override { return inner_->traits(); }
  Status read(const ObjectRef& ref, std::uint64_t offset, MutableByteView out, const CallContext& context) override;
  /// kUnsupported when the inner store has no other place to read from.
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

 protected:
  /// Performs the call on the inner store, once each time it is invoked; a repetition starts from nothing.
  using Attempt = std::function<Status(const CallContext&)>;
  virtual Status around(const StoreCall& call, const CallContext& context, const Attempt& attempt) = 0;

  ObjectStore& inner() noexcept { return *inner_; }

 private:
  template <typename T, typename Call>
  Result<T> wrapped(const StoreCall& what, const CallContext& context, const Call& call);

  std::shared_ptr<ObjectStore> inner_;
};

}  // namespace holdfast
