// SPDX-License-Identifier: Apache-2.0
#include "core/ingest/base_reader.h"

#include "core/base/log.h"
#include "core/chunk/chunk_codec.h"

namespace holdfast {
namespace {

constexpr std::chrono::seconds kReadTimeout{5};  ///< of a disk that hangs: the chunk is then stored whole

/// Resolves within a chain that was read already.
class ChainResolver final : public BaseResolver {
 public:
  explicit ChainResolver(std::span<const BaseReader::Link> rest) : rest_(rest) {}
  Result<Base> resolve(const ChunkRef& base, int) override {
    if (rest_.empty() || rest_.front().ref.id != base.id) return Error(ErrorCode::kCorrupt, "a chain without the base of a difference");
    HOLDFAST_ASSIGN(BaseReader::Opened opened, BaseReader::open(rest_));
    return Base{std::move(opened.plain), opened.depth};
  }

 private:
  const std::span<const BaseReader::Link> rest_;
};

}  // namespace

std::optional<ChunkLocation> BaseReader::locate(const ChunkId& id) const {
  if (const auto pending = parts_.stage.find(id)) return pending;
  const Result<std::optional<ChunkLocation>> indexed = parts_.index.find(id);
  if (!indexed) return std::nullopt;
  return *indexed ? *indexed : parts_.stage.find(id);
}

std::vector<BaseReader::Link> BaseReader::chain(const ChunkRef& ref) const {
  std::vector<Link> links;
  std::optional<ChunkRef> next = ref;
  while (next && links.size() <= static_cast<std::size_t>(kDifferenceDepthMax)) {
    const std::optional<ChunkLocation> at = locate(next->id);
    if (!at || !trust_.is_here(at->pack)) return {};
    std::optional<Bytes> record = record_at(next->id, *at);
    if (!record) return {};
    const Result<RecordHeader> header = decode_record_header(*record);
    const bool is_whole = header && header->codec != ChunkCodec::kDifference;  // and verified when it is opened
    const Result<std::optional<LeansOn>> on = is_whole ? std::optional<LeansOn>() : leans_on(*next, *record);
    if (!on) {
      log_debug("a base that can't be used: " + on.error().message());
      return {};
    }
    links.push_back({*next, std::move(*record), at->pack});
    next = *on ? std::optional((*on)->base) : std::nullopt;
  }
  if (next) return {};
  return links;
}

std::optional<Bytes> BaseReader::record_at(const ChunkId& id, const ChunkLocation& at) const {
  Result<std::optional<Bytes>> staged = parts_.stage.read(at);
  if (staged && *staged) return *std::move(staged);
  if (auto cached = parts_.cache.get(id)) return cached;
  return from_network(at);
}

std::optional<Bytes> BaseReader::from_network(const ChunkLocation& at) const {
  const auto row = parts_.stage.table().find(at.pack);
  if (!row) return std::nullopt;
  for (const NetworkCopy& copy : parts_.placement.copies(row->id)) {
    const auto store = parts_.networks.find(copy.network);
    if (store == nullptr || !store->traits().is_at_hand) continue;
    Bytes record(at.record_size_bytes);
    if (store->read(copy.ref, at.offset, record, with_timeout({}, parts_.clock, kReadTimeout))) return record;
  }
  return std::nullopt;
}

Result<BaseReader::Opened> BaseReader::open(std::span<const Link> chain) {
  HOLDFAST_CHECK(!chain.empty());
  ChainResolver rest(chain.subspan(1));
  HOLDFAST_ASSIGN(DecodedChunk decoded, open_chunk(chain.front().ref, chain.front().record, &rest));
  return Opened{std::make_shared<const Bytes>(std::move(decoded.plain)), decoded.depth};
}

}  // namespace holdfast
