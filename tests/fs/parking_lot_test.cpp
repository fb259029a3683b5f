// SPDX-License-Identifier: Apache-2.0
#include "fs/parking_lot.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>

#include "tests/fs/fake_repository.h"

namespace holdfast::fs {
namespace {

class ParkingLotTest : public ::testing::Test {
 protected:
  ~ParkingLotTest() override {
    lot->close();
    pool->finish();
  }
  /// Parks a request; its answer is counted.
  void park(std::uint64_t bytes, const std::stop_token& stop = {}) {
    lot->park(bytes, stop, [this](const Status& relief) { ++(relief ? gone_on : refused); });
  }
  static void wait_until(const std::function<bool()>& condition) {
    while (!condition()) std::this_thread::yield();
  }
  std::atomic<std::size_t> gone_on = 0;
  std::atomic<std::size_t> refused = 0;
  testing::FakePressure pressure;
  std::shared_ptr<WorkerPool> pool = std::make_shared<WorkerPool>(1);
  std::shared_ptr<ParkingLot> lot = std::make_shared<ParkingLot>(pressure, pool, 1'000);
};

TEST_F(ParkingLotTest, Relief_LetsAllGoOn) {
  pressure.fill();
  for (int i = 0; i < 3; ++i) park(100);
  EXPECT_FALSE(lot->admits(0));
  pressure.relieve(ok_status());
  wait_until([&] { return gone_on == 3; });
  EXPECT_EQ(lot->parked_count(), 0U);
  EXPECT_TRUE(lot->admits(100));
}

/// Room may come between the look and the parking; and a request is parked for want of a thread, too.
TEST_F(ParkingLotTest, ParkedWithRoomThere_GoesOn) {
  for (std::size_t i = 1; i <= 3; ++i) {
    park(100);
    wait_until([&] { return gone_on == i; });
  }
}

TEST_F(ParkingLotTest, LargerThanWhatIsEverAdmitted_GoesOnAfterRelief) {
  pressure.admit_at_most(50);
  pressure.fill();
  park(100);
  park(100);
  pressure.relieve(ok_status());
  // Each relief lets one go on; where none did, they would be asked for again and again.
  wait_until([&] { return gone_on == 2 || pressure.asked() > 10; });
  EXPECT_EQ(gone_on, 2U);
}

TEST_F(ParkingLotTest, WaitInVain_RefusesAll_AndTheNextAsksAnew) {
  pressure.fill();
  park(100);
  park(100);
  pressure.relieve(Error(ErrorCode::kNoSpace, "staging stayed full"));
  wait_until([&] { return refused == 2; });
  park(100);
  pressure.relieve(ok_status());
  wait_until([&] { return gone_on == 1; });
}

TEST_F(ParkingLotTest, CalledOff_IsRefused_AndThoseThatComeLaterStillGoOn) {
  pressure.fill();
  std::stop_source caller;
  park(100, caller.get_token());
  caller.request_stop();
  wait_until([&] { return refused == 1; });
  park(100);
  pressure.relieve(ok_status());
  wait_until([&] { return gone_on == 1; });
}

TEST_F(ParkingLotTest, NoMemoryLeft_IsRefusedAtOnce) {
  pressure.fill();
  park(900);
  park(200);
  EXPECT_EQ(refused, 1U);
  EXPECT_EQ(lot->parked_count(), 1U);
}

TEST_F(ParkingLotTest, Closed_RefusesWhatWaitsAndWhatComes) {
  pressure.fill();
  park(100);
  lot->close();
  park(100);
  EXPECT_EQ(refused, 2U);
}

}  // namespace
}  // namespace holdfast::fs
