// SPDX-License-Identifier: Apache-2.0
// Cases about objects: what was put comes back, exactly, and nothing else does.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <mutex>

#include "core/store/conformance_bench.h"

namespace holdfast::conformance {

namespace {

Status expect_bytes(Bench& bench, const ObjectRef& ref, std::uint64_t offset, ByteView expected) {
  Bytes out(expected.size());
  const Status got = bench.store.read(ref, offset, out, bench.context());
  const std::string what = "reading " + std::to_string(expected.size()) + " bytes at " + std::to_string(offset);
  if (!got) return complaint(what + " failed: " + got.error().message());
  if (!std::ranges::equal(out, expected)) return complaint(what + " gave other bytes than were put");
  return ok_status();
}

/// put may be followed by a while in which the object is not visible yet, as long as the traits say.
Status expect_kept(Bench& bench, const ObjectRef& ref) {
  const MonoTime until = bench.clock.mono_now() + bench.store.traits().visible_after_max;
  while (true) {
    HOLDFAST_ASSIGN(const Durability durability, bench.store.probe(ref, bench.context()));
    if (durability != Durability::kAbsent) return ok_status();
    const MonoTime now = bench.clock.mono_now();
    if (now >= until) return complaint("a probe after a put says that the object is absent");
    HOLDFAST_TRY(bench.clock.sleep_until(std::min(until, now + std::chrono::milliseconds(250)), {}));
  }
}

Status traits_are_sane(Bench& bench) {
  const StoreTraits& traits = bench.store.traits();
  if (traits.name.empty() || traits.type.empty() || traits.site.empty()) {
    return complaint("name, type and site must not be empty");
  }
  if (traits.calls_in_flight_max == 0) return complaint("calls_in_flight_max is 0");
  if (traits.erases && !traits.can_remove) return complaint("it erases and cannot remove");
  return ok_status();
}

Status health_is_reachable(Bench& bench) {
  HOLDFAST_ASSIGN(const StoreHealth health, bench.store.health(bench.context()));
  if (!health.reachable) return complaint("not reachable: " + health.detail);
  return ok_status();
}

Status put_one_byte(Bench& bench) {
  HOLDFAST_ASSIGN(const Bytes object, bench.fresh_bytes(1));
  HOLDFAST_ASSIGN(const ObjectRef ref, bench.put_fresh(object));
  if (ref.size_bytes != 1) return complaint("the reference has another size than the object");
  return expect_bytes(bench, ref, 0, object);
}

Status put_empty(Bench& bench) {
  HOLDFAST_ASSIGN(const ObjectName name, bench.fresh_name());
  const Result<ObjectRef> ref = bench.put(name, {});
  if (!ref) return expect_code("putting an empty object", ref, {ErrorCode::kInvalidArgument});
  HOLDFAST_TRY(expect_kept(bench, *ref));
  Bytes one(1);
  return expect_code("reading a byte of an empty object", bench.store.read(*ref, 0, one, bench.context()),
                     {ErrorCode::kOutOfRange});
}

Status put_large(Bench& bench) {
  HOLDFAST_ASSIGN(const Bytes object, bench.fresh_bytes(bench.options.large_size_bytes));
  HOLDFAST_ASSIGN(const ObjectRef ref, bench.put_fresh(object));
  HOLDFAST_TRY(expect_kept(bench, ref));
  return expect_bytes(bench, ref, 0, object);
}

Status put_over_max(Bench& bench) {
  constexpr std::uint64_t kTriedMaxBytes = 256U << 20;  // more memory than that is not asked of a user's machine
  const std::uint64_t size_max_bytes = bench.store.traits().object_size_max_bytes;
  if (size_max_bytes == 0) return not_applicable("no known limit");
  if (size_max_bytes > kTriedMaxBytes) return not_applicable("the limit is over 256 MiB");
  HOLDFAST_ASSIGN(const ObjectName name, bench.fresh_name());
  HOLDFAST_ASSIGN(const Bytes object, bench.fresh_bytes(size_max_bytes + 1));
  return expect_code("putting one byte over the limit", bench.put(name, object), {ErrorCode::kInvalidArgument});
}

Status put_repeated(Bench& bench) {
  HOLDFAST_ASSIGN(const ObjectName name, bench.fresh_name());
  HOLDFAST_ASSIGN(const Bytes object, bench.fresh_bytes(70'000));
  HOLDFAST_ASSIGN(const ObjectRef first, bench.put(name, object));
  HOLDFAST_ASSIGN(const ObjectRef second, bench.put(name, object));
  HOLDFAST_TRY(expect_bytes(bench, first, 0, object));
  return expect_bytes(bench, second, 0, object);
}

Status put_other_bytes_under_one_name(Bench& bench) {
  HOLDFAST_ASSIGN(const ObjectName name, bench.fresh_name());
  HOLDFAST_ASSIGN(const Bytes object, bench.fresh_bytes(5'000));
  HOLDFAST_ASSIGN(const Bytes other, bench.fresh_bytes(5'000));
  HOLDFAST_ASSIGN(const ObjectRef ref, bench.put(name, object));
  const Result<ObjectRef> second = bench.put(name, other);
  if (!second) {
    HOLDFAST_TRY(expect_code("putting other bytes under a taken name", second, {ErrorCode::kAlreadyExists}));
  } else {
    HOLDFAST_TRY(expect_bytes(bench, *second, 0, other));
  }
  return expect_bytes(bench, ref, 0, object);
}

Status put_from_file(Bench& bench) {
  HOLDFAST_ASSIGN(const ObjectName name, bench.fresh_name());
  HOLDFAST_ASSIGN(const Bytes object, bench.fresh_bytes(1'200'000));
  const std::string path = bench.options.scratch_folder + "/conformance-" + name.substr(name.find('/') + 1);
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(object.data()), static_cast<std::streamsize>(object.size()));
  file.close();
  if (!file) return complaint("the scratch file " + path + " could not be written");
  Result<ObjectRef> ref = bench.store.put_file(name, path, bench.context());
  const Result<ObjectRef> again = bench.store.put_file(name, path, bench.context());
  std::error_code failed;
  const bool still_there = std::filesystem::remove(path, failed);
  if (!ref) return std::move(ref).error();
  bench.remember(*ref);
  if (!again) return complaint("putting the file again failed: " + again.error().message());
  if (!still_there) return complaint("the file is gone after put_file");
  HOLDFAST_TRY(expect_bytes(bench, *ref, 0, object));
  return expect_bytes(bench, *again, 0, object);
}

Status put_missing_file(Bench& bench) {
  HOLDFAST_ASSIGN(const ObjectName name, bench.fresh_name());
  const std::string path = bench.options.scratch_folder + "/no-such-file";
  return expect_code("putting a file that is not there", bench.store.put_file(name, path, bench.context()),
                     {ErrorCode::kNotFound, ErrorCode::kInvalidArgument});
}

Status read_ranges(Bench& bench) {
  constexpr std::uint64_t kMiB = 1U << 20;
  HOLDFAST_ASSIGN(const Bytes object, bench.fresh_bytes(3 * kMiB + 1234));
  HOLDFAST_ASSIGN(const ObjectRef ref, bench.put_fresh(object));
  const std::uint64_t size = object.size();
  const ByteRange ranges[] = {{0, 1},           {0, 4096},     {1, 65'536},   {kMiB - 1, 2},
                              {kMiB, kMiB},     {777'777, 2 * kMiB}, {size - 1, 1}, {size - 1234, 1234},
                              {2 * kMiB - 5, kMiB + 5}};
  for (const ByteRange& range : ranges) {
    HOLDFAST_TRY(expect_bytes(bench, ref, range.offset, ByteView(object).subspan(range.offset, range.size)));
  }
  return bench.store.read(ref, 10, {}, bench.context());
}

Status read_past_the_end(Bench& bench) {
  HOLDFAST_ASSIGN(const Bytes object, bench.fresh_bytes(2'000));
  HOLDFAST_ASSIGN(const ObjectRef ref, bench.put_fresh(object));
  constexpr std::uint64_t kFar = std::numeric_limits<std::uint64_t>::max();
  const ByteRange ranges[] = {{0, 2'001}, {1'999, 2}, {2'000, 1}, {1U << 30, 10}, {kFar - 1, 1}, {kFar, 100}};
  for (const ByteRange& range : ranges) {
    Bytes out(static_cast<std::size_t>(range.size));
    HOLDFAST_TRY(expect_code("reading " + std::to_string(range.size) + " bytes at " + std::to_string(range.offset) +
                                 " of 2000",
                             bench.store.read(ref, range.offset, out, bench.context()), {ErrorCode::kOutOfRange}));
  }
  return ok_status();
}

Status absent_object(Bench& bench) {
  HOLDFAST_ASSIGN(const Bytes object, bench.fresh_bytes(100));
  HOLDFAST_ASSIGN(const ObjectRef ref, bench.put_fresh(object));
  const ObjectRef absent{.locator = Bench::absent_locator(ref), .size_bytes = 100};
  Bytes out(100);
  HOLDFAST_TRY(expect_code("reading an object that nobody put", bench.store.read(absent, 0, out, bench.context()),
                           {ErrorCode::kNotFound}));
  HOLDFAST_ASSIGN(const Durability durability, bench.store.probe(absent, bench.context()));
  if (durability != Durability::kAbsent) return complaint("a probe finds an object that nobody put");
  if (!bench.store.traits().can_remove) return ok_status();
  const Status removed = bench.store.remove(absent, bench.context());
  if (!removed) return complaint("removing an absent object failed: " + removed.error().message());
  return ok_status();
}

Status wrong_size_is_not_whole(Bench& bench) {
  HOLDFAST_ASSIGN(const Bytes object, bench.fresh_bytes(3'000));
  HOLDFAST_ASSIGN(ObjectRef ref, bench.put_fresh(object));
  ref.size_bytes = 4'000;
  HOLDFAST_ASSIGN(const Durability durability, bench.store.probe(ref, bench.context()));
  if (durability != Durability::kAbsent) return complaint("a probe takes an object that is too short for whole");
  return ok_status();
}

Status remove_twice(Bench& bench) {
  if (!bench.store.traits().can_remove) return not_applicable("the network cannot remove");
  HOLDFAST_ASSIGN(const Bytes object, bench.fresh_bytes(4'000));
  HOLDFAST_ASSIGN(const ObjectRef ref, bench.put_fresh(object));
  HOLDFAST_TRY(bench.store.remove(ref, bench.context()));
  const Status again = bench.store.remove(ref, bench.context());
  if (!again) return complaint("removing it a second time failed: " + again.error().message());
  HOLDFAST_ASSIGN(const Durability durability, bench.store.probe(ref, bench.context()));
  if (durability != Durability::kAbsent) return complaint("a probe finds a removed object");
  if (!bench.store.traits().erases) return ok_status();
  Bytes out(object.size());
  return expect_code("reading a removed object", bench.store.read(ref, 0, out, bench.context()),
                     {ErrorCode::kNotFound});
}

Status put_after_remove(Bench& bench) {
  if (!bench.store.traits().can_remove) return not_applicable("the network cannot remove");
  HOLDFAST_ASSIGN(const ObjectName name, bench.fresh_name());
  HOLDFAST_ASSIGN(const Bytes object, bench.fresh_bytes(4'000));
  HOLDFAST_ASSIGN(const ObjectRef ref, bench.put(name, object));
  HOLDFAST_TRY(bench.store.remove(ref, bench.context()));
  HOLDFAST_ASSIGN(const ObjectRef again, bench.put(name, object));
  HOLDFAST_TRY(expect_kept(bench, again));
  return expect_bytes(bench, again, 0, object);
}

constexpr Case kCases[] = {
    {"traits_are_sane", traits_are_sane},
    {"health_is_reachable", health_is_reachable},
    {"put_one_byte", put_one_byte},
    {"put_empty", put_empty},
    {"put_large", put_large},
    {"put_over_max", put_over_max},
    {"put_repeated", put_repeated},
    {"put_other_bytes_under_one_name", put_other_bytes_under_one_name},
    {"put_from_file", put_from_file},
    {"put_missing_file", put_missing_file},
    {"read_ranges", read_ranges},
    {"read_past_the_end", read_past_the_end},
    {"absent_object", absent_object},
    {"wrong_size_is_not_whole", wrong_size_is_not_whole},
    {"remove_twice", remove_twice},
    {"put_after_remove", put_after_remove},
};

}  // namespace

std::span<const Case> object_cases() { return kCases; }

}  // namespace holdfast::conformance
