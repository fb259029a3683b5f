// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/call_context.h"
#include "core/base/ids.h"

namespace holdfast {

/// What a network gave us for one object.
struct ObjectRef {
  std::string locator;           ///< opaque outside the network's adapter, at most 1,024 bytes
  std::uint64_t size_bytes = 0;  ///< kept outside the bytes, so that a short object is noticed
};

/// A name that the caller proposes for an object. Networks that name objects themselves (IPFS, Swarm) ignore it.
/// Lower-case letters, digits, "-" and at most one "/": "packs/<hex>", "meta/<hex>"; checked by core/store/object_name.h.
using ObjectName = std::string;

enum class Durability : std::uint8_t {
  kAbsent,    ///< the network answers, and does not have it (or not all of it)
  kAccepted,  ///< it has it, and may still be spreading it
  kDurable,   ///< it keeps it as it promises to (pinned, synced to disk)
};

/// Facts about a network, constant for a run.
struct StoreTraits {
  std::string name;                           ///< the configured name, [network.NAME]
  std::string type;                           ///< the adapter: "local", "ipfs", ...
  std::string site;                           ///< "this-host" unless configured: safe needs another
  std::string jurisdiction;                   ///< empty: unknown
  std::uint64_t object_size_max_bytes = 0;    ///< 0: no known limit
  std::uint64_t object_size_liked_bytes = 0;  ///< 0: no preference
  std::uint32_t calls_in_flight_max = 4;
  std::chrono::milliseconds visible_after_max{0};  ///< longest wait from put to readable
  bool is_at_hand = false;     ///< a read costs what one of a disk of this machine costs
  bool can_remove = false;
  bool erases = false;         ///< removal really ends the bytes (unpinning does not)
  bool has_mutable_names = false;
};

/// What a network says of its own state. Figures that it does not tell are nullopt.
struct StoreHealth {
  bool reachable = false;
  std::string detail;  ///< for people: version, or what is wrong
  std::optional<std::uint64_t> used_bytes;
  std::optional<std::uint64_t> capacity_bytes;
  std::vector<std::string> warnings = {};  ///< what will be lost if nobody acts, for people: contracts that end, postage that runs dry, a service that does not answer
};

/// Reading rights on one network. Safe from any thread.
class ObjectReader {
 public:
  virtual ~ObjectReader() = default;
  virtual const StoreTraits& traits() const noexcept = 0;

  /// Fills all of `out` with the object's bytes from `offset` on, or fails; content is not verified here.
  /// An empty `out` succeeds without asking. On failure the content of `out` is unspecified.
  /// Errors: kNotFound (the network does not have it), kOutOfRange (the object is shorter than that, or a reply
  /// was), kUnavailable, kDeadlineExceeded, kCancelled, kPermissionDenied, kInvalidArgument (not a locator of this network).
  virtual Status read(const ObjectRef& ref, std::uint64_t offset, MutableByteView out,
                      const CallContext& context) = 0;

  /// Whether the network holds all of the object, without reading it. Errors: as read, but absence is an answer.
  virtual Result<Durability> probe(const ObjectRef& ref, const CallContext& context) = 0;

  virtual Result<StoreHealth> health(const CallContext& context) = 0;
};

/// A network. Safe from any thread.
class ObjectStore : public ObjectReader {
 public:
  /// Stores `object` durably as far as the network promises it. May be repeated with the same name and bytes and
  /// then gives an equivalent reference. After an error the object may or may not be there.
  /// Errors: kUnavailable, kDeadlineExceeded, kCancelled, kQuotaExceeded, kNoSpace, kPermissionDenied, kInvalidArgument (too big),
  /// kAlreadyExists (networks that keep names: other bytes are stored under it, which stay; remove them first).
  virtual Result<ObjectRef> put(const ObjectName& name, ByteView object, const CallContext& context) = 0;

  /// Like put, of the whole of a local file that will not change any more; the file stays. The default way of an
  /// adapter is to read it; `local` hard-links it where it can.
  virtual Result<ObjectRef> put_file(const ObjectName& name, const std::string& path,
                                     const CallContext& context) = 0;

  /// Removes it (on networks that can: traits().can_remove). An absent object is success.
  virtual Status remove(const ObjectRef& ref, const CallContext& context) = 0;

  /// Points the mutable name `slot` of repository `repository` at `head` (at most 1 MiB), which is stored too.
  /// `key_seed` is the Ed25519 seed of names that are keys (FORMAT.md §2 K_head); networks with plain names ignore it.
  /// Returns the locator at which the name is found from elsewhere (an IPNS name, a file path).
  /// Errors: as put; kUnsupported where traits().has_mutable_names is false.
  virtual Result<std::string> publish_head(const RepositoryId& repository, std::uint32_t slot, ByteView key_seed,
                                           ByteView head, const CallContext& context) = 0;

  /// The newest head under that name that the network knows; nullopt when the name does not exist. Not verified here.
  virtual Result<std::optional<Bytes>> resolve_head(const RepositoryId& repository, std::uint32_t slot,
                                                    ByteView key_seed, const CallContext& context) = 0;

  /// The head behind a locator that publish_head returned or that stands on a recovery sheet (`recover --head`).
  /// Errors: kNotFound, kInvalidArgument, and as read.
  virtual Result<Bytes> fetch_head(const std::string& locator, const CallContext& context) = 0;
};

/// The networks of this run, in the configured order. Owned by the composition root; outlives its users.
class NetworkSet {
 public:
  explicit NetworkSet(std::vector<std::shared_ptr<ObjectStore>> stores) : stores_(std::move(stores)) {}
  [[nodiscard]] const std::vector<std::shared_ptr<ObjectStore>>& all() const noexcept { return stores_; }
  /// nullptr when no network has that name.
  [[nodiscard]] std::shared_ptr<ObjectStore> find(std::string_view name) const {
    for (const auto& store : stores_) {
      if (store->traits().name == name) return store;
    }
    return nullptr;
  }

 private:
  std::vector<std::shared_ptr<ObjectStore>> stores_;
};

}  // namespace holdfast
