// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/catalog/log_entry.h"

namespace holdfast {

enum class MetaType : std::uint8_t { kKeyring = 1, kLogSegment = 2, kKeyTable = 3 };
std::string_view meta_type_name(MetaType type) noexcept;

/// An object that a head names, by its place on the network that the head is published on.
struct MetaObject {
  MetaType type = MetaType::kLogSegment;
  Digest digest;
  std::uint64_t size_bytes = 0;
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  std::string locator;
  friend bool operator==(const MetaObject&, const MetaObject&) = default;
};

struct OtherWriter {
  WriterId writer;
  std::uint32_t slot = 0;
  std::uint64_t log_size = 0;
  Digest merkle_root;
  friend bool operator==(const OtherWriter&, const OtherWriter&) = default;
};

/// What a network's mutable name points at (FORMAT.md §8 "Head").
struct Head {
  LogIdentity log;
  std::uint32_t slot = 0;
  std::uint64_t log_size = 0;
  Digest merkle_root;
  WallNanos time = 0;
  Bytes genesis;
  Bytes certificate;
  std::vector<MetaObject> metas;
  std::vector<OtherWriter> others;
  friend bool operator==(const Head&, const Head&) = default;
};

inline constexpr std::size_t kHeadMaxBytes = 1U << 20;

Bytes encode_head(const Head& head, ByteView writer_seed);

/// A head whose chain of signatures holds: genesis by its root, certificate by the root, head by the certificate's key.
struct VerifiedHead {
  Head head;
  Genesis genesis;
  Certificate certificate;
};
/// Errors: kCorrupt (also: segments that leave a gap or overlap), kUnsupported, kUntrusted (a signature, a slot or an
/// id that does not fit). Whether the genesis is the expected one is the caller's question.
Result<VerifiedHead> decode_head(ByteView object);

}  // namespace holdfast
