// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>

#include "fs/fuse_session.h"
#include "fs/inode_table.h"
#include "fs/kernel_channel.h"
#include "fs/live_branch.h"
#include "fs/open_handles.h"
#include "fs/parking_lot.h"
#include "fs/request.h"
#include "fs/recent_inodes.h"
#include "fs/snapshot_names.h"
#include "fs/staging_space.h"
#include "fs/worker_pool.h"

namespace holdfast::fs {

inline constexpr NodeId kRootId = 1;
inline constexpr NodeId kLiveId = 2;
inline constexpr NodeId kSnapshotsId = 3;
inline constexpr NodeId kAtId = 4;
inline constexpr NodeId kStatusId = 5;
inline constexpr NodeId kStatusJsonId = 6;
inline constexpr NodeId kMetricsId = 7;

/// How long the kernel may believe, in seconds.
inline constexpr double kForEver = 1e9;      ///< sealed snapshots never change
inline constexpr double kListTimeout = 1;    ///< lists of databases, snapshots and moments: they change under the kernel
inline constexpr double kNoTime = 0;

/// Everything that a mount's parts share. Made by the session before the first request and gone after the last.
struct Mount {
  Mount(Repository& repository_in, Clock& clock_in, MountOptions options_in)
      : repository(repository_in),
        clock(clock_in),
        options(std::move(options_in)),
        started(clock_in.wall_now()),
        names(repository_in),
        interrupts(clock_in),
        services{clock_in, interrupts, options.read_timeout, handles},
        gate(kSlowRunningMax),
        pool(std::make_shared<WorkerPool>(kPoolThreads)),
        seals(kSealThreads),
        lot(std::make_shared<ParkingLot>(repository_in.pipeline().pressure(), pool, options.parked_bytes_max)),
        live(*this) {}

  /// Chooses among what the kernel offers (INIT).
  void negotiate(fuse_conn_info& connection);

  Repository& repository;
  Clock& clock;
  const MountOptions options;
  const WallNanos started;
  fuse_session* session = nullptr;
  KernelChannel channel;
  InodeTable table;
  RecentInodes recent;
  SnapshotNameCache names;
  InterruptWatch interrupts;
  OpenHandles handles;
  RequestServices services;
  SlowGate gate;
  const std::shared_ptr<WorkerPool> pool;  ///< parked requests that go on
  WorkerPool seals;                        ///< apart, so that writes that have room again don't wait for them
  std::shared_ptr<ParkingLot> lot;
  LiveBranch live;
  StagingSpace space;
  std::atomic<bool> collects_writes = false;  ///< the kernel does, and sends them later (options.writeback_cache); from INIT on
  std::atomic<bool> ready = false;  ///< the kernel's INIT was answered
};

}  // namespace holdfast::fs
