// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/keyring.h"

#include <gtest/gtest.h>

#include <set>

#include "core/crypto/hash.h"
#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {

constexpr std::string_view kPassphrase = "correct horse battery staple";

KdfParameters quick_kdf() {
  KdfParameters kdf;
  kdf.iterations = 100'000;  // the floor
  return kdf;
}

RepositoryId repository() {
  RepositoryId id;
  id.bytes.fill(0xab);
  return id;
}

class KeyringTest : public ::testing::Test {
 protected:
  testing::SeededRandom random_{31};
  RecoveryCode code_ = *RecoveryCode::generate(random_);

  Keyring filled() {
    Keyring ring(repository());
    EXPECT_TRUE(ring.put(Compartment::kRepository, SecretBytes::copy_of(Bytes(32, 1)), random_));
    EXPECT_TRUE(ring.put(Compartment::kVault, SecretBytes::copy_of(Bytes(64, 2)), random_));
    EXPECT_TRUE(ring.put(Compartment::kWriter, SecretBytes::copy_of(Bytes(64, 3)), random_));
    return ring;
  }
  static Status unlock(Keyring& ring, std::string_view passphrase, std::optional<RecoveryCode> code = std::nullopt) {
    return ring.unlock({as_bytes(passphrase), code});
  }
  /// With one stanza and no code: the offset of the kdf number is prelude 12, repository 16, generation 4, count 1, type 1, label 1 + 4, flags 1.
  static constexpr std::size_t kKdfOffset = 12 + 16 + 4 + 1 + 1 + 5 + 1;
  Bytes simple_object() {
    Keyring ring = filled();
    EXPECT_TRUE(ring.add_passphrase("main", as_bytes(kPassphrase), std::nullopt, quick_kdf(), random_));
    return ring.encode();
  }
};

TEST_F(KeyringTest, RightPassphrase_OpensWhatWasPut) {
  Keyring ring = *Keyring::decode(simple_object());
  EXPECT_EQ(ring.repository(), repository());
  EXPECT_FALSE(ring.has(Compartment::kRepository));
  ASSERT_TRUE(unlock(ring, kPassphrase));
  EXPECT_EQ(to_hex(ring.secret(Compartment::kRepository)), to_hex(Bytes(32, 1)));
  EXPECT_EQ(to_hex(ring.secret(Compartment::kVault)), to_hex(Bytes(64, 2)));
  EXPECT_EQ(to_hex(ring.secret(Compartment::kWriter)), to_hex(Bytes(64, 3)));
}

TEST_F(KeyringTest, WrongPassphrase_IsWrongKey) {
  Keyring ring = *Keyring::decode(simple_object());
  const Status status = unlock(ring, "correct horse battery stapler");
  EXPECT_EQ(status.error().code(), ErrorCode::kWrongKey);
  EXPECT_FALSE(ring.has(Compartment::kRepository));
}

TEST_F(KeyringTest, CopyThatLeavesTheMachine_NeedsPassphraseAndCode) {
  Keyring home = filled();
  Keyring away = *home.copy_of({Compartment::kRepository, Compartment::kVault}, random_);
  ASSERT_TRUE(away.add_passphrase("main", as_bytes(kPassphrase), code_, quick_kdf(), random_));
  const Bytes object = away.encode();
  Keyring ring = *Keyring::decode(object);
  EXPECT_TRUE(ring.needs_code());
  const Status without = unlock(ring, kPassphrase);
  EXPECT_EQ(without.error().code(), ErrorCode::kWrongKey);
  EXPECT_NE(without.error().message().find("recovery code"), std::string::npos);
  EXPECT_EQ(unlock(ring, kPassphrase, *RecoveryCode::generate(random_)).error().code(), ErrorCode::kWrongKey);
  ASSERT_TRUE(unlock(ring, kPassphrase, code_));
  EXPECT_TRUE(ring.has(Compartment::kVault));
  EXPECT_FALSE(ring.has(Compartment::kWriter));
  EXPECT_EQ(home.copy_of({Compartment::kRepository}, random_)->generation(), home.generation());
}

TEST_F(KeyringTest, ChangedPassphrase_OldOneNoLongerOpens) {
  Keyring ring = *Keyring::decode(simple_object());
  EXPECT_EQ(ring.clear_stanzas().error().code(), ErrorCode::kRefused) << "closed compartments would be lost";
  ASSERT_TRUE(unlock(ring, kPassphrase));
  ASSERT_TRUE(ring.clear_stanzas());
  EXPECT_EQ(ring.generation(), 2U);
  ASSERT_TRUE(ring.add_passphrase("new", as_bytes("another"), std::nullopt, quick_kdf(), random_));
  const Bytes object = ring.encode();
  Keyring again = *Keyring::decode(object);
  EXPECT_EQ(unlock(again, kPassphrase).error().code(), ErrorCode::kWrongKey);
  EXPECT_TRUE(unlock(again, "another"));
  EXPECT_EQ(again.stanzas().at(0).label, "new");
}

TEST_F(KeyringTest, TwoStanzas_EitherOpens) {
  Keyring ring = filled();
  KdfParameters argon;
  argon.kind = KdfKind::kArgon2id;
  argon.passes = 1;
  argon.memory_kib = 8192;
  ASSERT_TRUE(ring.add_passphrase("a", as_bytes("first"), std::nullopt, quick_kdf(), random_));
  ASSERT_TRUE(ring.add_passphrase("b", as_bytes("second"), std::nullopt, argon, random_));
  const Bytes object = ring.encode();
  for (const std::string_view passphrase : {"first", "second"}) {
    Keyring opened = *Keyring::decode(object);
    EXPECT_TRUE(unlock(opened, passphrase)) << passphrase;
    EXPECT_TRUE(opened.has(Compartment::kWriter));
  }
  EXPECT_EQ(Keyring::decode(object)->stanzas().at(1).kdf.memory_kib, 8192U);
}

TEST_F(KeyringTest, ReplacedCompartment_IsClosedToOldStanzas) {
  Keyring ring = *Keyring::decode(simple_object());
  ASSERT_TRUE(unlock(ring, kPassphrase));
  ASSERT_TRUE(ring.put(Compartment::kVault, SecretBytes::copy_of(Bytes(64, 9)), random_));
  const Bytes object = ring.encode();
  Keyring again = *Keyring::decode(object);
  ASSERT_TRUE(unlock(again, kPassphrase));
  EXPECT_TRUE(again.has(Compartment::kRepository));
  EXPECT_FALSE(again.has(Compartment::kVault));
}

TEST_F(KeyringTest, DamagedCompartment_IsCorruptNotWrongKey) {
  Bytes object = simple_object();
  object.back() ^= 1;
  Keyring ring = *Keyring::decode(object);
  const Status status = unlock(ring, kPassphrase);
  EXPECT_EQ(status.error().code(), ErrorCode::kCorrupt);
  EXPECT_NE(status.error().message().find("compartment 3"), std::string::npos) << status.error().message();
}

TEST_F(KeyringTest, KdfOutOfBounds_IsRefusedWithoutRunning) {
  const Bytes good = simple_object();
  ASSERT_EQ(good[kKdfOffset], 1);
  const auto with = [&](std::initializer_list<std::uint8_t> iterations) {
    Bytes bad = good;
    std::copy(iterations.begin(), iterations.end(), bad.begin() + kKdfOffset + 1);
    return Keyring::decode(bad);
  };
  EXPECT_EQ(with({0x9f, 0x86, 0x01, 0x00}).error().code(), ErrorCode::kCorrupt);  // 99,999
  EXPECT_EQ(with({0x81, 0xf0, 0xfa, 0x02}).error().code(), ErrorCode::kCorrupt);  // 50,000,001
  EXPECT_EQ(with({0xff, 0xff, 0xff, 0xff}).error().code(), ErrorCode::kCorrupt);
  EXPECT_TRUE(with({0xa0, 0x86, 0x01, 0x00}));  // 100,000
  EXPECT_TRUE(with({0x80, 0xf0, 0xfa, 0x02}));  // 50,000,000

  Keyring ring = filled();
  KdfParameters kdf;
  kdf.iterations = 99'999;
  EXPECT_EQ(ring.add_passphrase("x", {}, std::nullopt, kdf, random_).error().code(), ErrorCode::kInvalidArgument);
  kdf = {};
  kdf.kind = KdfKind::kArgon2id;
  kdf.memory_kib = 4'194'305;
  EXPECT_EQ(ring.add_passphrase("x", {}, std::nullopt, kdf, random_).error().code(), ErrorCode::kInvalidArgument);
  kdf.memory_kib = 8191;
  EXPECT_EQ(ring.add_passphrase("x", {}, std::nullopt, kdf, random_).error().code(), ErrorCode::kInvalidArgument);
  kdf = {};
  kdf.kind = KdfKind::kArgon2id;
  kdf.passes = 65;
  EXPECT_EQ(ring.add_passphrase("x", {}, std::nullopt, kdf, random_).error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(KeyringTest, UnknownParts_AreUnsupportedByName) {
  const Bytes good = simple_object();
  const auto code_with = [&](std::size_t offset, std::uint8_t value) {
    Bytes bad = good;
    bad[offset] = value;
    const auto ring = Keyring::decode(bad);
    return ring ? std::string("accepted") : std::string(error_code_name(ring.error().code())) + ": " + ring.error().message();
  };
  EXPECT_EQ(code_with(8, 2), "unsupported: keyring has format version 2; this program reads 1");
  EXPECT_EQ(code_with(33, 2), "unsupported: keyring: a stanza of type 2, which this program does not know");
  EXPECT_EQ(code_with(kKdfOffset, 3), "unsupported: keyring: kdf 3, which this program does not know");
  EXPECT_EQ(code_with(kKdfOffset - 1, 2).substr(0, 7), "corrupt");
}

TEST_F(KeyringTest, AnyTruncationOrLeftover_IsRefused) {
  Bytes object = simple_object();
  for (std::size_t size = 0; size < object.size(); ++size) {
    EXPECT_FALSE(Keyring::decode(ByteView(object).first(size))) << size;
  }
  object.push_back(0);
  EXPECT_FALSE(Keyring::decode(object));
}

TEST_F(KeyringTest, AnyFlippedBit_NeverOpensAllThreeCompartments) {
  // The generation (bytes 28..31) is the one field that nothing authenticates: it only orders keyrings.
  const Bytes good = simple_object();
  int opened = 0;
  for (std::size_t at = 0; at < good.size(); at += 23) {
    if (at >= 28 && at < 32) continue;
    Bytes bad = good;
    bad[at] ^= 0x10;
    auto ring = Keyring::decode(bad);
    if (!ring) continue;
    if (ring->stanzas().empty() || ring->stanzas()[0].kdf.iterations > 1'000'000) continue;  // slow, and covered by the bounds
    const Status status = unlock(*ring, kPassphrase);
    const bool all = status && ring->has(Compartment::kRepository) && ring->has(Compartment::kVault) && ring->has(Compartment::kWriter);
    EXPECT_FALSE(all) << at;
    ++opened;
  }
  EXPECT_GT(opened, 5);
}

TEST(RecoveryCode, TextAndBack) {
  testing::SeededRandom random(5);
  for (int round = 0; round < 50; ++round) {
    const RecoveryCode code = *RecoveryCode::generate(random);
    const std::string text = code.text();
    EXPECT_EQ(text.size(), 34U);
    EXPECT_EQ(RecoveryCode::parse(text)->bytes, code.bytes);
    std::string typed = text;
    for (char& letter : typed) {
      letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
      if (letter == '0') letter = 'o';
      if (letter == '1') letter = 'l';
      if (letter == '-') letter = ' ';
    }
    EXPECT_EQ(RecoveryCode::parse(typed)->bytes, code.bytes) << typed;
  }
}

TEST(RecoveryCode, OneLetterMistyped_IsSeen) {
  testing::SeededRandom random(6);
  const std::string text = RecoveryCode::generate(random)->text();
  int accepted = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '-') continue;
    for (const char letter : std::string_view("0123456789ABCDEFGHJKMNPQRSTVWXYZ")) {
      std::string typed = text;
      typed[at] = letter;
      accepted += letter != text[at] && RecoveryCode::parse(typed) ? 1 : 0;
    }
  }
  // 868 single mistakes against a check sum of 10 bits: 0.85 are expected to pass, and 6 or more in one of 3,000 codes.
  EXPECT_LE(accepted, 5);
  for (const std::string_view bad : {"", "ABCD", "UUUU-UUUU-UUUU-UUUU-UUUU-UUUU-UUUU"}) {
    EXPECT_EQ(RecoveryCode::parse(bad).error().code(), ErrorCode::kInvalidArgument);
  }
  EXPECT_FALSE(RecoveryCode::parse(text + "0"));
}

TEST(RepositoryKeys, EachPurposeAndSlot_HasAKeyOfItsOwn) {
  const Bytes secret(32, 7);
  const RepositoryKeys keys(repository(), secret);
  const std::vector<std::string> all = {to_hex(keys.catalog()), to_hex(keys.maintenance()), to_hex(keys.fingerprint()), to_hex(keys.chunker()),
                                        to_hex(keys.head_seed(0, "ipfs").view()), to_hex(keys.head_seed(1, "ipfs").view()), to_hex(keys.head_seed(0, "ipfs1").view())};
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), all.size());
  EXPECT_EQ(all[0], to_hex(derive_key(secret, repository(), "catalog", {}).view()));
}

}  // namespace
}  // namespace holdfast
