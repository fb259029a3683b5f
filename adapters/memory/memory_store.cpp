// SPDX-License-Identifier: Apache-2.0
#include "adapters/memory/memory_store.h"

#include <algorithm>

#include "core/base/clock.h"
#include "core/store/object_name.h"
#include "core/store/whole_file.h"

namespace holdfast {

namespace {

Status check(const CallContext& context, std::string_view doing) {
  return check_context(context, system_clock(), doing);
}

}  // namespace

MemoryStore::MemoryStore(const Options& options) {
  traits_.name = options.name;
  traits_.type = "memory";
  traits_.site = options.site;
  traits_.jurisdiction = options.jurisdiction;
  traits_.object_size_max_bytes = options.object_size_max_bytes;
  traits_.calls_in_flight_max = 64;
  traits_.is_at_hand = options.is_at_hand;
  traits_.can_remove = true;
  traits_.erases = true;
  traits_.has_mutable_names = true;
}

Status MemoryStore::read(const ObjectRef& ref, std::uint64_t offset, MutableByteView out,
                         const CallContext& context) {
  HOLDFAST_TRY(validate_object_name(ref.locator));
  HOLDFAST_TRY(check(context, "reading " + ref.locator));
  if (out.empty()) return ok_status();
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(ref.locator);
  if (found == objects_.end()) return Error(ErrorCode::kNotFound, "reading " + ref.locator + ": not in memory");
  const Bytes& object = found->second;
  if (offset > object.size() || out.size() > object.size() - offset) {
    return Error(ErrorCode::kOutOfRange, "reading " + ref.locator + ": it has " + std::to_string(object.size()) +
                                             " bytes, asked for " + std::to_string(out.size()) + " at " +
                                             std::to_string(offset));
  }
  std::copy_n(object.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
  return ok_status();
}

Result<Durability> MemoryStore::probe(const ObjectRef& ref, const CallContext& context) {
  HOLDFAST_TRY(validate_object_name(ref.locator));
  HOLDFAST_TRY(check(context, "probing " + ref.locator));
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(ref.locator);
  if (found == objects_.end() || found->second.size() != ref.size_bytes) return Durability::kAbsent;
  return Durability::kDurable;
}

Result<StoreHealth> MemoryStore::health(const CallContext& context) {
  HOLDFAST_TRY(check(context, "asking for health"));
  StoreHealth health{.reachable = true, .detail = "in memory", .used_bytes = 0, .capacity_bytes = {}, .warnings = {}};
  const std::lock_guard lock(mutex_);
  for (const auto& [name, object] : objects_) *health.used_bytes += object.size();
  for (const auto& [name, head] : heads_) *health.used_bytes += head.size();
  return health;
}

Result<ObjectRef> MemoryStore::put(const ObjectName& name, ByteView object, const CallContext& context) {
  HOLDFAST_TRY(validate_object_name(name));
  HOLDFAST_TRY(check(context, "putting " + name));
  if (traits_.object_size_max_bytes != 0 && object.size() > traits_.object_size_max_bytes) {
    return Error(ErrorCode::kInvalidArgument, "putting " + name + ": " + std::to_string(object.size()) +
                                                  " bytes are over the limit of " +
                                                  std::to_string(traits_.object_size_max_bytes));
  }
  const std::lock_guard lock(mutex_);
  const auto [place, fresh] = objects_.try_emplace(name, object.begin(), object.end());
  if (!fresh && !std::ranges::equal(place->second, object)) {
    return Error(ErrorCode::kAlreadyExists, "putting " + name + ": other bytes are stored under that name");
  }
  return ObjectRef{.locator = name, .size_bytes = object.size()};
}

Result<ObjectRef> MemoryStore::put_file(const ObjectName& name, const std::string& path,
                                        const CallContext& context) {
  HOLDFAST_ASSIGN(const Bytes object, read_whole_file(path, traits_.object_size_max_bytes, context));
  return put(name, object, context);
}

Status MemoryStore::remove(const ObjectRef& ref, const CallContext& context) {
  HOLDFAST_TRY(validate_object_name(ref.locator));
  HOLDFAST_TRY(check(context, "removing " + ref.locator));
  const std::lock_guard lock(mutex_);
  objects_.erase(ref.locator);
  return ok_status();
}

Result<std::string> MemoryStore::publish_head(const RepositoryId& repository, std::uint32_t slot,
                                              ByteView /*key_seed*/, ByteView head, const CallContext& context) {
  const std::string name = head_name(repository, slot);
  HOLDFAST_TRY(check(context, "publishing " + name));
  if (head.size() > kHeadMaxBytes) return Error(ErrorCode::kInvalidArgument, "publishing " + name + ": over 1 MiB");
  const std::lock_guard lock(mutex_);
  heads_[name].assign(head.begin(), head.end());
  return name;
}

Result<std::optional<Bytes>> MemoryStore::resolve_head(const RepositoryId& repository, std::uint32_t slot,
                                                       ByteView /*key_seed*/, const CallContext& context) {
  const std::string name = head_name(repository, slot);
  HOLDFAST_TRY(check(context, "resolving " + name));
  const std::lock_guard lock(mutex_);
  const auto found = heads_.find(name);
  if (found == heads_.end()) return std::optional<Bytes>();
  return std::optional<Bytes>(found->second);
}

Result<Bytes> MemoryStore::fetch_head(const std::string& locator, const CallContext& context) {
  HOLDFAST_TRY(check(context, "fetching a head"));
  if (!is_head_name(locator)) return Error(ErrorCode::kInvalidArgument, "not the locator of a head in memory");
  const std::lock_guard lock(mutex_);
  const auto found = heads_.find(locator);
  if (found == heads_.end()) return Error(ErrorCode::kNotFound, "fetching " + locator + ": not in memory");
  return found->second;
}

}  // namespace holdfast
