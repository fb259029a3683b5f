// SPDX-License-Identifier: Apache-2.0
// Keccak-f[1600] as "The Keccak reference", version 3.0 (2011), and FIPS 202 §3 describe it.
#include "core/crypto/keccak.h"

#include <bit>
#include <cstring>

namespace holdfast {

namespace {

constexpr std::size_t kRateBytes = 136;  // 1600 bits less twice the 256 of the digest
constexpr std::size_t kLanes = 25;
constexpr std::size_t kLaneBytes = 8;
using State = std::array<std::uint64_t, kLanes>;

constexpr std::array<std::uint64_t, 24> kRoundConstants = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a, 0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a, 0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008};
// Rho and pi together: the lane that goes on from lane 1, where to, and by how much it is turned.
constexpr std::array<std::uint8_t, 24> kPiLanes = {10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1};
constexpr std::array<std::uint8_t, 24> kRotations = {1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44};

void permute(State& a) noexcept {
  for (const std::uint64_t round_constant : kRoundConstants) {
    std::uint64_t c[5];
    for (std::size_t x = 0; x < 5; ++x) c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
    for (std::size_t x = 0; x < 5; ++x) {  // theta
      const std::uint64_t d = c[(x + 4) % 5] ^ std::rotl(c[(x + 1) % 5], 1);
      for (std::size_t y = 0; y < kLanes; y += 5) a[y + x] ^= d;
    }
    std::uint64_t moving = a[1];
    for (std::size_t i = 0; i < kPiLanes.size(); ++i) {  // rho, pi
      const std::uint64_t next = a[kPiLanes[i]];
      a[kPiLanes[i]] = std::rotl(moving, kRotations[i]);
      moving = next;
    }
    for (std::size_t y = 0; y < kLanes; y += 5) {  // chi
      const std::uint64_t row[5] = {a[y], a[y + 1], a[y + 2], a[y + 3], a[y + 4]};
      for (std::size_t x = 0; x < 5; ++x) a[y + x] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5]);
    }
    a[0] ^= round_constant;  // iota
  }
}

std::uint64_t little_endian(ByteView bytes) noexcept {
  if constexpr (std::endian::native == std::endian::little) {
    std::uint64_t lane = 0;
    std::memcpy(&lane, bytes.data(), sizeof lane);
    return lane;
  }
  std::uint64_t lane = 0;
  for (std::size_t i = 0; i < kLaneBytes; ++i) lane |= static_cast<std::uint64_t>(bytes[i]) << (8 * i);
  return lane;
}

class Sponge {
 public:
  void absorb(ByteView bytes) noexcept {
    while (!bytes.empty()) {
      const bool lane_wise = at_ % kLaneBytes == 0 && bytes.size() >= kLaneBytes;
      const std::size_t taken = lane_wise ? kLaneBytes : 1;
      if (lane_wise) {
        state_[at_ / kLaneBytes] ^= little_endian(bytes);
      } else {
        put(bytes.front());
      }
      bytes = bytes.subspan(taken);
      at_ += taken;
      if (at_ == kRateBytes) {
        permute(state_);
        at_ = 0;
      }
    }
  }
  Keccak256 squeeze() noexcept {
    put(0x01);
    at_ = kRateBytes - 1;
    put(0x80);
    permute(state_);
    Keccak256 out;
    for (std::size_t i = 0; i < out.bytes.size(); ++i) out.bytes[i] = static_cast<std::uint8_t>(state_[i / 8] >> (8 * (i % 8)));
    return out;
  }

 private:
  void put(std::uint8_t byte) noexcept { state_[at_ / 8] ^= static_cast<std::uint64_t>(byte) << (8 * (at_ % 8)); }
  State state_{};
  std::size_t at_ = 0;
};

}  // namespace

Keccak256 keccak256(std::initializer_list<ByteView> parts) {
  Sponge sponge;
  for (const ByteView part : parts) sponge.absorb(part);
  return sponge.squeeze();
}

}  // namespace holdfast
