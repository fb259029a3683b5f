// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/hash.h"

#include <gtest/gtest.h>

#include <thread>

#include "core/crypto/base64.h"
#include "core/crypto/ipsec_mb_chunk_hasher.h"
#include "core/crypto/md5.h"
#include "tests/support/not_tested.h"
#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {

Bytes hex(std::string_view text) { return *from_hex(text); }

// FIPS 180-4 examples (NIST CSRC, "SHA256.pdf").
TEST(Sha256, Vectors) {
  EXPECT_EQ(sha256(as_bytes("abc")).hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256({as_bytes("a"), {}, as_bytes("bc")}), sha256(as_bytes("abc")));
  EXPECT_EQ(sha256(ByteView{}).hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Sha256, InPieces_EqualsAtOnceAndStartsAnew) {
  Sha256 hash;
  for (int round = 0; round < 2; ++round) {
    hash.update(as_bytes("abcdbcdecdefdefgefghfghighij"));
    hash.update(as_bytes("hijkijkljklmklmnlmnomnopnopq"));
    EXPECT_EQ(hash.finish().hex(), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  }
}

// RFC 1321, A.5.
TEST(Md5, Vectors) {
  EXPECT_EQ(*md5_hex({}), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(*md5_hex(as_bytes("message digest")), "f96b697d7cb7938d525a2f31aaf161d0");
}

// RFC 4231, test cases 1, 2 and 6.
TEST(Hmac, Rfc4231Vectors) {
  EXPECT_EQ(hmac_sha256(Bytes(20, 0x0b), {as_bytes("Hi There")}).hex(),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hmac_sha256(as_bytes("Jefe"), {as_bytes("what do ya want "), as_bytes("for nothing?")}).hex(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hmac_sha256(Bytes(131, 0xaa), {as_bytes("Test Using Larger Than Block-Size Key - Hash Key First")}).hex(),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Hmac, EmptyKeyAfterAnother_IsNotTheOtherKey) {
  (void)hmac_sha256(as_bytes("Jefe"), {as_bytes("x")});
  // HMAC_SHA256("", ""), from the Wikipedia article "HMAC".
  EXPECT_EQ(hmac_sha256({}, {}).hex(), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

// RFC 5869, appendix A.1 and A.3 (no salt, no info).
TEST(Hkdf, Rfc5869Vectors) {
  const Bytes ikm(22, 0x0b);
  EXPECT_EQ(to_hex(hkdf_sha256(ikm, hex("000102030405060708090a0b0c"), hex("f0f1f2f3f4f5f6f7f8f9"), 42).view()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  EXPECT_EQ(to_hex(hkdf_sha256(ikm, {}, {}, 42).view()),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
  const Bytes prk = hex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
  EXPECT_EQ(to_hex(hkdf_expand_sha256(prk, hex("f0f1f2f3f4f5f6f7f8f9"), 42).view()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
}

// The reference vectors of certificate-transparency (RFC 6962 trees over these eight leaves).
TEST(Merkle, Rfc6962Vectors) {
  const std::vector<Bytes> leaves = {{}, hex("00"), hex("10"), hex("2021"), hex("3031"), hex("40414243"),
                                     hex("5051525354555657"), hex("606162636465666768696a6b6c6d6e6f")};
  const std::vector<std::string> roots = {
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
      "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
      "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
      "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
      "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
      "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
      "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
  MerkleAccumulator tree;
  for (std::size_t count = 0; count <= leaves.size(); ++count) {
    const std::vector<ByteView> first(leaves.begin(), leaves.begin() + static_cast<std::ptrdiff_t>(count));
    EXPECT_EQ(merkle_root(first).hex(), roots[count]) << count;
    EXPECT_EQ(tree.root().hex(), roots[count]) << count;
    if (count < leaves.size()) tree.add(merkle_leaf_hash(leaves[count]));
  }
}

TEST(H32, IsTheLengthAndTheDigestOfEachSegment) {
  EXPECT_EQ(to_hex(h32({})), "0000000000000000");
  const Bytes two(kH32SegmentBytes + 1, 'a');
  const Bytes expected_tail(1, 'a');
  EXPECT_EQ(to_hex(h32(two)), "0180000000000000" + sha256(ByteView(two).first(kH32SegmentBytes)).hex() + sha256(expected_tail).hex());
}

class ChunkHasherAgreement : public ::testing::Test {
 protected:
  testing::SeededRandom random_{20261123};
  std::vector<Bytes> inputs_;
  std::vector<ByteView> views_;

  void SetUp() override {
    std::vector<std::size_t> sizes = {0, 1, 43, 55, 56, 63, 64, 65, 32'767, 32'768, 32'769, 65'535, 65'536, 65'537, 262'144, 4'194'348};
    for (int i = 0; i < 200; ++i) {
      std::array<std::uint8_t, 4> bytes{};
      ASSERT_TRUE(random_.fill(bytes));
      sizes.push_back((bytes[0] + 256U * bytes[1] + 65'536U * bytes[2]) % 200'000U);
    }
    for (const std::size_t size : sizes) {
      inputs_.emplace_back(size);
      ASSERT_TRUE(random_.fill(inputs_.back()));
    }
    views_.assign(inputs_.begin(), inputs_.end());
  }

  void expect_equal(const ChunkHasher& hasher) const {
    std::vector<ChunkId> expected(views_.size());
    std::vector<ChunkId> found(views_.size());
    openssl_chunk_hasher().chunk_ids(views_, expected);
    hasher.chunk_ids(views_, found);
    EXPECT_EQ(found, expected);
    std::vector<ChunkHasher::FingerprintInput> plain;
    for (const ByteView view : views_) plain.push_back({static_cast<std::uint32_t>(view.size() * 7), ChunkKind::kTree, view});
    std::vector<Fingerprint> expected_fps(plain.size());
    std::vector<Fingerprint> found_fps(plain.size());
    const Bytes key(32, 0x5a);
    openssl_chunk_hasher().fingerprints(key, plain, expected_fps);
    hasher.fingerprints(key, plain, found_fps);
    EXPECT_EQ(found_fps, expected_fps);
  }
};

TEST_F(ChunkHasherAgreement, LanesEqualOpenssl) {
  const ChunkHasher* lanes = ipsec_mb_chunk_hasher();
  if (lanes == nullptr) HOLDFAST_NOT_TESTED << "this build has no libipsec-mb";
  expect_equal(*lanes);
}

TEST_F(ChunkHasherAgreement, FourThreadsAtOnce) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { expect_equal(best_chunk_hasher()); });
}

TEST(ChunkHasher, OneChunk_EqualsTheFormula) {
  const Bytes record(100, 0x77);
  const Bytes prefix = {0x00};
  EXPECT_EQ(Digest{best_chunk_hasher().chunk_id(record).bytes}, sha256({prefix, h32(record)}));
  // fp over `u32` domain, `u8` kind and H32, cut to 16 bytes (FORMAT.md §3).
  const ChunkHasher::FingerprintInput input{0x04030201, ChunkKind::kList, record};
  Fingerprint fp;
  best_chunk_hasher().fingerprints(as_bytes("key"), {&input, 1}, {&fp, 1});
  EXPECT_EQ(fp.hex(), hmac_sha256(as_bytes("key"), {hex("0102030403"), h32(record)}).hex().substr(0, 32));
}

TEST(Base64, Rfc4648Vectors) {
  // RFC 4648 §10.
  EXPECT_EQ(base64({}), "");
  EXPECT_EQ(base64(as_bytes("f")), "Zg==");
  EXPECT_EQ(base64(as_bytes("fo")), "Zm8=");
  EXPECT_EQ(base64(as_bytes("foobar")), "Zm9vYmFy");
}

}  // namespace
}  // namespace holdfast
