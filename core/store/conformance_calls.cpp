// SPDX-License-Identifier: Apache-2.0
// Cases about calls (locators, cancellation, deadlines, parallel use) and about mutable names.
#include <algorithm>
#include <mutex>
#include <thread>

#include "core/store/conformance_bench.h"
#include "core/store/object_name.h"

namespace holdfast::conformance {

namespace {

/// Every verb of the store with harmless arguments, so that what all must do alike is said once.
struct AllVerbs {
  ObjectRef ref;
  ObjectName name;
  Bytes object;
  RepositoryId repository;
  Bytes seed;
};

Result<AllVerbs> make_all_verbs(Bench& bench) {
  AllVerbs all;
  HOLDFAST_ASSIGN(all.object, bench.fresh_bytes(10'000));
  HOLDFAST_ASSIGN(all.name, bench.fresh_name());
  HOLDFAST_ASSIGN(all.ref, bench.put(all.name, all.object));
  HOLDFAST_ASSIGN(const Bytes id, bench.fresh_bytes(RepositoryId::size));
  HOLDFAST_ASSIGN(all.repository, RepositoryId::from(id));
  HOLDFAST_ASSIGN(all.seed, bench.fresh_bytes(32));
  return all;
}

Status each_verb_gives(Bench& bench, ErrorCode code, const std::string& when, const CallContext& context) {
  HOLDFAST_ASSIGN(AllVerbs all, make_all_verbs(bench));
  ObjectStore& store = bench.store;
  Bytes out(all.object.size());
  HOLDFAST_TRY(expect_code("read " + when, store.read(all.ref, 0, out, context), {code}));
  HOLDFAST_TRY(expect_code("probe " + when, store.probe(all.ref, context), {code}));
  HOLDFAST_TRY(expect_code("health " + when, store.health(context), {code}));
  HOLDFAST_TRY(expect_code("put " + when, store.put(all.name, all.object, context), {code}));
  if (store.traits().can_remove) {
    HOLDFAST_TRY(expect_code("remove " + when, store.remove(all.ref, context), {code}));
  }
  if (!store.traits().has_mutable_names) return ok_status();
  HOLDFAST_TRY(expect_code("resolve_head " + when, store.resolve_head(all.repository, 0, all.seed, context), {code}));
  return expect_code("publish_head " + when, store.publish_head(all.repository, 0, all.seed, all.object, context),
                     {code});
}

Status cancelled_before(Bench& bench) {
  std::stop_source stop;
  stop.request_stop();
  return each_verb_gives(bench, ErrorCode::kCancelled, "after a cancellation", bench.context(stop.get_token()));
}

Status expired_deadline(Bench& bench) {
  CallContext context = bench.context();
  context.deadline = bench.clock.mono_now() - std::chrono::milliseconds(1);
  return each_verb_gives(bench, ErrorCode::kDeadlineExceeded, "past its deadline", context);
}

/// Calls off a read of something absent, on which some networks would wait for ever, and a large put.
Status cancelled_during(Bench& bench) {
  HOLDFAST_ASSIGN(const Bytes object, bench.fresh_bytes(100));
  HOLDFAST_ASSIGN(const ObjectRef ref, bench.put_fresh(object));
  HOLDFAST_ASSIGN(const Bytes large, bench.fresh_bytes(bench.options.large_size_bytes));
  HOLDFAST_ASSIGN(const ObjectName name, bench.fresh_name());
  std::stop_source stop;
  const MonoTime start = bench.clock.mono_now();
  const CallContext context = bench.context(stop.get_token());
  Status read;
  Result<ObjectRef> put = ObjectRef{};
  {
    const std::jthread reader([&] {
      Bytes out(100);
      read = bench.store.read({.locator = Bench::absent_locator(ref), .size_bytes = 100}, 0, out, context);
    });
    const std::jthread writer([&] { put = bench.store.put(name, large, context); });
    (void)bench.clock.sleep_until(start + std::chrono::milliseconds(20), {}).has_value();
    stop.request_stop();
  }
  if (put) bench.remember(*put);
  HOLDFAST_TRY(expect_code("a read that is called off", read, {ErrorCode::kCancelled, ErrorCode::kNotFound}));
  if (!put) HOLDFAST_TRY(expect_code("a put that is called off", put, {ErrorCode::kCancelled}));
  // Far above what a cancellation takes and far below the deadline: tells one that is heard from one that is not.
  if (bench.clock.mono_now() - start > bench.options.call_timeout / 4) {
    return complaint("a cancellation was heard only after a quarter of the deadline");
  }
  return ok_status();
}

Status garbage_locators(Bench& bench) {
  const std::string garbage[] = {"",
                                 "..",
                                 "../etc/passwd",
                                 "/etc/passwd",
                                 "packs/../../etc/passwd",
                                 "packs//a",
                                 "a/b/c",
                                 "packs/a?arg=b&offset=0",
                                 "packs/a#b",
                                 "packs/%2e%2e",
                                 "packs/a\r\nX-Header: b",
                                 std::string("packs/a\0b", 9),
                                 "\xff\xfe",
                                 std::string(5'000, 'a')};
  for (const std::string& locator : garbage) {
    const ObjectRef ref{.locator = locator, .size_bytes = 10};
    Bytes out(10);
    const std::string what = " '" + (locator.size() > 100 ? "a long name" : locator) + "'";
    HOLDFAST_TRY(expect_code("reading" + what, bench.store.read(ref, 0, out, bench.context()),
                             {ErrorCode::kInvalidArgument}));
    HOLDFAST_TRY(expect_code("probing" + what, bench.store.probe(ref, bench.context()),
                             {ErrorCode::kInvalidArgument}));
    if (bench.store.traits().can_remove) {
      HOLDFAST_TRY(expect_code("removing" + what, bench.store.remove(ref, bench.context()),
                               {ErrorCode::kInvalidArgument}));
    }
    if (bench.store.traits().has_mutable_names) {
      HOLDFAST_TRY(expect_code("fetching head" + what, bench.store.fetch_head(locator, bench.context()),
                               {ErrorCode::kInvalidArgument}));
    }
  }
  return ok_status();
}

Status parallel_calls(Bench& bench) {
  const auto count = static_cast<std::size_t>(bench.options.parallel_calls);
  std::vector<Bytes> objects(count);
  std::vector<ObjectName> names(count);
  for (std::size_t i = 0; i < count; ++i) {
    HOLDFAST_ASSIGN(objects[i], bench.fresh_bytes(20'000 + i));
    HOLDFAST_ASSIGN(names[i], bench.fresh_name());
  }
  std::vector<Status> outcomes(count);
  const auto work = [&](std::size_t i) -> Status {
    HOLDFAST_ASSIGN(const ObjectRef ref, bench.put(names[i], objects[i]));
    Bytes out(objects[i].size());
    HOLDFAST_TRY(bench.store.read(ref, 0, out, bench.context()));
    if (out != objects[i]) return complaint("a parallel read gave another object's bytes");
    return ok_status();
  };
  {
    std::vector<std::jthread> threads;
    threads.reserve(count);
    for (std::size_t i = 0; i < count; ++i) threads.emplace_back([&, i] { outcomes[i] = work(i); });
  }
  for (const Status& outcome : outcomes) HOLDFAST_TRY(outcome);
  return ok_status();
}

Status parallel_puts_of_one_name(Bench& bench) {
  HOLDFAST_ASSIGN(const Bytes object, bench.fresh_bytes(300'000));
  HOLDFAST_ASSIGN(const ObjectName name, bench.fresh_name());
  std::vector<Status> outcomes(8);
  {
    std::vector<std::jthread> threads;
    for (Status& outcome : outcomes) {
      threads.emplace_back([&] {
        const Result<ObjectRef> ref = bench.put(name, object);
        if (!ref) outcome = ref.error();
      });
    }
  }
  for (const Status& outcome : outcomes) HOLDFAST_TRY(outcome);
  return ok_status();
}

constexpr Case kCallCases[] = {
    {"cancelled_before", cancelled_before},
    {"expired_deadline", expired_deadline},
    {"cancelled_during", cancelled_during},
    {"garbage_locators", garbage_locators},
    {"parallel_calls", parallel_calls},
    {"parallel_puts_of_one_name", parallel_puts_of_one_name},
};

struct HeadName {
  RepositoryId repository;
  Bytes seed;
};

Result<HeadName> fresh_head_name(Bench& bench) {
  if (!bench.options.try_heads) return not_applicable("not asked for");
  if (!bench.store.traits().has_mutable_names) return not_applicable("the network has no mutable names");
  HOLDFAST_ASSIGN(const Bytes id, bench.fresh_bytes(RepositoryId::size));
  HOLDFAST_ASSIGN(const RepositoryId repository, RepositoryId::from(id));
  HOLDFAST_ASSIGN(Bytes seed, bench.fresh_bytes(32));
  return HeadName{repository, std::move(seed)};
}

Status head_unsupported(Bench& bench) {
  if (bench.store.traits().has_mutable_names) return not_applicable("the network has mutable names");
  const Bytes seed(32);
  return expect_code("publishing a head", bench.store.publish_head({}, 0, seed, seed, bench.context()),
                     {ErrorCode::kUnsupported});
}

Status head_absent(Bench& bench) {
  HOLDFAST_ASSIGN(const HeadName head, fresh_head_name(bench));
  HOLDFAST_ASSIGN(const std::optional<Bytes> got,
                  bench.store.resolve_head(head.repository, 0, head.seed, bench.context()));
  if (got) return complaint("a name that nobody published resolves");
  return ok_status();
}

Status expect_head(Bench& bench, const HeadName& name, std::uint32_t slot, const Bytes& expected) {
  HOLDFAST_ASSIGN(const std::optional<Bytes> got,
                  bench.store.resolve_head(name.repository, slot, name.seed, bench.context()));
  if (!got) return complaint("a published name does not resolve");
  if (*got != expected) return complaint("a published name resolves to other bytes than the newest");
  return ok_status();
}

Status head_publish_and_replace(Bench& bench) {
  HOLDFAST_ASSIGN(const HeadName name, fresh_head_name(bench));
  HOLDFAST_ASSIGN(const Bytes first, bench.fresh_bytes(900));
  HOLDFAST_ASSIGN(const Bytes second, bench.fresh_bytes(1'100));
  HOLDFAST_ASSIGN(const std::string locator,
                  bench.store.publish_head(name.repository, 7, name.seed, first, bench.context()));
  HOLDFAST_TRY(expect_head(bench, name, 7, first));
  HOLDFAST_ASSIGN(const std::string again,
                  bench.store.publish_head(name.repository, 7, name.seed, second, bench.context()));
  HOLDFAST_TRY(expect_head(bench, name, 7, second));
  if (locator != again) return complaint("the name's locator changed with its content");
  HOLDFAST_ASSIGN(const Bytes fetched, bench.store.fetch_head(locator, bench.context()));
  if (fetched != second) return complaint("the head behind the locator is not the newest");
  // Publishing what is there already is how names are kept alive.
  HOLDFAST_TRY(bench.store.publish_head(name.repository, 7, name.seed, second, bench.context()));
  return expect_head(bench, name, 7, second);
}

Status head_slots_are_apart(Bench& bench) {
  HOLDFAST_ASSIGN(HeadName name, fresh_head_name(bench));
  HOLDFAST_ASSIGN(const Bytes first, bench.fresh_bytes(500));
  HOLDFAST_ASSIGN(const Bytes second, bench.fresh_bytes(500));
  HeadName other = name;  // each slot has a key of its own (FORMAT.md §2)
  HOLDFAST_ASSIGN(other.seed, bench.fresh_bytes(32));
  HOLDFAST_TRY(bench.store.publish_head(name.repository, 0, name.seed, first, bench.context()));
  HOLDFAST_TRY(bench.store.publish_head(name.repository, 1, other.seed, second, bench.context()));
  HOLDFAST_TRY(expect_head(bench, name, 0, first));
  return expect_head(bench, other, 1, second);
}

Status head_sizes(Bench& bench) {
  HOLDFAST_ASSIGN(const HeadName name, fresh_head_name(bench));
  HOLDFAST_ASSIGN(Bytes head, bench.fresh_bytes(kHeadMaxBytes));
  HOLDFAST_TRY(bench.store.publish_head(name.repository, 0, name.seed, head, bench.context()));
  HOLDFAST_TRY(expect_head(bench, name, 0, head));
  head.push_back(0);
  return expect_code("publishing a head of over 1 MiB",
                     bench.store.publish_head(name.repository, 0, name.seed, head, bench.context()),
                     {ErrorCode::kInvalidArgument});
}

constexpr Case kHeadCases[] = {
    {"head_unsupported", head_unsupported},
    {"head_absent", head_absent},
    {"head_publish_and_replace", head_publish_and_replace},
    {"head_slots_are_apart", head_slots_are_apart},
    {"head_sizes", head_sizes},
};

}  // namespace

std::span<const Case> call_cases() { return kCallCases; }
std::span<const Case> head_cases() { return kHeadCases; }

}  // namespace holdfast::conformance
