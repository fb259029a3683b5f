// SPDX-License-Identifier: Apache-2.0
#include "adapters/ipfs/ipfs_names.h"

#include <algorithm>
#include <array>

#include "core/crypto/hash.h"
#include "core/crypto/seal.h"

namespace holdfast::ipfs {

namespace {

constexpr std::string_view kBase32 = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::string_view kBase36 = "0123456789abcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Prefixes of binary CIDs: version 1, codec (multicodec table), multihash code and length.
constexpr std::array<std::uint8_t, 4> kRaw = {0x01, 0x55, 0x12, 0x20};
constexpr std::array<std::uint8_t, 4> kDagPb = {0x01, 0x70, 0x12, 0x20};
// Version 1, libp2p-key, identity of 36 bytes: a protobuf of key type Ed25519 and its 32 bytes (libp2p peer id specification).
constexpr std::array<std::uint8_t, 8> kIpnsEd25519 = {0x01, 0x72, 0x00, 0x24, 0x08, 0x01, 0x12, 0x20};
// SEQUENCE { INTEGER 0, SEQUENCE { OID 1.3.101.112 }, OCTET STRING { OCTET STRING of 32 bytes } } (RFC 8410 §7)
constexpr std::array<std::uint8_t, 16> kPkcs8Ed25519 = {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                                        0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};

std::string to_base32(ByteView bytes) {
  std::string out;
  unsigned bits = 0;
  unsigned value = 0;
  for (const std::uint8_t byte : bytes) {
    value = (value << 8U) | byte;
    for (bits += 8; bits >= 5; bits -= 5) out += kBase32[(value >> (bits - 5)) & 31U];
    value &= 0xffU;
  }
  if (bits > 0) out += kBase32[(value << (5 - bits)) & 31U];
  return out;
}

std::optional<Bytes> from_base32(std::string_view text) {
  Bytes out;
  unsigned bits = 0;
  unsigned value = 0;
  for (const char c : text) {
    const std::size_t digit = kBase32.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    value = ((value << 5U) | static_cast<unsigned>(digit)) & 0xfffU;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    out.push_back(static_cast<std::uint8_t>(value >> bits));
  }
  if ((value & ((1U << bits) - 1U)) != 0) return std::nullopt;  // bits that fill up are zero
  return out;
}

}  // namespace

bool is_cid(std::string_view text) {
  if (text.size() != 59 || text.front() != 'b') return false;
  const std::optional<Bytes> bytes = from_base32(text.substr(1));
  if (!bytes || bytes->size() != 36) return false;
  return std::equal(kRaw.begin(), kRaw.end(), bytes->begin()) || std::equal(kDagPb.begin(), kDagPb.end(), bytes->begin());
}

Bytes binary_cid(Codec codec, ByteView block) {
  const auto& prefix = codec == Codec::kRaw ? kRaw : kDagPb;
  Bytes cid(prefix.begin(), prefix.end());
  append(cid, sha256(block).view());
  return cid;
}

std::string cid_text(ByteView binary) { return "b" + to_base32(binary); }

bool is_dag_pb(std::string_view cid) { return cid.starts_with("bafybei"); }

std::string raw_cid(ByteView bytes) { return cid_text(binary_cid(Codec::kRaw, bytes)); }

std::string ipns_name(ByteView seed) {
  Bytes number(kIpnsEd25519.begin(), kIpnsEd25519.end());
  append(number, ed25519_public(seed).view());
  std::string digits;
  // Long division of the big-endian number by 36; it starts with 0x01, so there are no leading zeros to keep.
  while (!number.empty()) {
    unsigned rest = 0;
    for (std::uint8_t& byte : number) {
      rest = rest * 256 + byte;
      byte = static_cast<std::uint8_t>(rest / 36);
      rest %= 36;
    }
    digits += kBase36[rest];
    number.erase(number.begin(), std::ranges::find_if(number, [](std::uint8_t byte) { return byte != 0; }));
  }
  std::ranges::reverse(digits);
  return "k" + digits;
}

bool is_ipns_name(std::string_view text) {
  return text.size() == 62 && text.starts_with("k51") &&
         std::ranges::all_of(text, [](char c) { return kBase36.find(c) != std::string_view::npos; });
}

SecretBytes pkcs8_pem(ByteView seed) {
  HOLDFAST_CHECK(seed.size() == 32);
  constexpr std::string_view kBegin = "-----BEGIN PRIVATE KEY-----\n";
  constexpr std::string_view kEnd = "\n-----END PRIVATE KEY-----\n";
  constexpr std::size_t kDerBytes = 48;  // a multiple of three: base 64 without padding
  SecretBytes der(kDerBytes);
  std::ranges::copy(kPkcs8Ed25519, der.mutable_view().begin());
  std::ranges::copy(seed, der.mutable_view().begin() + kPkcs8Ed25519.size());
  SecretBytes pem(kBegin.size() + kDerBytes / 3 * 4 + kEnd.size());
  auto out = std::ranges::copy(kBegin, pem.mutable_view().begin()).out;
  const ByteView from = der.view();
  for (std::size_t i = 0; i < kDerBytes; i += 3) {
    const unsigned three = (static_cast<unsigned>(from[i]) << 16U) | (static_cast<unsigned>(from[i + 1]) << 8U) | from[i + 2];
    for (const unsigned shift : {18U, 12U, 6U, 0U}) *out++ = static_cast<std::uint8_t>(kBase64[(three >> shift) & 63U]);
  }
  std::ranges::copy(kEnd, out);
  return pem;
}

}  // namespace holdfast::ipfs
