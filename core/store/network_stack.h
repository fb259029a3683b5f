// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "core/store/limited_store.h"
#include "core/store/metered_store.h"
#include "core/store/retrying_store.h"

namespace holdfast {

/// A network with everything around it, in the order that makes sense: the adapter, its counters (each attempt is measured),
/// its limits (each attempt waits its turn), its retries (the outermost). `store` is what the rest of the program uses.
struct NetworkStack {
  std::shared_ptr<ObjectStore> store;
  std::shared_ptr<MeteredStore> metered;
  std::shared_ptr<RetryingStore> retrying;
};

inline NetworkStack stack_network(std::shared_ptr<ObjectStore> adapter, Clock& clock, RandomSource& random,
                                  const LimitOptions& limits = {}, const RetryOptions& retries = {}) {
  NetworkStack stack;
  stack.metered = std::make_shared<MeteredStore>(std::move(adapter), clock);
  auto limited = std::make_shared<LimitedStore>(stack.metered, clock, limits);
  stack.retrying = std::make_shared<RetryingStore>(std::move(limited), clock, random, retries);
  stack.store = stack.retrying;
  return stack;
}

}  // namespace holdfast
