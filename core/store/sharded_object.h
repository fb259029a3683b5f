// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <set>
#include <thread>

#include "core/base/clock.h"
#include "core/store/network_copy.h"

namespace holdfast {

/// Told how each network behaves while a sharded object is read; empty functions are not called. Called from any thread.
struct ShardWatch {
  std::function<void(const std::string& network, std::chrono::nanoseconds took, std::uint64_t size_bytes)> answered;
  std::function<void(const NetworkCopy& shard, const Error& error)> failed;
  std::function<void(const std::string& network, std::chrono::nanoseconds took)> called_off;
  /// How long one may take before others are asked too; empty: 1 s.
  std::function<std::chrono::nanoseconds(const NetworkCopy& copy)> patience;
};

/// A pack that lies in shards on several networks, read as if it were one object on one network. A range is asked of the network whose shard has it as it stands; when that one
/// fails or is late, the same range is rebuilt from k others. Bytes are not verified here, as of any reader: when they turn out wrong, expose() finds who lied, and the
/// next read goes around it. A network that failed once is not asked again by this object. Borrows networks and clock. Safe from any thread, but for expose(), which is called between reads.
class ShardedObject final : public ObjectReader {
 public:
  /// `shards`: all of one code and of one pack, best network first, at most one of an index is used.
  ShardedObject(const NetworkSet& networks, Clock& clock, std::vector<NetworkCopy> shards, ShardWatch watch = {});
  ~ShardedObject() override;

  /// Of the object as a whole; its name says which networks it lies on.
  [[nodiscard]] const StoreTraits& traits() const noexcept override { return traits_; }
  [[nodiscard]] ObjectRef ref() const { return {"pack " + plan_.pack.hex().substr(0, 16) + " in shards", plan_.pack_size_bytes}; }

  /// Errors: kUnavailable when a network that may have what is missing did not answer, else kCorrupt or kNotFound; kDeadlineExceeded, kCancelled.
  Status read(const ObjectRef& ref, std::uint64_t offset, MutableByteView out, const CallContext& context) override;
  /// kDurable when k shards or more are durable, kAbsent when fewer than k can be there. Asks one after the other.
  Result<Durability> probe(const ObjectRef& ref, const CallContext& context) override;
  /// kUnsupported: networks have health, not objects.
  Result<StoreHealth> health(const CallContext& context) override;

  /// After bytes that did not verify: proves what was read of each shard against the shard's id, and asks those that gave anything else no more. Gives their networks;
  /// none: nobody lied, so the pack was bad before it was cut.
  std::vector<std::string> expose(const CallContext& context);

 private:
  struct Gathering;
  struct Member {
    NetworkCopy copy;
    std::set<std::uint64_t> blocks_read;  ///< guarded by mutex_
    std::optional<Error> out;             ///< why it is not asked any more; guarded by mutex_
  };
  /// `out` from `offset` of the body of data shard `index`.
  Status read_piece(std::uint8_t index, std::uint64_t offset, MutableByteView out, const CallContext& context);
  /// Until the shard itself or k others have come.
  Status gather(Gathering& gathering, std::uint8_t index, const CallContext& context);
  void start(Gathering& gathering, Member& member);
  Status ask(Member& member, std::uint64_t offset, MutableByteView out, const CallContext& context);
  /// What is to be asked next, given what runs and what has come; nullptr: nothing more.
  Member* next_for(const Gathering& gathering, std::uint8_t index, bool is_late);
  void put_out(Member& member, const Error& why);
  [[nodiscard]] std::vector<Error> reasons() const;
  [[nodiscard]] std::chrono::nanoseconds patience(const Member& member) const;

  const NetworkSet& networks_;
  Clock& clock_;
  const ShardWatch watch_;
  ShardPlan plan_;
  StoreTraits traits_;
  mutable std::mutex mutex_;
  std::vector<Member> members_;  ///< fixed once made
};

}  // namespace holdfast
