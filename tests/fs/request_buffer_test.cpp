// SPDX-License-Identifier: Apache-2.0
#include "fs/request_buffer.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <vector>

namespace holdfast::fs {
namespace {

/// As libfuse does at the first request.
void* fill(const std::shared_ptr<RequestMemory>& buffer) {
  if (buffer->bytes == nullptr) buffer->bytes = std::malloc(4'096);
  return buffer->bytes;
}

TEST(RequestBuffers, MemoryOfALentBuffer_IsUsedAgainOnlyWhenItIsLetGo) {
  const auto buffers = std::make_shared<RequestBuffers>();
  std::shared_ptr<RequestMemory> buffer = buffers->take();
  void* const memory = fill(buffer);
  EXPECT_EQ(request_buffer(), nullptr);
  std::shared_ptr<const void> lent;
  {
    const CurrentRequestBuffer current(buffer);
    EXPECT_FALSE(current.was_lent());
    lent = request_buffer();
    EXPECT_TRUE(current.was_lent());
  }
  EXPECT_EQ(request_buffer(), nullptr);
  buffer = buffers->take();
  EXPECT_EQ(buffer->bytes, nullptr);
  buffer.reset();
  lent.reset();
  EXPECT_EQ(buffers->take()->bytes, memory);
}

TEST(RequestBuffers, BuffersOutliveTheirPool) {
  auto buffers = std::make_shared<RequestBuffers>();
  std::vector<std::shared_ptr<RequestMemory>> taken;
  for (std::size_t i = 0; i < RequestBuffers::kKeptMax + 3; ++i) fill(taken.emplace_back(buffers->take()));
  const auto last = taken.back();
  taken.clear();
  buffers.reset();
  EXPECT_NE(last->bytes, nullptr);  // what is freed twice or never is the sanitizer's to tell
}

}  // namespace
}  // namespace holdfast::fs
