// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <deque>
#include <map>
#include <mutex>

#include "core/base/clock.h"
#include "core/store/store_decorator.h"
#include "tests/support/seeded_random.h"

namespace holdfast::testing {

/// What goes wrong with one call.
struct Fault {
  enum class Kind {
    kErrorInstead,      ///< `code`; the network is not asked
    kErrorAfterSuccess, ///< the call is done, then `code` is answered: the lost acknowledgement
    kFlip,              ///< read, resolve_head, fetch_head: one bit of the answer is wrong; put: one bit of what is kept
    kTruncate,          ///< read: kOutOfRange; heads: half of the answer; put: half is kept, success is answered
    kDelay,             ///< `delay` passes on the clock first; past the deadline: kDeadlineExceeded
    kStaleProbe,        ///< probe answers kDurable without asking
    kOldHead,           ///< resolve_head answers what was published before the newest (nullopt if nothing was)
  };
  Kind kind = Kind::kErrorInstead;
  ErrorCode code = ErrorCode::kUnavailable;
  std::chrono::milliseconds delay{0};
};

/// A store that fails as planned. Faults of plan() are used up first, one a call, in order; then always(); then chance().
/// Safe from any thread.
class FaultyStore final : public StoreDecorator {
 public:
  FaultyStore(std::shared_ptr<ObjectStore> inner, Clock& clock, std::uint64_t seed);

  /// The next `calls` calls of `verb` fail so. `skip` calls before them go well.
  void plan(StoreVerb verb, const Fault& fault, int calls = 1, int skip = 0);
  /// Every call of `verb` fails so until clear().
  void always(StoreVerb verb, const Fault& fault);
  /// All verbs: the network is down.
  void always(const Fault& fault);
  /// Each call of `verb` fails so with `probability`, drawn from the seed.
  void chance(StoreVerb verb, const Fault& fault, double probability);
  void clear();

  [[nodiscard]] int calls(StoreVerb verb) const;
  [[nodiscard]] int faults(StoreVerb verb) const;
  [[nodiscard]] int all_calls() const;

  Status read(const ObjectRef& ref, std::uint64_t offset, MutableByteView out, const CallContext& context) override;
  Result<Durability> probe(const ObjectRef& ref, const CallContext& context) override;
  Result<ObjectRef> put(const ObjectName& name, ByteView object, const CallContext& context) override;
  Result<ObjectRef> put_file(const ObjectName& name, const std::string& path, const CallContext& context) override;
  Result<std::string> publish_head(const RepositoryId& repository, std::uint32_t slot, ByteView key_seed,
                                   ByteView head, const CallContext& context) override;
  Result<std::optional<Bytes>> resolve_head(const RepositoryId& repository, std::uint32_t slot, ByteView key_seed,
                                            const CallContext& context) override;
  Result<Bytes> fetch_head(const std::string& locator, const CallContext& context) override;

 protected:
  Status around(const StoreCall& call, const CallContext& context, const Attempt& attempt) override;

 private:
  struct Plan {
    std::deque<std::optional<Fault>> next;
    std::optional<Fault> always;
    std::optional<Fault> chance;
    double probability = 0;
    int calls = 0;
    int faults = 0;
  };
  std::optional<Fault> draw(StoreVerb verb);
  Status perform(const std::optional<Fault>& fault, const CallContext& context, const Attempt& attempt);
  void flip_a_bit(MutableByteView bytes);
  Result<ObjectRef> put_bytes(const Fault& fault, const ObjectName& name, Bytes object, const CallContext& context);
  void spoil(const Fault& fault, Bytes& bytes);
  Plan& plan_of(StoreVerb verb) { return plans_[static_cast<std::size_t>(verb)]; }

  Clock& clock_;
  mutable std::mutex mutex_;
  std::array<Plan, kStoreVerbCount> plans_;
  SeededRandom random_;
  struct Heads {
    std::optional<Bytes> newest;
    std::optional<Bytes> before;
  };
  std::map<std::string, Heads> heads_;
};

}  // namespace holdfast::testing
