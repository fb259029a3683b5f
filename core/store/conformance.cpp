// SPDX-License-Identifier: Apache-2.0
#include "core/store/conformance.h"

#include <mutex>

#include "core/store/conformance_bench.h"

namespace holdfast {

namespace conformance {

namespace {
// Marks that a case's error speaks about the suite and not about a call; no error of a store starts so.
constexpr std::string_view kSkipMark = "\x01";
}  // namespace

Error complaint(std::string what) { return {ErrorCode::kInternal, std::move(what)}; }

Error not_applicable(std::string why) { return {ErrorCode::kUnsupported, std::string(kSkipMark) + std::move(why)}; }

Status expect_code(const std::string& what, const Status& status, std::initializer_list<ErrorCode> codes) {
  std::string wanted;
  for (const ErrorCode code : codes) {
    if (!status && status.error().code() == code) return ok_status();
    wanted += (wanted.empty() ? "" : " or ") + std::string(error_code_name(code));
  }
  if (status) return complaint(what + " succeeded, expected " + wanted);
  return complaint(what + " gave " + std::string(error_code_name(status.error().code())) + " (" +
                   status.error().message() + "), expected " + wanted);
}

CallContext Bench::context() const { return context(stop_); }

CallContext Bench::context(std::stop_token stop) const {
  return {.deadline = clock.mono_now() + options.call_timeout, .stop = std::move(stop)};
}

Result<Bytes> Bench::fresh_bytes(std::uint64_t size_bytes) {
  Bytes bytes(static_cast<std::size_t>(size_bytes));
  HOLDFAST_TRY(random_.fill(bytes));
  return bytes;
}

Result<ObjectName> Bench::fresh_name() {
  HOLDFAST_ASSIGN(const Bytes id, fresh_bytes(32));
  return "packs/" + to_hex(id);
}

Result<ObjectRef> Bench::put(const ObjectName& name, ByteView object) {
  HOLDFAST_ASSIGN(ObjectRef ref, store.put(name, object, context()));
  remember(ref);
  return ref;
}

Result<ObjectRef> Bench::put_fresh(ByteView object) {
  HOLDFAST_ASSIGN(const ObjectName name, fresh_name());
  return put(name, object);
}

std::string Bench::absent_locator(const ObjectRef& ref) {
  std::string locator = ref.locator;
  // Letters and digits that stay within hexadecimal and base 32 alike; the middle, since an end may carry padding bits.
  for (std::size_t i = locator.size() / 2; i < locator.size(); ++i) {
    char& c = locator[i];
    if (c >= 'a' && c <= 'z') return c = (c == 'a' ? 'b' : 'a'), locator;
    if (c >= '0' && c <= '9') return c = (c == '2' ? '3' : '2'), locator;
  }
  return locator;
}

void Bench::remember(const ObjectRef& ref) {
  const std::lock_guard lock(mutex_);
  made_.push_back(ref);
}

void Bench::remove_all() {
  if (!store.traits().can_remove) return;
  for (const ObjectRef& ref : made_) {
    // What stays behind costs space, nothing else: the suite's verdict is about its cases.
    (void)store.remove(ref, context()).has_value();
  }
}

}  // namespace conformance

ConformanceSummary run_conformance(ObjectStore& store, Clock& clock, RandomSource& random,
                                   const ConformanceOptions& options, const std::stop_token& stop,
                                   const std::function<void(const ConformanceFinding&)>& report) {
  using Outcome = ConformanceFinding::Outcome;
  ConformanceSummary summary;
  conformance::Bench bench(store, clock, random, options, stop);
  for (const std::span<const conformance::Case> cases :
       {conformance::object_cases(), conformance::call_cases(), conformance::head_cases()}) {
    for (const conformance::Case& one : cases) {
      if (stop.stop_requested()) break;
      const MonoTime start = clock.mono_now();
      const Status status = one.run(bench);
      ConformanceFinding finding{.name = one.name, .outcome = Outcome::kPassed, .detail = {}, .took = {}};
      finding.took = std::chrono::duration_cast<std::chrono::milliseconds>(clock.mono_now() - start);
      if (status) {
        ++summary.passed;
      } else if (status.error().message().starts_with(conformance::kSkipMark)) {
        ++summary.skipped;
        finding.outcome = Outcome::kSkipped;
        finding.detail = status.error().message().substr(conformance::kSkipMark.size());
      } else {
        ++summary.failed;
        finding.outcome = Outcome::kFailed;
        finding.detail = status.error().message();
      }
      report(finding);
    }
  }
  bench.remove_all();
  return summary;
}

}  // namespace holdfast
