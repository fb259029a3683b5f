// SPDX-License-Identifier: Apache-2.0
#include "core/repo/live_nodes.h"

#include <unordered_set>

#include "core/check/reference_walk.h"
#include "core/chunk/chunk_codec.h"

namespace holdfast {
namespace {

/// Where a node is, as far as live trees are concerned.
struct NodePlace {
  ChunkLocation at;
  std::optional<PackRow> left;  ///< the pack, where it left staging; else the record is staged
};

Result<NodePlace> place_of(Stage& stage, const StoredChunkSource& source, const ChunkId& id) {
  HOLDFAST_ASSIGN(const ChunkLocation at, source.locate(id));
  const auto row = stage.table().find(at.pack);
  const bool is_staged = !row || row->state == PackState::kStaged;  // an open pack has no row yet
  return NodePlace{at, is_staged ? std::nullopt : row};
}

class LivePipeline final : public ChunkPipeline {
 public:
  explicit LivePipeline(const LiveNodes::Parts& parts) : parts_(parts) {}

  std::vector<std::shared_ptr<ChunkTicket>> submit_all(std::uint32_t domain, std::span<const PlainChunk> chunks, const std::shared_ptr<ChunkTicket>& before) override {
    return parts_.pipeline.submit_all(domain, chunks, before);
  }
  Status commit() override { return parts_.pipeline.commit(); }
  Pressure& pressure() noexcept override { return parts_.pipeline.pressure(); }

  Result<ChunkRef> put(std::uint32_t domain, ChunkKind kind, ByteView plain,
                       std::span<const ChunkId> children) override {
    HOLDFAST_ASSIGN(const ChunkRef ref, parts_.pipeline.put(domain, kind, plain, children));
    if (kind == ChunkKind::kData || is_here(ref.id)) return ref;
    return parts_.pipeline.put_again(domain, kind, plain, children);
  }

 private:
  bool is_here(const ChunkId& id) {
    if (parts_.stage.find(id)) return true;  // just written: nearly all are
    const Result<NodePlace> place = place_of(parts_.stage, parts_.source, id);
    if (!place) return false;
    if (!place->left) return true;
    KeptNodes& kept = parts_.stage.kept_nodes();
    if (kept.claim(place->left->id, id, place->at)) return true;
    const std::optional<VerifiedRecord> cached = parts_.cache.get(id);
    return cached && cached->size() == place->at.record_size_bytes &&
           kept.keep(*place->left, place->at, cached->view()).has_value();
  }

  const LiveNodes::Parts parts_;
};

/// Reads nodes, and sees to it that the record of each, and those that it is a difference to, is here. One thread.
class KeepingSource final : public ChunkSource, private BaseResolver {
 public:
  KeepingSource(const LiveNodes::Parts& parts, KeptNodes::Live& live, const CallContext& context)
      : parts_(parts), live_(live), context_(context) {}

  Result<SharedBytes> read(const ChunkRef& ref, const CallContext&) override {
    HOLDFAST_ASSIGN(Base opened, resolve(ref));
    return std::move(opened.plain);
  }
  void prefetch(std::span<const ChunkRef>) override {}

 private:
  Result<Base> resolve(const ChunkRef& ref) override {
    HOLDFAST_ASSIGN(const VerifiedRecord record, record_of(ref));
    HOLDFAST_ASSIGN(DecodedChunk decoded, open_chunk(ref, record, this));
    return Base{std::move(decoded.plain), decoded.depth};
  }

  Result<NodePlace> find(const ChunkRef& ref) {
    Result<NodePlace> place = place_of(parts_.stage, parts_.source, ref.id);
    if (place || place.error().code() != ErrorCode::kNotFound) return place;
    HOLDFAST_TRY(parts_.waiting_source.read(ref, context_));  // the index may be under way
    return place_of(parts_.stage, parts_.source, ref.id);
  }

  Result<VerifiedRecord> record_of(const ChunkRef& ref) {
    HOLDFAST_ASSIGN(const NodePlace place, find(ref));
    if (!place.left) return parts_.source.read_record(ref.id, context_);
    KeptNodes& kept = parts_.stage.kept_nodes();
    live_[place.left->id][place.at.offset] = place.at.record_size_bytes;
    if (auto record = kept.read(place.left->id, ref.id, place.at)) return *std::move(record);
    HOLDFAST_ASSIGN(VerifiedRecord record, parts_.source.read_record(ref.id, context_));
    HOLDFAST_TRY(kept.keep(*place.left, place.at, record.view()));
    return record;
  }

  const LiveNodes::Parts& parts_;
  KeptNodes::Live& live_;
  const CallContext& context_;
};

}  // namespace

std::unique_ptr<ChunkPipeline> LiveNodes::make_pipeline() { return std::make_unique<LivePipeline>(parts_); }

Status LiveNodes::look_through(const std::function<Result<std::vector<LiveTree::Base>>()>& bases,
                               const CallContext& context) {
  KeptNodes& kept = parts_.stage.kept_nodes();
  const std::uint64_t lacks = kept.lacks();
  kept.begin_sweep();
  KeptNodes::Live live;
  const auto find_live = [&]() -> Status {
    HOLDFAST_ASSIGN(const std::vector<LiveTree::Base> trees, bases());
    KeepingSource source(parts_, live, context);
    std::unordered_set<ChunkId> seen;
    Status lacking;
    ReferenceWalk walk;
    walk.visit = [&](const ChunkRef& ref, const std::string&) -> Result<bool> {
      if (context.stop.stop_requested())
        return Error(ErrorCode::kCancelled, "looking through live trees was called off");
      return ref.kind != ChunkKind::kData && seen.insert(ref.id).second;
    };
    walk.unreadable = [&](const ChunkRef&, const std::string& path, const Error& error) -> Status {
      lacking.keep_first(error.with_context("metadata below \"" + path + "\" in a live tree"));
      // A network that doesn't answer keeps the others back too; of those that are lost the rest may be had.
      return retry_advice(error.code()) == RetryAdvice::kSameSource ? lacking : ok_status();
    };
    for (const LiveTree::Base& tree : trees)
      HOLDFAST_TRY(walk_references(source, tree.root, tree.links, walk, context));
    return lacking;
  };
  if (Status found = find_live();
      !found) {  // what lies below a node that can't be read may be needed: nothing is freed
    kept.abandon_sweep();
    kept.sync();
    return found;
  }
  HOLDFAST_TRY(kept.finish_sweep(live));
  return kept.note_whole(lacks);
}

}  // namespace holdfast
