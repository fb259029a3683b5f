// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "core/catalog/framed_file.h"
#include "core/repo/compression_notices.h"
#include "tests/repo/repository_fixture.h"
#include "tests/support/temporary_folder.h"

namespace holdfast {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using testing::Machine;
using testing::seal;
using testing::SeededRandom;
using testing::two_sites;
using testing::write_file;

/// What gzip gives looks like this from its first bytes on.
Bytes compressed(std::size_t size, std::uint64_t seed) {
  Bytes bytes = SeededRandom(seed).bytes(size);
  std::copy_n(as_bytes("\x1f\x8b\x08").begin(), 3, bytes.begin());
  return bytes;
}

class Notices : public ::testing::Test {
 protected:
  void SetUp() override {
    machine_.init();
    ASSERT_TRUE(machine_.open().create_database("orders", {}, 0, 0).has_value());
  }
  Repository& repository() { return machine_.repository(); }
  Machine machine_{two_sites()};
};

TEST_F(Notices, DumpsThatAreCompressedInside_AreSpokenOfWithNumbers) {
  write_file(repository(), "orders", "orders.sql.gz", compressed(4'000'000, 1));
  write_file(repository(), "orders", "notes.txt", as_bytes("small beside it"));
  seal(repository(), "orders");
  // 30 times the file, and 2.5 times.
  const std::string notice = "orders: compressed inside (gzip); without gzip 30 days would take about 10 MB, not 120 MB";
  EXPECT_EQ(repository().notice("orders"), notice);
  EXPECT_THAT(repository().status().notices, ElementsAre(notice));
  EXPECT_EQ(repository().notice("nobody"), "");
  // It outlives a restart, and goes when the dumps are what they should be.
  machine_.close();
  machine_.open();
  EXPECT_EQ(repository().notice("orders"), notice);
  write_file(repository(), "orders", "orders.sql", SeededRandom(2).bytes(4'000'000));
  seal(repository(), "orders");
  EXPECT_EQ(repository().notice("orders"), "");
  EXPECT_THAT(repository().status().notices, IsEmpty());
}

TEST_F(Notices, LittleThatIsCompressed_IsNotWorthAWord) {
  write_file(repository(), "orders", "orders.sql", SeededRandom(3).bytes(4'000'000));
  write_file(repository(), "orders", "logs.gz", compressed(1'500'000, 4));
  seal(repository(), "orders");
  EXPECT_EQ(repository().notice("orders"), "");
}

TEST(CompressionNotices, IsToldOnce_AndADamagedFileIsNoObstacle) {
  testing::TemporaryFolder folder;
  const DatabaseId id{{1}};
  CompressionNotices::Amount amount;
  amount.add(3'000'000'000, InnerCompression{"pg_dump -Fc", "with pg_dump -Z0"});
  {
    const auto notices = CompressionNotices::open(folder / "notices");
    EXPECT_EQ(notices->note(id, "shop", amount), "shop: compressed inside (pg_dump -Fc); with pg_dump -Z0 30 days would take about 7.5 GB, not 90 GB");
    EXPECT_EQ(notices->note(id, "shop", amount), std::nullopt);
    EXPECT_EQ(notices->note(id, "shop", {}), std::nullopt);  // nothing changed: it stands
  }
  EXPECT_EQ(CompressionNotices::open(folder / "notices")->note(id, "shop", amount), std::nullopt);
  ASSERT_TRUE(replace_file(folder / "notices", as_bytes("HFNOTICE and then something else")));
  EXPECT_THAT(CompressionNotices::open(folder / "notices")->note(id, "shop", amount).value_or(""), StartsWith("shop: "));
}

}  // namespace
}  // namespace holdfast
