// SPDX-License-Identifier: Apache-2.0
#include <fstream>

#include "core/catalog/catalog_view.h"
#include "core/index/memory_chunk_index.h"
#include "tests/catalog/catalog_fixture.h"

namespace holdfast {
namespace {

using testing::CatalogWorld;
using testing::TemporaryFolder;

std::unique_ptr<OwnLog> open_log(CatalogWorld& world, const std::string& folder) {
  auto log = OwnLog::open(folder, world.log, world.k_cat, world.writer_seed, world.random);
  EXPECT_TRUE(log.has_value()) << (log ? "" : log.error().message());
  return log ? std::move(*log) : nullptr;
}

void append_events(OwnLog& log, int count) {
  for (int i = 0; i < count; ++i) {
    const std::vector<LogEntry> entries{{i, KeyEventEntry{"event", 1}}};
    ASSERT_TRUE(log.append(entries).has_value());
  }
}

TEST(OwnLog, Reopened_HasTheSameTree) {
  CatalogWorld world;
  const TemporaryFolder folder;
  LogState before;
  {
    const auto log = open_log(world, folder.path());
    append_events(*log, 13);
    before = log->file().state();
  }
  const auto log = open_log(world, folder.path());
  EXPECT_EQ(log->file().state(), before);
  const auto entries = log->file().read(0, 13);
  ASSERT_TRUE(entries.has_value());
  std::vector<ByteView> leaves;
  for (const auto& entry : *entries) leaves.emplace_back(entry.sealed);
  EXPECT_EQ(merkle_root(leaves), before.merkle_root);
  EXPECT_EQ(log->file().root_at(13).value(), before.merkle_root);
}

TEST(OwnLog, TornEnd_IsDroppedAtEveryLength) {
  CatalogWorld world;
  const TemporaryFolder folder;
  const std::string path = LogFile::path_in(folder.path(), world.log.incarnation);
  std::uintmax_t with_two = 0;
  {
    const auto log = open_log(world, folder.path());
    append_events(*log, 2);
    with_two = std::filesystem::file_size(path);
    append_events(*log, 1);
  }
  for (auto size = std::filesystem::file_size(path) - 1; size >= with_two; --size) {
    std::filesystem::resize_file(path, size);
    const auto log = open_log(world, folder.path());
    ASSERT_NE(log, nullptr);
    EXPECT_EQ(log->file().state().size, 2U);
    EXPECT_EQ(std::filesystem::file_size(path), with_two);
  }
}

TEST(OwnLog, DamageInTheMiddle_IsCorruptAndNotCutOff) {
  CatalogWorld world;
  const TemporaryFolder folder;
  const std::string path = LogFile::path_in(folder.path(), world.log.incarnation);
  append_events(*open_log(world, folder.path()), 3);
  const auto size = std::filesystem::file_size(path);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100);
    file.put('\x55');
  }
  const auto log = OwnLog::open(folder.path(), world.log, world.k_cat, world.writer_seed, world.random);
  ASSERT_FALSE(log.has_value());
  EXPECT_EQ(log.error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(std::filesystem::file_size(path), size);
}

TEST(OwnLog, ZeroedSectorOrWrongSizeInTheMiddle_IsCorruptAndNotCutOff) {
  for (const bool zero : {true, false}) {
    CatalogWorld world;
    const TemporaryFolder folder;
    const std::string path = LogFile::path_in(folder.path(), world.log.incarnation);
    append_events(*open_log(world, folder.path()), 100);
    const auto size = std::filesystem::file_size(path);
    ASSERT_GT(size, 10'000U);
    {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      // The first frame stands behind a header of 60 bytes.
      file.seekp(zero ? 4096 : 62);
      file << std::string(zero ? 4096 : 1, zero ? '\0' : '\x55');
    }
    const auto log = OwnLog::open(folder.path(), world.log, world.k_cat, world.writer_seed, world.random);
    ASSERT_FALSE(log.has_value());
    EXPECT_EQ(log.error().code(), ErrorCode::kCorrupt);
    EXPECT_EQ(std::filesystem::file_size(path), size);
    const auto salvaged = LogFile::salvage(folder.path(), world.log);
    ASSERT_TRUE(salvaged.has_value());
    EXPECT_LT(salvaged->size(), 100U);
    EXPECT_GE(salvaged->size(), zero ? 60U : 99U);
  }
}

TEST(CatalogView, FoldedAgainAfterClear_IsTheSame) {
  CatalogWorld world;
  const TemporaryFolder folder;
  const auto log = open_log(world, folder.path());
  auto record = world.record();
  const Bytes key = world.random.bytes(32);
  const auto bytes = encode_snapshot_record(record, world.fields(), key, world.random);
  ASSERT_TRUE(bytes.has_value());
  const PackId pack = PackId::from(world.random.bytes(32)).value();
  const auto policy = seal_policy(world.repository, world.k_cat, record.database, "name = \"orders\"", world.random);
  ASSERT_TRUE(policy.has_value());
  const std::vector<LogEntry> entries{{1, SealedEntry{*bytes}},
                                      {2, PlacedEntry{pack, 9, "a", "old"}},
                                      {3, PlacedEntry{pack, 9, "a", "new"}},
                                      {4, PlacedEntry{pack, 9, "b", "there"}},
                                      {5, VerifiedEntry{"b", pack, VerifiedOutcome::kMissing}},
                                      {6, PolicyEntry{record.database, *policy}},
                                      {7, SafeEntry{record.id}}};
  ASSERT_TRUE(log->append(entries).has_value());
  const auto store = make_memory_view_store();
  const auto expect_folded = [&](CatalogView& view) {
    ASSERT_TRUE(view.fold_file(log->cipher(), log->file()).has_value());
    EXPECT_EQ(view.folded(world.log.incarnation), 7U);
    const auto row = view.snapshot(record.id);
    ASSERT_TRUE(row.has_value());
    EXPECT_TRUE(row->stated_safe);
    const auto copies = view.copy_rows(pack);
    ASSERT_EQ(copies.size(), 2U);
    for (const auto& copy : copies) {
      EXPECT_EQ(copy.copy.ref.locator, copy.copy.network == "a" ? "new" : "there");
      EXPECT_EQ(copy.outcome, copy.copy.network == "a" ? VerifiedOutcome::kGood : VerifiedOutcome::kMissing);
    }
    ASSERT_EQ(view.databases().size(), 1U);
    EXPECT_EQ(view.databases().front().toml, "name = \"orders\"");
  };
  {
    auto view = CatalogView::open(*store, world.repository, world.k_cat);
    ASSERT_TRUE(view.has_value());
    expect_folded(**view);
    const std::vector<KeyTableEntry> keys{seal_snapshot_key(record.id, key, world.genesis.vault_key)};
    ASSERT_TRUE((*view)->add_keys(keys).has_value());
    ASSERT_TRUE((*view)->set_fields(record.id, world.fields(), 5).has_value());
  }
  auto again = CatalogView::open(*store, world.repository, world.k_cat);
  ASSERT_TRUE(again.has_value());
  expect_folded(**again);
  EXPECT_EQ((*again)->snapshot(record.id)->last_pack, 5U);
  EXPECT_EQ((*again)->snapshot(record.id)->fields->database, "orders");
  EXPECT_TRUE((*again)->key(record.id).has_value());
  ASSERT_TRUE((*again)->clear().has_value());
  EXPECT_FALSE((*again)->snapshot(record.id).has_value());
  expect_folded(**again);
}

TEST(CatalogView, EntryThatOpensButDoesNotParse_IsSkipped) {
  CatalogWorld world;
  const TemporaryFolder folder;
  const auto log = LogFile::open(folder.path(), world.log);
  ASSERT_TRUE(log.has_value());
  const LogCipher cipher(world.log, world.k_cat);
  const PackId pack = PackId::from(world.random.bytes(32)).value();
  const Bytes good = encode_log_entry({1, PlacedEntry{pack, 9, "a", "there"}});
  Bytes longer = good;
  longer.push_back(1);  // what a later version may have added
  std::uint64_t number = 0;
  for (const Bytes& plain : {longer, good}) {
    SignedEntry entry;
    entry.sealed = cipher.seal(number, plain, world.random).value();
    entry.signature = sign_log_entry(world.log, number, merkle_leaf_hash(entry.sealed), world.writer_seed);
    ASSERT_TRUE((*log)->append(std::vector<SignedEntry>{entry}).has_value());
    ++number;
  }
  const auto store = make_memory_view_store();
  auto view = CatalogView::open(*store, world.repository, world.k_cat);
  ASSERT_TRUE(view.has_value());
  const auto folded = (*view)->fold_file(cipher, **log);
  ASSERT_TRUE(folded.has_value()) << folded.error().message();
  EXPECT_EQ((*view)->folded(world.log.incarnation), 2U);
  EXPECT_EQ((*view)->copies(pack).size(), 1U);
}

TEST(CatalogView, GapInALog_IsRefused) {
  CatalogWorld world;
  const TemporaryFolder folder;
  const auto log = open_log(world, folder.path());
  append_events(*log, 5);
  const auto store = make_memory_view_store();
  auto view = CatalogView::open(*store, world.repository, world.k_cat);
  ASSERT_TRUE(view.has_value());
  const auto entries = log->file().read(2, 3);
  ASSERT_TRUE(entries.has_value());
  const auto folded = (*view)->fold(log->cipher(), 2, *entries);
  ASSERT_FALSE(folded.has_value());
  EXPECT_EQ(folded.error().code(), ErrorCode::kConflict);
}

}  // namespace
}  // namespace holdfast
