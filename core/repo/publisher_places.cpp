// SPDX-License-Identifier: Apache-2.0
#include "core/base/log.h"
#include "core/crypto/hash.h"
#include "core/format/byte_reader.h"
#include "core/format/byte_writer.h"
#include "core/repo/publisher_lane.h"

// Where the meta objects lie on each network, kept in <state>/published/<hash of the network's name>, so that a restart uploads nothing twice. Derived: losing
// it costs uploads.
namespace holdfast {
namespace {

constexpr std::uint8_t kPlacesVersion = 1;

std::string places_path(const StatePaths& paths, const std::string& network) {
  return paths.published() + "/" + to_hex(sha256(as_bytes(network)).view().first(16));
}

Status decode_places(ByteView bytes, std::map<PlaceKey, Place>& out) {
  if (bytes.size() < Digest::size) return Error(ErrorCode::kCorrupt, "too short");
  const ByteView body = bytes.first(bytes.size() - Digest::size);
  HOLDFAST_ASSIGN(const Digest digest, Digest::from(bytes.last(Digest::size)));
  if (sha256(body) != digest) return Error(ErrorCode::kCorrupt, "its checksum is wrong");
  ByteReader in(body, "list of published objects");
  HOLDFAST_ASSIGN(const std::uint8_t version, in.u8());
  if (version != kPlacesVersion) return in.corrupt("another version");
  HOLDFAST_ASSIGN(const std::size_t count, in.count(1));
  for (std::size_t i = 0; i < count; ++i) {
    HOLDFAST_ASSIGN(const std::uint8_t type, in.u8());
    HOLDFAST_ASSIGN(const IncarnationId incarnation, in.id<IncarnationId>());
    HOLDFAST_ASSIGN(const std::uint64_t first, in.u64());
    HOLDFAST_ASSIGN(const std::uint64_t entries, in.u64());
    Place place;
    HOLDFAST_ASSIGN(place.digest, in.id<Digest>());
    HOLDFAST_ASSIGN(place.ref.size_bytes, in.u64());
    HOLDFAST_ASSIGN(const std::string_view locator, in.text());
    place.ref.locator = locator;
    out.insert_or_assign(PlaceKey{static_cast<MetaType>(type), incarnation, first, entries}, place);
  }
  return in.expect_end();
}

}  // namespace

/// Runs go on where they were, so that a restart does not merge, and upload again, what is on the networks already.
void Publisher::restore_runs(const Lane& lane) {
  if (!segment_runs_.empty()) return;
  const auto own = parts_.catalog.own_state();
  std::vector<std::uint64_t> segments;
  std::vector<std::uint64_t> keys;
  std::uint64_t segments_end = 0;
  std::uint64_t keys_end = 0;
  for (const auto& [key, place] : lane.places) {  // in order of type, then of the first entry
    const auto& [type, incarnation, first, count] = key;
    if (incarnation != own.log.incarnation || type == MetaType::kKeyring) continue;
    std::uint64_t& end = type == MetaType::kLogSegment ? segments_end : keys_end;
    if (first != end) return;
    end += count;
    (type == MetaType::kLogSegment ? segments : keys).push_back(count);
  }
  if (segments_end > own.state.size || keys_end > own.key_count) return;
  runs_of_ = own.log;
  segment_runs_ = std::move(segments);
  key_runs_ = std::move(keys);
}

void Publisher::load_places(Lane& lane) {
  const auto bytes = read_whole_file(places_path(parts_.paths, lane.store->traits().name));
  if (!bytes) return;
  const auto decoded = decode_places(*bytes, lane.places);
  if (decoded) {
    restore_runs(lane);
    return;
  }
  log_warning("the catalog is put on " + lane.store->traits().name + " again: the list of what is there: " + decoded.error().message());
  lane.places.clear();
}

Status Publisher::save_places(const Lane& lane) const {
  Bytes out;
  ByteWriter writer(out);
  writer.u8(kPlacesVersion).varint(lane.places.size());
  for (const auto& [key, place] : lane.places) {
    writer.u8(static_cast<std::uint8_t>(std::get<0>(key))).id(std::get<1>(key)).u64(std::get<2>(key)).u64(std::get<3>(key));
    writer.id(place.digest).u64(place.ref.size_bytes).text(place.ref.locator);
  }
  append(out, sha256(out).view());
  HOLDFAST_TRY(make_folder(parts_.paths.published()));
  return replace_file(places_path(parts_.paths, lane.store->traits().name), out);
}

}  // namespace holdfast
