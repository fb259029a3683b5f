// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include "adapters/http/curl_transport.h"
#include "adapters/swarm/swarm_store.h"
#include "tests/adapters/fake_bee.h"

namespace holdfast::testing {

inline const std::string kBatch = "5158290b2596c39a9eb1ba8364831fb984731eefe15224ec16865100c558152b";
inline const std::string kOtherBatch(64, 'e');
inline const std::string kReference(64, 'a');
inline const ObjectRef kRef{.locator = kBatch + "/" + kReference, .size_bytes = 8};

/// A store on that Bee, with the batch, which waits for hardly anything.
inline std::shared_ptr<SwarmStore> open(FakeBee& bee, SwarmStore::Options options = {}) {
  options.api = bee.url() + "/";
  options.batch = kBatch;
  options.sync_timeout = std::chrono::milliseconds(100);
  const auto store = SwarmStore::make(options, *http::make_curl_transport());
  EXPECT_TRUE(store) << store.error().message();
  return *store;
}
template <typename T>
ErrorCode code(const T& result) {
  return result ? ErrorCode::kInternal : result.error().code();
}

}  // namespace holdfast::testing
