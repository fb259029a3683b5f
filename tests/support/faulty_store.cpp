// SPDX-License-Identifier: Apache-2.0
#include "tests/support/faulty_store.h"

#include "core/store/whole_file.h"

namespace holdfast::testing {

namespace {

std::string head_key(const RepositoryId& repository, std::uint32_t slot) {
  return repository.hex() + "/" + std::to_string(slot);
}

bool is(const std::optional<Fault>& fault, Fault::Kind kind) { return fault && fault->kind == kind; }
bool spoils(const std::optional<Fault>& fault) {
  return is(fault, Fault::Kind::kFlip) || is(fault, Fault::Kind::kTruncate);
}

}  // namespace

FaultyStore::FaultyStore(std::shared_ptr<ObjectStore> inner, Clock& clock, std::uint64_t seed)
    : StoreDecorator(std::move(inner)), clock_(clock), random_(seed) {}

void FaultyStore::plan(StoreVerb verb, const Fault& fault, int calls, int skip) {
  const std::lock_guard lock(mutex_);
  plan_of(verb).next.insert(plan_of(verb).next.end(), static_cast<std::size_t>(skip), std::nullopt);
  plan_of(verb).next.insert(plan_of(verb).next.end(), static_cast<std::size_t>(calls), fault);
}

void FaultyStore::always(StoreVerb verb, const Fault& fault) {
  const std::lock_guard lock(mutex_);
  plan_of(verb).always = fault;
}

void FaultyStore::always(const Fault& fault) {
  const std::lock_guard lock(mutex_);
  for (Plan& plan : plans_) plan.always = fault;
}

void FaultyStore::chance(StoreVerb verb, const Fault& fault, double probability) {
  const std::lock_guard lock(mutex_);
  plan_of(verb).chance = fault;
  plan_of(verb).probability = probability;
}

void FaultyStore::clear() {
  const std::lock_guard lock(mutex_);
  for (Plan& plan : plans_) {
    plan.next.clear();
    plan.always.reset();
    plan.chance.reset();
  }
}

int FaultyStore::calls(StoreVerb verb) const {
  const std::lock_guard lock(mutex_);
  return plans_[static_cast<std::size_t>(verb)].calls;
}

int FaultyStore::faults(StoreVerb verb) const {
  const std::lock_guard lock(mutex_);
  return plans_[static_cast<std::size_t>(verb)].faults;
}

int FaultyStore::all_calls() const {
  const std::lock_guard lock(mutex_);
  int sum = 0;
  for (const Plan& plan : plans_) sum += plan.calls;
  return sum;
}

std::optional<Fault> FaultyStore::draw(StoreVerb verb) {
  const std::lock_guard lock(mutex_);
  Plan& plan = plan_of(verb);
  ++plan.calls;
  std::optional<Fault> fault;
  if (!plan.next.empty()) {
    fault = plan.next.front();
    plan.next.pop_front();
  } else if (plan.always) {
    fault = plan.always;
  } else if (plan.chance && static_cast<double>(random_.next() >> 11U) * 0x1p-53 < plan.probability) {
    fault = plan.chance;
  }
  if (fault) ++plan.faults;
  return fault;
}

Status FaultyStore::perform(const std::optional<Fault>& fault, const CallContext& context, const Attempt& attempt) {
  if (is(fault, Fault::Kind::kErrorInstead)) return Error(fault->code, "planned fault").on_network(traits().name);
  if (is(fault, Fault::Kind::kDelay)) {
    const MonoTime end = clock_.mono_now() + fault->delay;
    HOLDFAST_TRY(clock_.sleep_until(std::min(end, context.deadline), context.stop));
    HOLDFAST_TRY(check_context(context, clock_, "planned delay"));
  }
  HOLDFAST_TRY(attempt(context));
  if (is(fault, Fault::Kind::kErrorAfterSuccess)) {
    return Error(fault->code, "planned fault after success").on_network(traits().name);
  }
  return ok_status();
}

Status FaultyStore::around(const StoreCall& call, const CallContext& context, const Attempt& attempt) {
  return perform(draw(call.verb), context, attempt);
}

void FaultyStore::flip_a_bit(MutableByteView bytes) {
  if (bytes.empty()) return;
  const std::uint64_t bit = random_.next_below(8 * bytes.size());
  bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ (1U << (bit % 8)));
}

void FaultyStore::spoil(const Fault& fault, Bytes& bytes) {
  if (fault.kind == Fault::Kind::kFlip) flip_a_bit(bytes);
  if (fault.kind == Fault::Kind::kTruncate) bytes.resize(bytes.size() / 2);
}

Status FaultyStore::read(const ObjectRef& ref, std::uint64_t offset, MutableByteView out,
                         const CallContext& context) {
  const std::optional<Fault> fault = draw(StoreVerb::kRead);
  HOLDFAST_TRY(perform(fault, context, [&](const CallContext& c) { return inner().read(ref, offset, out, c); }));
  if (is(fault, Fault::Kind::kFlip)) flip_a_bit(out);
  if (is(fault, Fault::Kind::kTruncate)) {
    return Error(ErrorCode::kOutOfRange, "planned short reply").on_network(traits().name);
  }
  return ok_status();
}

Result<Durability> FaultyStore::probe(const ObjectRef& ref, const CallContext& context) {
  const std::optional<Fault> fault = draw(StoreVerb::kProbe);
  Durability durability = Durability::kDurable;
  if (is(fault, Fault::Kind::kStaleProbe)) return durability;
  HOLDFAST_TRY(perform(fault, context, [&](const CallContext& c) -> Status {
    HOLDFAST_ASSIGN(durability, inner().probe(ref, c));
    return ok_status();
  }));
  return durability;
}

Result<ObjectRef> FaultyStore::put_bytes(const Fault& fault, const ObjectName& name, Bytes object,
                                         const CallContext& context) {
  const std::uint64_t claimed_bytes = object.size();
  spoil(fault, object);
  HOLDFAST_ASSIGN(ObjectRef ref, inner().put(name, object, context));
  ref.size_bytes = claimed_bytes;
  return ref;
}

Result<ObjectRef> FaultyStore::put(const ObjectName& name, ByteView object, const CallContext& context) {
  const std::optional<Fault> fault = draw(StoreVerb::kPut);
  if (spoils(fault)) return put_bytes(*fault, name, Bytes(object.begin(), object.end()), context);
  ObjectRef ref;
  HOLDFAST_TRY(perform(fault, context, [&](const CallContext& c) -> Status {
    HOLDFAST_ASSIGN(ref, inner().put(name, object, c));
    return ok_status();
  }));
  return ref;
}

Result<ObjectRef> FaultyStore::put_file(const ObjectName& name, const std::string& path,
                                        const CallContext& context) {
  const std::optional<Fault> fault = draw(StoreVerb::kPut);
  if (spoils(fault)) {
    HOLDFAST_ASSIGN(Bytes object, read_whole_file(path, 0, context));
    return put_bytes(*fault, name, std::move(object), context);
  }
  ObjectRef ref;
  HOLDFAST_TRY(perform(fault, context, [&](const CallContext& c) -> Status {
    HOLDFAST_ASSIGN(ref, inner().put_file(name, path, c));
    return ok_status();
  }));
  return ref;
}

Result<std::string> FaultyStore::publish_head(const RepositoryId& repository, std::uint32_t slot, ByteView key_seed,
                                              ByteView head, const CallContext& context) {
  const std::optional<Fault> fault = draw(StoreVerb::kPublishHead);
  std::string locator;
  HOLDFAST_TRY(perform(fault, context, [&](const CallContext& c) -> Status {
    HOLDFAST_ASSIGN(locator, inner().publish_head(repository, slot, key_seed, head, c));
    const std::lock_guard lock(mutex_);
    Heads& known = heads_[head_key(repository, slot)];
    known.before = std::exchange(known.newest, Bytes(head.begin(), head.end()));
    return ok_status();
  }));
  return locator;
}

Result<std::optional<Bytes>> FaultyStore::resolve_head(const RepositoryId& repository, std::uint32_t slot,
                                                       ByteView key_seed, const CallContext& context) {
  const std::optional<Fault> fault = draw(StoreVerb::kResolveHead);
  if (is(fault, Fault::Kind::kOldHead)) {
    const std::lock_guard lock(mutex_);
    return heads_[head_key(repository, slot)].before;
  }
  std::optional<Bytes> head;
  HOLDFAST_TRY(perform(fault, context, [&](const CallContext& c) -> Status {
    HOLDFAST_ASSIGN(head, inner().resolve_head(repository, slot, key_seed, c));
    return ok_status();
  }));
  if (spoils(fault) && head) spoil(*fault, *head);
  return head;
}

Result<Bytes> FaultyStore::fetch_head(const std::string& locator, const CallContext& context) {
  const std::optional<Fault> fault = draw(StoreVerb::kFetchHead);
  Bytes head;
  HOLDFAST_TRY(perform(fault, context, [&](const CallContext& c) -> Status {
    HOLDFAST_ASSIGN(head, inner().fetch_head(locator, c));
    return ok_status();
  }));
  if (spoils(fault)) spoil(*fault, head);
  return head;
}

}  // namespace holdfast::testing
