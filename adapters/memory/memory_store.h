// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <mutex>

#include "core/store/object_store.h"

namespace holdfast {

/// A network in this process's memory, for tests and dry runs; gone with the process. Safe from any thread.
/// Locators are object names. A name that holds other bytes already is kAlreadyExists.
class MemoryStore final : public ObjectStore {
 public:
  struct Options {
    std::string name = "memory";
    std::string site = "this-host";
    std::string jurisdiction = {};
    std::uint64_t object_size_max_bytes = 0;  ///< 0: no limit
    bool is_at_hand = false;                  ///< as StoreTraits says
  };
  explicit MemoryStore(const Options& options);
  MemoryStore() : MemoryStore(Options{}) {}

  const StoreTraits& traits() const noexcept override { return traits_; }
  Status read(const ObjectRef& ref, std::uint64_t offset, MutableByteView out, const CallContext& context) override;
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
  StoreTraits traits_;
  std::mutex mutex_;
  std::map<std::string, Bytes, std::less<>> objects_;
  std::map<std::string, Bytes, std::less<>> heads_;
};

}  // namespace holdfast
