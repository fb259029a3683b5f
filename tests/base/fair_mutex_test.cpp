// SPDX-License-Identifier: Apache-2.0
#include "core/base/fair_mutex.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace holdfast {
namespace {

TEST(FairMutex, Excludes) {
  FairMutex mutex;
  int count = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 5'000; ++i) {
          const std::lock_guard lock(mutex);
          ++count;
        }
      });
    }
  }
  EXPECT_EQ(count, 20'000);
}

TEST(FairMutex, ServesInOrderOfArrival) {
  FairMutex mutex;
  std::vector<int> order;
  std::vector<std::jthread> threads;
  mutex.lock();
  for (int t = 0; t < 16; ++t) {
    threads.emplace_back([&, t] {
      const std::lock_guard lock(mutex);
      order.push_back(t);
    });
    while (mutex.waiting_count() != static_cast<std::size_t>(t) + 1) std::this_thread::yield();
  }
  mutex.unlock();
  threads.clear();
  std::vector<int> wanted(16);
  for (int t = 0; t < 16; ++t) wanted[static_cast<std::size_t>(t)] = t;
  EXPECT_EQ(order, wanted);
}

}  // namespace
}  // namespace holdfast
