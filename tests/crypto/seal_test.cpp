// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/seal.h"

#include <gtest/gtest.h>

#include "core/crypto/gcm.h"
#include "core/crypto/hash.h"
#include "core/crypto/password_kdf.h"
#include "core/crypto/sharing_domain.h"
#include "core/crypto/verified_record.h"
#include "tests/support/not_tested.h"
#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {

Bytes hex(std::string_view text) { return *from_hex(text); }

// McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B, test case 16.
const Bytes kGcmKey = hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
const Bytes kGcmNonce = hex("cafebabefacedbaddecaf888");
const Bytes kGcmAad = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
const Bytes kGcmPlain = hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
const Bytes kGcmCipher = hex("522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662");
const Bytes kGcmTag = hex("76fc6ece0f4e1768cddf8853bb2d551b");

TEST(Aead, GcmVector_BothWaysAndInPlace) {
  Bytes data = kGcmPlain;
  Bytes tag(kTagBytes);
  aead_seal(kGcmKey, kGcmNonce, kGcmAad, data, data, tag);
  EXPECT_EQ(data, kGcmCipher);
  EXPECT_EQ(tag, kGcmTag);
  ASSERT_TRUE(aead_open(kGcmKey, kGcmNonce, kGcmAad, data, tag, data));
  EXPECT_EQ(data, kGcmPlain);
}

TEST(Aead, AnyChange_FailsAndWipesThePlaintext) {
  for (int part = 0; part < 5; ++part) {
    Bytes key = kGcmKey, nonce = kGcmNonce, aad = kGcmAad, cipher = kGcmCipher, tag = kGcmTag;
    std::array<Bytes*, 5> parts = {&key, &nonce, &aad, &cipher, &tag};
    parts[static_cast<std::size_t>(part)]->back() ^= 1;
    Bytes plain(cipher.size(), 0xee);
    EXPECT_FALSE(aead_open(key, nonce, aad, cipher, tag, plain)) << part;
    EXPECT_EQ(plain, Bytes(cipher.size(), 0)) << part;
  }
}

/// The published vector, and every way of failing, by one library alone.
void expect_gcm(const Gcm& gcm) {
  Bytes data = kGcmPlain;
  Bytes tag(kTagBytes);
  gcm.seal(kGcmKey, kGcmNonce, kGcmAad, data, data, tag);
  EXPECT_EQ(data, kGcmCipher);
  EXPECT_EQ(tag, kGcmTag);
  ASSERT_TRUE(gcm.open(kGcmKey, kGcmNonce, kGcmAad, data, tag, data));
  EXPECT_EQ(data, kGcmPlain);
  for (int part = 0; part < 5; ++part) {
    Bytes key = kGcmKey, nonce = kGcmNonce, aad = kGcmAad, cipher = kGcmCipher, wrong_tag = kGcmTag;
    std::array<Bytes*, 5> parts = {&key, &nonce, &aad, &cipher, &wrong_tag};
    parts[static_cast<std::size_t>(part)]->back() ^= 1;
    Bytes plain(cipher.size(), 0xee);
    EXPECT_FALSE(gcm.open(key, nonce, aad, cipher, wrong_tag, plain)) << part;
    EXPECT_EQ(plain, Bytes(cipher.size(), 0)) << part;
  }
}

TEST(Gcm, Openssl_KeepsToTheVector) { expect_gcm(openssl_gcm()); }

TEST(Gcm, IpsecMb_KeepsToTheVectorAndAgreesWithOpenssl) {
  const Gcm* other = ipsec_mb_gcm();
  if (other == nullptr) HOLDFAST_NOT_TESTED << "this build has no libipsec-mb, or this machine no VAES";
  expect_gcm(*other);
  testing::SeededRandom random(4);
  for (const std::size_t size : {0U, 1U, 15U, 16U, 17U, 255U, 256U, 257U, 4'095U, 4'096U, 65'535U, 65'536U, 200'001U, 1'000'000U}) {
    for (const std::size_t aad_size : {0U, 1U, 16U, 100U}) {
      const Bytes key = random.bytes(32), nonce = random.bytes(kNonceBytes), aad = random.bytes(aad_size), plain = random.bytes(size);
      Bytes ours(size), theirs(size), our_tag(kTagBytes), their_tag(kTagBytes), back(size);
      openssl_gcm().seal(key, nonce, aad, plain, ours, our_tag);
      other->seal(key, nonce, aad, plain, theirs, their_tag);
      ASSERT_EQ(ours, theirs) << size << " " << aad_size;
      ASSERT_EQ(our_tag, their_tag) << size << " " << aad_size;
      ASSERT_TRUE(other->open(key, nonce, aad, ours, our_tag, back));
      ASSERT_EQ(back, plain);
      if (size > 0) ours[size / 2] ^= 0x10;
      our_tag.front() ^= size > 0 ? 0 : 1;
      ASSERT_FALSE(other->open(key, nonce, aad, ours, our_tag, back));
      ASSERT_EQ(back, Bytes(size, 0));
    }
  }
}

TEST(Gcm, LargeAndSmall_AreOneFormat) {
  testing::SeededRandom random(5);
  const Bytes key = random.bytes(32), nonce = random.bytes(kNonceBytes), plain = random.bytes(100'000);
  for (const std::size_t size : {100U, 100'000U}) {
    Bytes cipher(size), tag(kTagBytes), back(size);
    aead_seal(key, nonce, {}, ByteView(plain).first(size), cipher, tag);
    ASSERT_TRUE(openssl_gcm().open(key, nonce, {}, cipher, tag, back));
    EXPECT_TRUE(std::equal(back.begin(), back.end(), plain.begin()));
  }
}

TEST(VerifiedRecord, OnlyTheBytesThatTheIdNames) {
  testing::SeededRandom random(6);
  const SharedBytes good = SharedBytes::of(random.bytes(70'000));
  const SharedBytes other = SharedBytes::of(random.bytes(20));
  const ChunkId id = openssl_chunk_hasher().chunk_id(good.view());
  const ChunkId other_id = openssl_chunk_hasher().chunk_id(other.view());
  EXPECT_TRUE(*VerifiedRecord::check(id, good) == good.view());
  EXPECT_FALSE(VerifiedRecord::check(id, other));
  EXPECT_FALSE(VerifiedRecord::check(id, good.part(0, 69'999)));
  const auto all = VerifiedRecord::check_all(std::vector{id, other_id, other_id}, std::vector{good, good, other});
  EXPECT_EQ(all[0]->id(), id);
  EXPECT_FALSE(all[1]);
  EXPECT_EQ(all[2]->id(), other_id);
}

TEST(Box, RoundTripAndRefusals) {
  testing::SeededRandom random(1);
  const Bytes key(32, 9);
  for (const std::size_t size : {0U, 1U, 100'000U}) {
    const Bytes plain(size, 0x42);
    const Bytes box = *seal_box(key, as_bytes("about"), plain, random);
    EXPECT_EQ(box.size(), size + kBoxOverheadBytes);
    EXPECT_EQ(*open_box(key, as_bytes("about"), box), plain);
    EXPECT_EQ(as_text(open_secret_box(key, as_bytes("about"), box)->view()), as_text(plain));
    EXPECT_EQ(open_box(key, as_bytes("other"), box).error().code(), ErrorCode::kCorrupt);
    EXPECT_EQ(open_box(Bytes(32, 8), as_bytes("about"), box).error().code(), ErrorCode::kCorrupt);
  }
  EXPECT_EQ(open_box(key, {}, Bytes(27)).error().code(), ErrorCode::kCorrupt);
}

TEST(Box, TwoBoxesOfOnePlaintext_Differ) {
  const Bytes key(32, 9);
  EXPECT_NE(*seal_box(key, {}, as_bytes("same"), system_random()), *seal_box(key, {}, as_bytes("same"), system_random()));
}

// RFC 8032 §7.1, tests 1 and 2.
TEST(Ed25519, Rfc8032Vectors) {
  const Bytes seed1 = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
  EXPECT_EQ(ed25519_public(seed1).hex(), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  EXPECT_EQ(ed25519_sign(seed1, {}).hex(),
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b");
  const Bytes seed2 = hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
  const PublicKey key2 = ed25519_public(seed2);
  const Bytes message = hex("72");
  Signature signature = ed25519_sign(seed2, message);
  EXPECT_EQ(signature.hex(),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
  EXPECT_TRUE(ed25519_verify(key2, message, signature));
  EXPECT_FALSE(ed25519_verify(key2, {}, signature));
  signature.bytes[0] ^= 1;
  EXPECT_FALSE(ed25519_verify(key2, message, signature));
}

// RFC 7748 §5.2: the first iteration, whose scalar is 9 and whose point is the base point.
TEST(Vault, PublicKeyVector) {
  Bytes secret(32, 0);
  secret[0] = 9;
  EXPECT_EQ(x25519_public(secret).hex(), "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
}

TEST(Vault, SealedForOneKey_OpensWithItAlone) {
  const Bytes secret(32, 3);
  const PublicKey vault = x25519_public(secret);
  Bytes sealed = vault_seal(vault, as_bytes("the snapshot's key"));
  EXPECT_EQ(sealed.size(), 18U + 48U);
  EXPECT_EQ(as_text(vault_open(vault, secret, sealed)->view()), "the snapshot's key");
  const Bytes other(32, 4);
  EXPECT_EQ(vault_open(x25519_public(other), other, sealed).error().code(), ErrorCode::kCorrupt);
  sealed.back() ^= 1;
  EXPECT_EQ(vault_open(vault, secret, sealed).error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(vault_open(vault, secret, Bytes(47)).error().code(), ErrorCode::kCorrupt);
}

// RFC 7914 §11, first 32 of the 64 bytes that it gives.
TEST(Pbkdf2, Rfc7914Vectors) {
  EXPECT_EQ(to_hex(pbkdf2_sha256(as_bytes("passwd"), as_bytes("salt"), 1).view()),
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
  EXPECT_EQ(to_hex(pbkdf2_sha256(as_bytes("Password"), as_bytes("NaCl"), 80'000).view()),
            "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56");
}

TEST(SystemRandom, TwoDraws_Differ) {
  Bytes first(64);
  Bytes second(64);
  ASSERT_TRUE(system_random().fill(first));
  ASSERT_TRUE(system_random().fill(second));
  EXPECT_NE(first, second);
}

TEST(SharingDomain, OrderDoesNotMatter_NamesDo) {
  EXPECT_EQ(sharing_domain({"ipfs", "local"}), sharing_domain({"local", "ipfs"}));
  EXPECT_NE(sharing_domain({"ipfs", "local"}), sharing_domain({"ipfslocal"}));
}

}  // namespace
}  // namespace holdfast
