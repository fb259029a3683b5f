// SPDX-License-Identifier: Apache-2.0
#include "core/index/memory_chunk_index.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

IndexEntry entry_of(std::uint8_t number, bool with_ref) {
  IndexEntry entry;
  entry.id.bytes.fill(number);
  entry.location = {number, 32, 100};
  if (with_ref) {
    ChunkRef ref;
    ref.id = entry.id;
    ref.key.bytes.fill(7);
    ref.fp.bytes.fill(number);
    ref.plain_size_bytes = 1000;
    entry.ref = ref;
  }
  return entry;
}

TEST(MemoryChunkIndex, AddWithoutReference_KeepsTheKnownOneAndMovesTheChunk) {
  const auto index = make_memory_chunk_index();
  ASSERT_TRUE(index->add(std::vector{entry_of(1, true), entry_of(2, false)}));
  auto moved = entry_of(1, false);
  moved.location = {9, 4096, 100};
  ASSERT_TRUE(index->add(std::vector{moved}));

  EXPECT_EQ(**index->find(moved.id), moved.location);
  EXPECT_EQ(index->find_known(entry_of(1, true).ref->fp).value(), entry_of(1, true).ref);
  EXPECT_FALSE(index->find_known(entry_of(2, true).ref->fp).value().has_value());
  EXPECT_FALSE(index->find(entry_of(3, true).id).value().has_value());
  EXPECT_EQ(index->stats().chunks, 2U);
}

TEST(MemoryChunkIndex, Sync_GivesThePositionBack) {
  const auto index = make_memory_chunk_index();
  EXPECT_EQ(index->position(), 0U);
  ASSERT_TRUE(index->sync(77));
  EXPECT_EQ(index->position(), 77U);
}

TEST(MemoryViewStore, Scan_VisitsOnlyThePrefixInOrderAndStopsWhenTold) {
  const auto view = make_memory_view_store();
  std::vector<ViewStore::Put> batch;
  for (const char* key : {"b2", "a", "b1", "c", "b3"}) {
    batch.push_back({Bytes(as_bytes(key).begin(), as_bytes(key).end()), Bytes{1}});
  }
  ASSERT_TRUE(view->apply(batch));
  batch.resize(1);
  batch[0].value.reset();
  ASSERT_TRUE(view->apply(batch));  // removes b2
  std::string seen;
  ASSERT_TRUE(view->scan(as_bytes("b"), [&](ByteView key, ByteView) {
    seen += as_text(key);
    return true;
  }));
  EXPECT_EQ(seen, "b1b3");
  seen.clear();
  ASSERT_TRUE(view->scan({}, [&](ByteView key, ByteView) {
    seen += as_text(key);
    return seen.size() < 2;
  }));
  EXPECT_EQ(seen, "ab1");
  EXPECT_EQ(view->get(Bytes(512)).error().code(), ErrorCode::kInvalidArgument);
  ASSERT_TRUE(view->clear());
  EXPECT_FALSE(view->get(as_bytes("a")).value().has_value());
}

}  // namespace
}  // namespace holdfast
