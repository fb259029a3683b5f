// SPDX-License-Identifier: Apache-2.0
#include "adapters/local/directory_store.h"
#include "adapters/memory/memory_store.h"
#include "core/store/network_stack.h"
#include "tests/support/conformance_run.h"
#include "tests/support/faulty_store.h"

namespace holdfast {
namespace {

using testing::expect_conformance;
using testing::TemporaryFolder;

TEST(Conformance, Memory_Holds) {
  MemoryStore store;
  expect_conformance(store, 2);
}

TEST(Conformance, MemoryWithALimit_Holds) {
  MemoryStore store(MemoryStore::Options{.name = "small", .object_size_max_bytes = 6'000'000});
  expect_conformance(store, 1);
}

TEST(Conformance, Directory_Holds) {
  const TemporaryFolder folder;
  const auto store = DirectoryStore::open({.path = folder / "store"});
  ASSERT_TRUE(store) << store.error().message();
  expect_conformance(**store, 2);
}

TEST(Conformance, ADecoratorThatDoesNothing_Holds) {
  const TemporaryFolder folder;
  const auto store = DirectoryStore::open({.path = folder / "store"});
  ASSERT_TRUE(store);
  testing::FaultyStore faulty(*store, system_clock(), 1);
  expect_conformance(faulty, 2);
}

TEST(Conformance, DirectoryBehindEveryDecorator_Holds) {
  const TemporaryFolder folder;
  const auto store = DirectoryStore::open({.path = folder / "store"});
  ASSERT_TRUE(store);
  testing::SeededRandom random(1);
  const NetworkStack stack = stack_network(*store, system_clock(), random,
                                           {.calls_in_flight_max = 3,
                                            .upload_bytes_per_second = 1U << 30,
                                            .download_bytes_per_second = 1U << 30,
                                            .storage_quota_bytes = 1U << 30});
  expect_conformance(*stack.store, 2);
}

/// The suite must be able to fail: each of these networks breaks one promise.
TEST(Conformance, NetworksThatBreakAPromise_AreCaught) {
  using testing::Fault;
  const auto failures = [](StoreVerb verb, Fault fault) {
    testing::FaultyStore faulty(std::make_shared<MemoryStore>(), system_clock(), 1);
    faulty.always(verb, fault);
    const TemporaryFolder scratch;
    testing::SeededRandom random(2);
    const ConformanceOptions options{.scratch_folder = scratch.path(), .call_timeout = std::chrono::seconds(2)};
    return run_conformance(faulty, system_clock(), random, options, {}, [](const auto&) {}).failed;
  };
  EXPECT_GT(failures(StoreVerb::kRead, {.kind = Fault::Kind::kFlip}), 0);
  EXPECT_GT(failures(StoreVerb::kRead, {.kind = Fault::Kind::kTruncate}), 0);
  EXPECT_GT(failures(StoreVerb::kPut, {.kind = Fault::Kind::kTruncate}), 0);
  EXPECT_GT(failures(StoreVerb::kProbe, {.kind = Fault::Kind::kStaleProbe}), 0);
  EXPECT_GT(failures(StoreVerb::kResolveHead, {.kind = Fault::Kind::kOldHead}), 0);
}

}  // namespace
}  // namespace holdfast
