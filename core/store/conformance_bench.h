// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>
#include <span>

#include "core/store/conformance.h"

namespace holdfast::conformance {

/// What the cases of the suite share: the store, fresh names and bytes, and what must be removed at the end.
/// One thread, but for put().
class Bench {
 public:
  Bench(ObjectStore& tested, Clock& time, RandomSource& random, const ConformanceOptions& chosen,
        std::stop_token stop)
      : store(tested), clock(time), options(chosen), random_(random), stop_(std::move(stop)) {}

  ObjectStore& store;
  Clock& clock;
  const ConformanceOptions& options;

  /// The deadline of one call, and the caller's stop token.
  [[nodiscard]] CallContext context() const;
  /// The same with a token of the case's own.
  [[nodiscard]] CallContext context(std::stop_token stop) const;
  Result<Bytes> fresh_bytes(std::uint64_t size_bytes);
  Result<ObjectName> fresh_name();
  /// Puts and remembers for the end.
  Result<ObjectRef> put(const ObjectName& name, ByteView object);
  Result<ObjectRef> put_fresh(ByteView object);
  /// A well-formed locator of an object that nobody has: `ref`'s with one character in its middle replaced.
  static std::string absent_locator(const ObjectRef& ref);
  void remember(const ObjectRef& ref);
  void remove_all();

 private:
  RandomSource& random_;
  std::stop_token stop_;
  std::mutex mutex_;
  std::vector<ObjectRef> made_;
};

/// A case that finds the contract broken returns this.
Error complaint(std::string what);
/// A case that does not apply to this network returns this.
Error not_applicable(std::string why);

/// Success when `status` failed with one of `codes`; else a complaint about `what`.
Status expect_code(const std::string& what, const Status& status, std::initializer_list<ErrorCode> codes);
template <typename T>
Status expect_code(const std::string& what, const Result<T>& result, std::initializer_list<ErrorCode> codes) {
  return result ? expect_code(what, ok_status(), codes) : expect_code(what, Status(result.error()), codes);
}

struct Case {
  const char* name;
  Status (*run)(Bench&);
};
std::span<const Case> object_cases();
std::span<const Case> call_cases();
std::span<const Case> head_cases();

}  // namespace holdfast::conformance
