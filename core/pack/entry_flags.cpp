// SPDX-License-Identifier: Apache-2.0
#include "core/pack/entry_flags.h"

#include "core/chunk/chunk_codec.h"

namespace holdfast {
namespace {

constexpr std::uint8_t kHasBase = 1;
constexpr std::uint8_t kHasChildren = 2;
constexpr std::uint8_t kHasSecondBase = 4;

}  // namespace

void encode_flags_and_bases(const PackEntry& entry, ByteWriter& out) {
  HOLDFAST_CHECK(entry.bases.size() <= kBasesMax);
  const int flags = (entry.bases.empty() ? 0 : kHasBase) | (entry.children.empty() ? 0 : kHasChildren) | (entry.bases.size() > 1 ? kHasSecondBase : 0);
  out.u8(static_cast<std::uint8_t>(flags));
  for (const ChunkId& base : entry.bases) out.id(base);
}

Result<bool> decode_flags_and_bases(ByteReader& in, PackEntry& entry) {
  HOLDFAST_ASSIGN(const std::uint8_t flags, in.u8());
  if ((flags & ~(kHasBase | kHasChildren | kHasSecondBase)) != 0) return in.corrupt("unknown flags " + std::to_string(flags));
  if ((flags & kHasSecondBase) != 0 && (flags & kHasBase) == 0) return in.corrupt("a second base without a first");
  const std::size_t count = (flags & kHasBase) == 0 ? 0 : (flags & kHasSecondBase) == 0 ? 1 : 2;
  for (std::size_t i = 0; i < count; ++i) {
    HOLDFAST_ASSIGN(const ChunkId base, in.id<ChunkId>());
    entry.bases.push_back(base);
  }
  return (flags & kHasChildren) != 0;
}

}  // namespace holdfast
