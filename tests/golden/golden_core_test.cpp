// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "core/chunk/chunk_codec.h"
#include "core/chunk/chunker.h"
#include "core/crypto/hash.h"
#include "core/crypto/keyring.h"
#include "core/crypto/sharing_domain.h"
#include "core/erasure/shard.h"
#include "core/format/chunk_ref.h"
#include "core/pack/pack.h"
#include "tests/golden/golden_vectors.h"

namespace holdfast::golden {
namespace {

TEST(Golden, H32) {
  for (const Vector& v : vectors_of("h32")) EXPECT_EQ(to_hex(h32(pattern(v.row.at("pattern")))), v.text("expect")) << v.name();
}

TEST(Golden, Fingerprints_OfBothImplementations) {
  for (const Vector& v : vectors_of("fingerprint")) {
    const Bytes plain = pattern(v.row.at("pattern"));
    const ChunkHasher::FingerprintInput input{v.row.at("domain"), static_cast<ChunkKind>(v.row.at("kind").get<int>()), plain};
    for (const ChunkHasher* hasher : {&best_chunk_hasher(), &openssl_chunk_hasher()}) {
      Fingerprint fp;
      hasher->fingerprints(v.hex("key"), {&input, 1}, {&fp, 1});
      EXPECT_EQ(fp.hex(), v.text("expect")) << v.name();
    }
  }
}

TEST(Golden, DerivedKeys) {
  for (const Vector& v : vectors_of("derive")) {
    const auto key = derive_key(v.hex("secret"), v.id<RepositoryId>("repository"), v.text("label"), v.hex("context"));
    EXPECT_EQ(to_hex(key.view()), v.text("expect")) << v.name();
  }
}

TEST(Golden, GearTable) {
  for (const Vector& v : vectors_of("gear")) {
    const GearTable table = make_gear_table(v.hex("key"));
    EXPECT_EQ(table.front(), v.row.at("first").get<std::uint64_t>());
    EXPECT_EQ(table.back(), v.row.at("last").get<std::uint64_t>());
    Bytes all;
    for (const std::uint64_t value : table) ByteWriter(all).u64(value);
    EXPECT_EQ(sha256(all).hex(), v.text("digest"));
  }
}

TEST(Golden, SharingDomains) {
  for (const Vector& v : vectors_of("domain")) {
    std::optional<std::pair<std::uint8_t, std::uint8_t>> erasure;
    if (v.row.contains("erasure")) erasure = v.row.at("erasure").get<std::pair<std::uint8_t, std::uint8_t>>();
    EXPECT_EQ(sharing_domain(v.row.at("networks").get<std::vector<std::string>>(), v.row.at("stands_alone").get<bool>(), erasure), v.row.at("expect").get<std::uint32_t>()) << v.name();
  }
}

TEST(Golden, MerkleTrees) {
  for (const Vector& v : vectors_of("mth")) {
    std::vector<Bytes> leaves;
    for (const auto& leaf : v.row.at("leaves")) leaves.push_back(*from_hex(leaf.get<std::string>()));
    const std::vector<ByteView> views(leaves.begin(), leaves.end());
    EXPECT_EQ(merkle_root(views).hex(), v.text("expect")) << v.name();
  }
}

TEST(Golden, RecoveryCodes) {
  for (const Vector& v : vectors_of("code")) {
    const auto code = RecoveryCode::parse(v.text("text"));
    EXPECT_EQ(judge(v, code ? ok_status() : Status(code.error())), "") << v.name();
    if (!code || !v.refused().empty()) continue;
    EXPECT_EQ(to_hex(code->bytes), v.text("expect")) << v.name();
    EXPECT_EQ(RecoveryCode::parse(code->text())->bytes, code->bytes);
  }
}

ChunkRef ref_from(const std::string& hex) {
  const Bytes bytes = *from_hex(hex);
  ByteReader in(bytes, "reference");
  return *decode_chunk_ref(in);
}

/// Differences of a vector lean on rows of it.
class RowResolver final : public BaseResolver {
 public:
  explicit RowResolver(const nlohmann::json& rows) : rows_(rows) {}
  Result<Base> resolve(const ChunkRef& base) override {
    for (const auto& row : rows_) {
      if (ref_from(row.at("ref")).id != base.id) continue;
      HOLDFAST_ASSIGN(DecodedChunk chunk, open_chunk(base, *from_hex(row.at("record").get<std::string>()), this));
      return Base{std::move(chunk.plain), chunk.depth};
    }
    return Error(ErrorCode::kNotFound, "no such base");
  }

 private:
  const nlohmann::json& rows_;
};

TEST(Golden, Records) {
  for (const Vector& v : vectors_of("record")) {
    RowResolver bases(v.row.at("bases"));
    const auto chunk = open_chunk(ref_from(v.text("ref")), v.data, &bases);
    EXPECT_EQ(judge(v, chunk ? ok_status() : Status(chunk.error())), "") << v.name();
    if (!chunk || !v.refused().empty()) continue;
    EXPECT_EQ(sha256(chunk->plain.view()).hex(), v.text("expect")) << v.name();
    EXPECT_EQ(chunk->depth, v.row.at("depth").get<int>()) << v.name();
  }
}

/// Gives the bytes that a vector's writer had as random ones.
class FixedRandom final : public RandomSource {
 public:
  explicit FixedRandom(Bytes bytes) : bytes_(std::move(bytes)) {}
  Status fill(MutableByteView out) override {
    HOLDFAST_CHECK(bytes_.size() >= out.size());
    std::copy_n(bytes_.begin(), out.size(), out.begin());
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(out.size()));
    return ok_status();
  }

 private:
  Bytes bytes_;
};

TEST(Golden, StoredRecord_IsWrittenByteForByte) {
  for (const Vector& v : vectors_of("record")) {
    if (v.name() != "record_stored") continue;
    const ChunkRef ref = ref_from(v.text("ref"));
    const DecodedChunk chunk = *open_chunk(ref, v.data, nullptr);
    Bytes random(ref.key.bytes.begin(), ref.key.bytes.end());
    append(random, ByteView(v.data).subspan(16, 12));
    FixedRandom source(std::move(random));
    // The plaintext repeats itself, so only a level that finds nothing leaves it stored.
    EncodeOptions options;
    options.zstd_level = -100'000;
    const auto made = ChunkEncoder(source).encode(ref.kind, chunk.plain.view(), ref.fp, options);
    ASSERT_TRUE(made);
    if (made->codec == ChunkCodec::kStored) {
      EXPECT_EQ(to_hex(made->record), to_hex(v.data));
      EXPECT_EQ(made->ref, ref);
    } else {
      ADD_FAILURE() << "the vector's plaintext was compressed";
    }
  }
}

void expect_entries(const Vector& v, const std::vector<PackEntry>& entries) {
  const auto& rows = v.row.at("entries");
  ASSERT_EQ(entries.size(), rows.size()) << v.name();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    EXPECT_EQ(entries[i].id.hex(), rows[i].at("id").get<std::string>());
    EXPECT_EQ(static_cast<int>(entries[i].kind), rows[i].at("kind").get<int>());
    EXPECT_EQ(entries[i].record_size_bytes, rows[i].at("size").get<std::uint32_t>());
    std::vector<std::string> bases;
    for (const ChunkId& base : entries[i].bases) bases.push_back(base.hex());
    EXPECT_EQ(bases, rows[i].at("bases").get<std::vector<std::string>>());
    std::vector<std::string> children;
    for (const ChunkId& child : entries[i].children) children.push_back(child.hex());
    EXPECT_EQ(children, rows[i].at("children").get<std::vector<std::string>>());
  }
}

TEST(Golden, Packs_AreReadAndWrittenAgainByteForByte) {
  for (const Vector& v : vectors_of("pack")) {
    const PackId expected = v.id<PackId>("expected");
    const Bytes k_maint = v.hex("k_maint");
    const auto directory = verify_pack(v.data, &expected, k_maint);
    EXPECT_EQ(judge(v, directory ? ok_status() : Status(directory.error())), "") << v.name();
    if (!directory || !v.refused().empty()) continue;
    EXPECT_EQ(directory->summary.id.hex(), v.text("id"));
    EXPECT_EQ(directory->summary.merkle_root.hex(), v.text("root"));
    expect_entries(v, directory->entries);
    const PackEntry& last = directory->entries.back();
    const auto records_end = static_cast<std::size_t>(last.offset + last.record_size_bytes);
    FixedRandom nonce(Bytes(v.data.begin() + static_cast<std::ptrdiff_t>(records_end), v.data.begin() + static_cast<std::ptrdiff_t>(records_end) + 12));
    PackHeader header{};
    std::copy_n(v.data.begin(), header.size(), header.begin());
    const auto tail = finish_pack(header, directory->entries, k_maint, nonce);
    ASSERT_TRUE(tail);
    EXPECT_EQ(to_hex(tail->bytes), to_hex(ByteView(v.data).subspan(records_end))) << v.name();
  }
}

PackBytes bytes_of(const Bytes& bytes) {
  return [&bytes](std::uint64_t offset, std::uint64_t size) -> Result<Bytes> {
    if (offset > bytes.size() || size > bytes.size() - offset) return Error(ErrorCode::kOutOfRange, "the object ends before that");
    return Bytes(bytes.begin() + static_cast<std::ptrdiff_t>(offset), bytes.begin() + static_cast<std::ptrdiff_t>(offset + size));
  };
}

Status check_shard(const Vector& v, const ShardPlan& plan, const ShardId& id) {
  HOLDFAST_ASSIGN(const auto bad, find_bad_blocks(plan, id, bytes_of(v.data), 0, plan.block_count() - 1));
  return bad.empty() ? ok_status() : Status(Error(ErrorCode::kCorrupt, std::to_string(bad.size()) + " blocks are not what was put"));
}

TEST(Golden, Shards_AreProvedAndMadeByteForByte) {
  for (const Vector& v : vectors_of("shard")) {
    const Bytes pack = pattern(v.row.at("pattern"));
    const ShardPlan plan{{v.row.at("k"), v.row.at("n")}, v.row.at("index"), v.id<PackId>("pack"), pack.size()};
    const ShardId id = v.id<ShardId>("id");
    EXPECT_EQ(judge(v, check_shard(v, plan, id)), "") << v.name();
    if (!v.refused().empty()) continue;
    const auto made = make_shard(plan, bytes_of(pack));
    ASSERT_TRUE(made);
    EXPECT_EQ(made->id, id) << v.name();
    EXPECT_TRUE(made->object == v.data) << v.name();
    EXPECT_EQ(v.data.size(), plan.object_bytes());
  }
}

Status check_keyring(const Vector& v) {
  HOLDFAST_ASSIGN(Keyring ring, Keyring::decode(v.data));
  EXPECT_EQ(to_hex(ring.encode()), to_hex(v.data)) << v.name();
  std::optional<RecoveryCode> code;
  if (const Bytes bytes = v.hex("code"); !bytes.empty()) {
    code.emplace();
    std::copy(bytes.begin(), bytes.end(), code->bytes.begin());
  }
  const Bytes passphrase = v.hex("passphrase");
  HOLDFAST_TRY(ring.unlock({passphrase, code}));
  if (!v.refused().empty()) return ok_status();
  EXPECT_EQ(ring.generation(), v.row.at("generation").get<std::uint32_t>());
  for (const Compartment compartment : {Compartment::kRepository, Compartment::kVault, Compartment::kWriter}) {
    const std::string number = std::to_string(static_cast<int>(compartment));
    const auto& contents = v.row.at("contents");
    EXPECT_EQ(ring.has(compartment), contents.contains(number)) << v.name();
    if (ring.has(compartment)) {
      EXPECT_EQ(to_hex(ring.secret(compartment)), contents.at(number).get<std::string>()) << v.name();
    }
  }
  return ok_status();
}

TEST(Golden, Keyrings) {
  for (const Vector& v : vectors_of("keyring")) EXPECT_EQ(judge(v, check_keyring(v)), "") << v.name();
}

}  // namespace
}  // namespace holdfast::golden
