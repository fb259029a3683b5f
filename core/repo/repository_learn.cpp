// SPDX-License-Identifier: Apache-2.0
#include "core/check/reference_walk.h"
#include "core/repo/repository_impl.h"

namespace holdfast {
namespace {

constexpr std::size_t kBatch = 4096;

}  // namespace

/// Tells the index the references of a snapshot's chunks: from then on equal plaintext is found.
Status RepositoryImpl::learn_snapshot(const SnapshotId& id, const CallContext& context) {
  HOLDFAST_ASSIGN(const SnapshotView snapshot, open_snapshot(id, context));
  std::vector<IndexEntry> batch;
  const auto flush = [&]() -> Status {
    HOLDFAST_TRY(stores_.index->add(batch));
    batch.clear();
    return ok_status();
  };
  ReferenceWalk walk;
  walk.visit = [&](const ChunkRef& ref, const std::string&) -> Result<bool> {
    HOLDFAST_TRY(check_context(context, *options_.clock, "reading references"));
    HOLDFAST_ASSIGN(const auto location, stores_.index->find(ref.id));
    if (location) batch.push_back({ref.id, *location, ref});  // else it is in an open pack, which knows its own
    if (batch.size() >= kBatch) HOLDFAST_TRY(flush());
    return true;
  };
  walk.unreadable = [](const ChunkRef&, const std::string&, const Error& error) -> Status { return error; };
  HOLDFAST_TRY(walk_references(*source_, snapshot.root, snapshot.links, walk, context));
  return flush();
}

}  // namespace holdfast
