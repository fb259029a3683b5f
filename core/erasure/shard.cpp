// SPDX-License-Identifier: Apache-2.0
#include "core/erasure/shard.h"

#include <algorithm>

#include "core/crypto/hash.h"
#include "core/format/byte_reader.h"
#include "core/format/byte_writer.h"

namespace holdfast {
namespace {

constexpr std::uint8_t kIdPrefix = 0x0b;
constexpr std::uint64_t kPackMaxBytes = 1ULL << 30;
constexpr std::uint64_t kPieceBytes = 1U << 20;
constexpr std::uint64_t kReadBlocks = 16;

Bytes encode_header(const ShardPlan& plan, const Digest& root) {
  Bytes out;
  out.reserve(kShardHeaderBytes);
  ByteWriter(out).prelude(kShardObject).u8(plan.code.k).u8(plan.code.n).u8(plan.index).u8(0).id(plan.pack).u64(plan.pack_size_bytes).u64(plan.body_bytes()).id(root);
  return out;
}

ShardId id_of(ByteView header) { return *ShardId::from(sha256({ByteView(&kIdPrefix, 1), header}).view()); }

/// The root over the blocks' hashes. Errors: kCorrupt, kUnsupported.
Result<Digest> decode_header(const ShardPlan& plan, ByteView header) {
  ByteReader in(header, kShardObject.name);
  HOLDFAST_TRY(in.prelude(kShardObject));
  ShardPlan told;
  HOLDFAST_ASSIGN(told.code.k, in.u8());
  HOLDFAST_ASSIGN(told.code.n, in.u8());
  HOLDFAST_ASSIGN(told.index, in.u8());
  HOLDFAST_ASSIGN(const std::uint8_t reserved, in.u8());
  HOLDFAST_ASSIGN(told.pack, in.id<PackId>());
  HOLDFAST_ASSIGN(told.pack_size_bytes, in.u64());
  HOLDFAST_ASSIGN(const std::uint64_t body_bytes, in.u64());
  HOLDFAST_ASSIGN(const Digest root, in.id<Digest>());
  HOLDFAST_TRY(in.expect_end());
  if (reserved != 0) return in.corrupt("a reserved field is not zero");
  if (!told.is_valid() || body_bytes != told.body_bytes()) return in.corrupt("numbers that no shard has");
  if (told != plan) return in.corrupt("it is another shard, or of another pack");
  return root;
}

/// Bytes [offset, offset + out.size()) of data shard `index`: of the pack, and zeros behind its end.
Status read_data(const ShardPlan& plan, std::uint8_t index, const PackBytes& pack, std::uint64_t offset, MutableByteView out) {
  const std::uint64_t start = index * plan.body_bytes() + offset;
  const std::uint64_t there = start >= plan.pack_size_bytes ? 0 : std::min<std::uint64_t>(out.size(), plan.pack_size_bytes - start);
  if (there > 0) {
    HOLDFAST_ASSIGN(const Bytes bytes, pack(start, there));
    if (bytes.size() != there) return Error(ErrorCode::kOutOfRange, "a pack ends before its size");
    std::copy(bytes.begin(), bytes.end(), out.begin());
  }
  std::fill(out.begin() + static_cast<std::ptrdiff_t>(there), out.end(), std::uint8_t{0});
  return ok_status();
}

/// The body at `offset`: of a data shard as it stands, of another one the sum of all data shards.
Status fill_body(const ShardPlan& plan, const PackBytes& pack, std::uint64_t offset, MutableByteView out) {
  if (plan.index < plan.code.k) return read_data(plan, plan.index, pack, offset, out);
  std::vector<Bytes> data(plan.code.k, Bytes(out.size()));
  std::vector<ShardBytes> given;
  for (std::uint8_t i = 0; i < plan.code.k; ++i) {
    HOLDFAST_TRY(read_data(plan, i, pack, offset, data[i]));
    given.push_back({i, data[i]});
  }
  return rebuild_shard(plan.code, given, plan.index, out);
}

}  // namespace

bool ShardPlan::is_valid() const noexcept {
  return code.is_valid() && index < code.n && pack_size_bytes > 0 && pack_size_bytes <= kPackMaxBytes;
}

Result<MadeShard> make_shard(const ShardPlan& plan, const PackBytes& pack) {
  if (!plan.is_valid()) return Error(ErrorCode::kInvalidArgument, "no shard " + std::to_string(plan.index) + " of " + plan.code.text());
  MadeShard made;
  made.object.resize(plan.object_bytes());
  const MutableByteView body = MutableByteView(made.object).subspan(kShardHeaderBytes, plan.body_bytes());
  for (std::uint64_t at = 0; at < body.size(); at += kPieceBytes) {
    HOLDFAST_TRY(fill_body(plan, pack, at, body.subspan(at, std::min<std::uint64_t>(kPieceBytes, body.size() - at))));
  }
  std::vector<Digest> hashes;
  for (std::uint64_t at = 0; at < body.size(); at += kShardBlockBytes) {
    hashes.push_back(merkle_leaf_hash(body.subspan(at, std::min<std::uint64_t>(kShardBlockBytes, body.size() - at))));
  }
  auto out = made.object.begin() + static_cast<std::ptrdiff_t>(plan.trailer_offset());
  for (const Digest& hash : hashes) out = std::copy(hash.bytes.begin(), hash.bytes.end(), out);
  const Bytes header = encode_header(plan, merkle_root_of_hashes(hashes));
  std::copy(header.begin(), header.end(), made.object.begin());
  made.id = id_of(header);
  return made;
}

Result<ShardProof> ShardProof::read_from(const ShardPlan& plan, const ShardId& id, const PackBytes& read) {
  if (!plan.is_valid()) return Error(ErrorCode::kCorrupt, "a catalog that names a shard which can't be");
  HOLDFAST_ASSIGN(const Bytes header, read(0, kShardHeaderBytes));
  if (id_of(header) != id) return Error(ErrorCode::kCorrupt, "the shard's header does not have the id that it was put with");
  HOLDFAST_ASSIGN(const Digest root, decode_header(plan, header));
  HOLDFAST_ASSIGN(const Bytes trailer, read(plan.trailer_offset(), plan.block_count() * Digest::size));
  std::vector<Digest> hashes;
  for (std::size_t at = 0; at + Digest::size <= trailer.size(); at += Digest::size) {
    hashes.push_back(*Digest::from(ByteView(trailer).subspan(at, Digest::size)));
  }
  if (hashes.size() != plan.block_count() || merkle_root_of_hashes(hashes) != root) {
    return Error(ErrorCode::kCorrupt, "the shard's hashes are not those of its header");
  }
  return ShardProof(plan, std::move(hashes));
}

std::uint64_t ShardProof::block_bytes(std::uint64_t number) const {
  return std::min(kShardBlockBytes, plan_.body_bytes() - number * kShardBlockBytes);
}

bool ShardProof::is_block(std::uint64_t number, ByteView bytes) const {
  return number < hashes_.size() && bytes.size() == block_bytes(number) && merkle_leaf_hash(bytes) == hashes_[number];
}

Result<std::vector<std::uint64_t>> ShardProof::find_bad(const PackBytes& read, std::uint64_t first, std::uint64_t last) const {
  if (first > last || last >= block_count()) return Error(ErrorCode::kInvalidArgument, "no such blocks of a shard");
  std::vector<std::uint64_t> bad;
  for (std::uint64_t at = first; at <= last; at += kReadBlocks) {
    const std::uint64_t end = std::min(last + 1, at + kReadBlocks);
    const std::uint64_t offset = at * kShardBlockBytes;
    const std::uint64_t size = (end - 1 - at) * kShardBlockBytes + block_bytes(end - 1);
    HOLDFAST_ASSIGN(const Bytes bytes, read(kShardHeaderBytes + offset, size));
    if (bytes.size() != size) return Error(ErrorCode::kOutOfRange, "a shard ends before its size");
    for (std::uint64_t number = at; number < end; ++number) {
      if (!is_block(number, ByteView(bytes).subspan((number - at) * kShardBlockBytes, block_bytes(number)))) bad.push_back(number);
    }
  }
  return bad;
}

Result<std::vector<std::uint64_t>> find_bad_blocks(const ShardPlan& plan, const ShardId& id, const PackBytes& read, std::uint64_t first, std::uint64_t last) {
  HOLDFAST_ASSIGN(const ShardProof proof, ShardProof::read_from(plan, id, read));
  return proof.find_bad(read, first, last);
}

Result<std::vector<std::uint64_t>> find_bad_in_sample(const ShardPlan& plan, const ShardId& id, const PackBytes& read, std::size_t count, RandomSource& random) {
  HOLDFAST_ASSIGN(const ShardProof proof, ShardProof::read_from(plan, id, read));
  std::vector<std::uint64_t> bad;
  for (std::size_t i = 0; i < count && bad.empty(); ++i) {
    std::uint64_t draw = 0;
    HOLDFAST_TRY(random.fill({reinterpret_cast<std::uint8_t*>(&draw), sizeof draw}));
    HOLDFAST_ASSIGN(bad, proof.find_bad(read, draw % proof.block_count(), draw % proof.block_count()));
  }
  return bad;
}

}  // namespace holdfast
