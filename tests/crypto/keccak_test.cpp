// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/keccak.h"

#include <gtest/gtest.h>

#include "core/crypto/ethereum_key.h"
#include "core/crypto/hash.h"

namespace holdfast {
namespace {

Bytes hex(std::string_view text) { return *from_hex(text); }

EthereumSignature signature_of(std::string_view text) { return *EthereumSignature::from(hex(text)); }

// The hashes of nothing and of the empty trie (Ethereum yellow paper, appendix D), and Len = 8 of the Keccak submission's ShortMsgKAT_256.txt; all of them also computed with pycryptodome.
TEST(Keccak, Vectors) {
  EXPECT_EQ(keccak256(ByteView{}).hex(), "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
  EXPECT_EQ(keccak256(hex("80")).hex(), "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421");
  EXPECT_EQ(keccak256(hex("cc")).hex(), "eead6dbfc7340a56caedc044696a168870549a6a7f6f56961e84a54bd9970b8a");
  EXPECT_EQ(keccak256(as_bytes("abc")).hex(), "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45");
}

TEST(Keccak, BlockBoundaries_AreThoseOfAnotherImplementation) {
  // pycryptodome's keccak.new(digest_bits=256) over n bytes of 0x61.
  EXPECT_EQ(keccak256(Bytes(135, 0x61)).hex(), "34367dc248bbd832f4e3e69dfaac2f92638bd0bbd18f2912ba4ef454919cf446");
  EXPECT_EQ(keccak256(Bytes(136, 0x61)).hex(), "a6c4d403279fe3e0af03729caada8374b5ca54d8065329a3ebcaeb4b60aa386e");
  EXPECT_EQ(keccak256(Bytes(137, 0x61)).hex(), "d869f639c7046b4929fc92a4d988a8b22c55fbadb802c0c66ebcd484f1915f39");
  EXPECT_EQ(keccak256(Bytes(271, 0x61)).hex(), "132f47effd6c8b1b299efa53fe68aece77ec8ae4eb2e294f668eec94f76001e1");
  EXPECT_EQ(keccak256(Bytes(272, 0x61)).hex(), "cf7fcd4f705ee749930d19ca84561a9bf62516bd90a471545fa2f49fdc7e63c8");
  EXPECT_EQ(keccak256(Bytes(4096, 0x61)).hex(), "8b38ae4001071d1a3ae6f54c580bbc252b02288654118d2713eca77e9cc472ed");
}

TEST(Keccak, InParts_EqualsAtOnce) {
  const Bytes long_text(500, 0x37);
  const ByteView all = long_text;
  EXPECT_EQ(keccak256({all.first(135), {}, all.subspan(135, 2), all.subspan(137)}), keccak256(all));
}

// The key and the chunk of Bee 2.7.0's pkg/soc/soc_test.go and bee-js: a single-owner chunk with id 0 around the chunk of "foo".
constexpr std::string_view kOwner = "8d3766440f0d7b949a5e32995d09619a7f86e632";
constexpr std::string_view kFooAddress = "2387e8e7d8a48c2a9339c97c1dc3461a9a7aa07e994c5cb8b38fd7c1b3e6ea48";
constexpr std::string_view kFooSignature = "5acd384febc133b7b245e5ddc62d82d2cded9182d2716126cd8844509af65a053deb418208027f548e3e88343af6f84a8772fb3cebc0a1833a0ea7ec0c1348311b";

Keccak256 foo_digest() { return keccak256({Bytes(32), hex(kFooAddress)}); }

TEST(EthereumKey, AddressAndSignature_AreTheOnesOfSwarmsOwnTests) {
  const auto key = EthereumKey::from_secret(hex("634fb5a872396d9693e5c9f9d7233cfa93f395c093371017ff44aa9ae6564cdd"));
  ASSERT_TRUE(key);
  EXPECT_EQ(key->address().hex(), kOwner);
  EXPECT_EQ(key->sign_message(foo_digest()).hex(), kFooSignature);
}

TEST(EthereumKey, Signer_IsRecoveredAndNobodyElse) {
  EXPECT_EQ(message_signer(foo_digest(), signature_of(kFooSignature))->hex(), kOwner);
  const auto other = message_signer(keccak256(as_bytes("something else")), signature_of(kFooSignature));
  EXPECT_TRUE(!other || other->hex() != kOwner);
  EthereumSignature bent = signature_of(kFooSignature);
  bent.bytes.back() = 29;
  EXPECT_EQ(message_signer(foo_digest(), bent).error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(message_signer(foo_digest(), signature_of(std::string(128, 'f') + "1b")).error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(message_signer(foo_digest(), EthereumSignature{}).error().code(), ErrorCode::kCorrupt);
}

TEST(EthereumKey, NumbersThatAreNoKey_AreRefused) {
  EXPECT_FALSE(EthereumKey::from_secret(Bytes(32)));
  EXPECT_FALSE(EthereumKey::from_secret(Bytes(31, 1)));
  // SEC 2, §2.4.1: the order of the group.
  EXPECT_FALSE(EthereumKey::from_secret(hex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")));
  EXPECT_TRUE(EthereumKey::from_secret(hex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140")));
}

TEST(EthereumKey, Derived_IsWhatAnotherImplementationDerives) {
  // Python 3.11: hmac.new(bytes(range(32)), b"holdfast/1/swarm" + b"\0" + b"\1", "sha256") as the secret; coincurve and pycryptodome for its address.
  Bytes seed(32);
  for (std::size_t i = 0; i < seed.size(); ++i) seed[i] = static_cast<std::uint8_t>(i);
  EXPECT_EQ(EthereumKey::derive(seed, "holdfast/1/swarm").address().hex(), "e6a7d8408ed3ce585997dd73a62dfe30c242485f");
}

}  // namespace
}  // namespace holdfast
