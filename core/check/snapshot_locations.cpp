// SPDX-License-Identifier: Apache-2.0
#include "core/check/snapshot_locations.h"

#include <algorithm>

namespace holdfast {
namespace {

/// A record's size is under 2^24 and its offset under 2^40 (ChunkLocation): both fit one number, which sorts by offset.
constexpr unsigned kSizeBits = 24;
constexpr std::uint64_t kSizeMask = (1ULL << kSizeBits) - 1;

std::uint64_t packed(std::uint64_t offset, std::uint32_t size_bytes) {
  return offset << kSizeBits | (size_bytes & kSizeMask);
}

std::string shown(const std::string& path) { return path.empty() ? "/" : path; }

}  // namespace

bool LocatedChunks::add(const ChunkId&, const ChunkLocation& at, const std::string&) {
  auto& records = packs_[at.pack];
  const std::uint64_t record = packed(at.offset, at.record_size_bytes);
  // What was written together is mostly walked in the order in which it was written: at the end.
  const auto place = records.empty() || records.back() < record
                         ? records.end()
                         : std::lower_bound(records.begin(), records.end(), record);
  if (place != records.end() && *place == record) return false;
  records.insert(place, record);
  return true;
}

bool LocatedChunks::needs(PackNumber pack, const PackEntry& entry) const {
  const auto found = packs_.find(pack);
  return found != packs_.end() &&
         std::binary_search(found->second.begin(), found->second.end(), packed(entry.offset, entry.record_size_bytes));
}

void LocatedChunks::note(std::string problem) {
  if (problems_.size() < kProblemsMax && std::find(problems_.begin(), problems_.end(), problem) == problems_.end()) {
    problems_.push_back(std::move(problem));
  }
}

void LocatedChunks::note_nowhere(const std::string& path) {
  note((path.empty() ? "a chunk" : "a chunk of " + path) + " is in no pack that is known here");
}

Status LocatedChunks::note_unreadable(const std::string& path, const Error& error) {
  note("what is below " + shown(path) + " is not known: " + error.message());
  return ok_status();
}

Status LocatedChunks::note_no_directory(PackNumber, const Error& error) {
  note("which packs differences lean on is not known: " + error.message());
  return ok_status();
}

std::map<PackNumber, LocatedChunks::Amount> LocatedChunks::amounts() const {
  std::map<PackNumber, Amount> out;
  for (const auto& [number, records] : packs_) {
    Amount& amount = out[number];
    amount.chunks = records.size();
    for (const std::uint64_t record : records) amount.bytes += record & kSizeMask;
  }
  return out;
}

Result<SnapshotLocations> find_locations(const SnapshotView& snapshot, const NeedsWalk::Parts& parts,
                                         const CallContext& context) {
  LocatedChunks chunks;
  HOLDFAST_TRY(NeedsWalk(parts, chunks).walk(snapshot, context));
  SnapshotLocations out;
  out.problems = chunks.problems();
  for (const auto& [number, amount] : chunks.amounts()) {
    SnapshotLocations::Pack pack;
    pack.chunks = amount.chunks;
    pack.chunk_bytes = amount.bytes;
    const auto row = parts.stage.table().find(number);
    if (row) pack.id = row->id;
    pack.size_bytes = row ? row->size_bytes : amount.bytes;
    pack.is_staged = !row || parts.stage.closed_pack(number).has_value();
    out.packs.push_back(pack);
  }
  return out;
}

}  // namespace holdfast
