// SPDX-License-Identifier: Apache-2.0
#include "core/journal/journal_group.h"

#include <limits>

#include "core/crypto/hash.h"
#include "core/crypto/seal.h"
#include "core/format/byte_reader.h"
#include "core/format/byte_writer.h"

namespace holdfast {
namespace {

constexpr std::size_t kGroupHeaderBytes = 16;
constexpr std::uint8_t kVoidsEarlier = 1;
// How far ahead of the damaged group's number a number still counts as one of a later group.
constexpr std::uint32_t kLaterGroupsMax = 1U << 20;

Bytes associated_data(JournalCodec::Place place) {
  Bytes aad;
  ByteWriter(aad).u64(place.file_number).u32(place.group_number);
  return aad;
}

Result<JournalGroup> decode_plain(ByteView plain) {
  ByteReader in(plain, "journal group");
  JournalGroup group;
  HOLDFAST_ASSIGN(const std::uint8_t flags, in.u8());
  if ((flags & ~kVoidsEarlier) != 0) return Error(ErrorCode::kUnsupported, "a journal group with unknown flags");
  group.voids_earlier = flags != 0;
  HOLDFAST_ASSIGN(const std::size_t count, in.count(1));
  group.records.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    HOLDFAST_ASSIGN(const ByteView record, in.bytes());
    group.records.emplace_back(record.begin(), record.end());
  }
  HOLDFAST_TRY(in.expect_end());
  return group;
}

}  // namespace

Bytes JournalCodec::file_header(std::uint64_t file_number) const {
  Bytes out;
  ByteWriter(out).prelude(kJournalObject).id(repository_).id(writer_).raw(file_check(file_number));
  return out;
}

std::size_t JournalCodec::header_bytes() noexcept {
  return kPreludeBytes + RepositoryId::size + WriterId::size + std::tuple_size_v<Check>;
}

Status JournalCodec::check_header(std::uint64_t file_number, ByteView file) const {
  ByteReader in(file, "journal file");
  HOLDFAST_TRY(in.prelude(kJournalObject));
  HOLDFAST_ASSIGN(const auto repository, in.id<RepositoryId>());
  HOLDFAST_ASSIGN(const auto writer, in.id<WriterId>());
  if (repository != repository_) return Error(ErrorCode::kConflict, "the journal belongs to repository " + repository.hex());
  if (writer != writer_) return Error(ErrorCode::kConflict, "the journal belongs to writer " + writer.hex());
  const Check expected = file_check(file_number);
  HOLDFAST_ASSIGN(const ByteView check, in.raw(expected.size()));
  if (!std::equal(check.begin(), check.end(), expected.begin())) {
    return Error(ErrorCode::kCorrupt, "the header is damaged, or the file was renamed or written under another key");
  }
  return ok_status();
}

JournalCodec::Check JournalCodec::check_of(ByteView text) const {
  const Digest digest = hmac_sha256(key_.view(), {text});
  Check check{};
  std::copy_n(digest.bytes.begin(), check.size(), check.begin());
  return check;
}

JournalCodec::Check JournalCodec::group_check(Place place, std::uint32_t size) const {
  Bytes text;
  ByteWriter(text).raw(as_bytes("group")).u64(place.file_number).u32(place.group_number).u32(size);
  return check_of(text);
}

JournalCodec::Check JournalCodec::file_check(std::uint64_t file_number) const {
  Bytes text;
  ByteWriter(text).raw(as_bytes("file")).u64(file_number);
  return check_of(text);
}

Result<Bytes> JournalCodec::encode(Place place, const JournalGroup& group, RandomSource& random) const {
  Bytes plain;
  ByteWriter writer(plain);
  writer.u8(group.voids_earlier ? kVoidsEarlier : 0).varint(group.records.size());
  for (const Bytes& record : group.records) writer.bytes(record);
  if (plain.size() > std::numeric_limits<std::uint32_t>::max() - kBoxOverheadBytes) {
    return Error(ErrorCode::kInvalidArgument, "a journal group of more than 4 GiB");
  }
  HOLDFAST_ASSIGN(const Bytes box, seal_box(key_.view(), associated_data(place), plain, random));
  const auto size = static_cast<std::uint32_t>(box.size());
  Bytes out;
  out.reserve(kGroupHeaderBytes + box.size());
  ByteWriter(out).u32(size).u32(place.group_number).raw(group_check(place, size)).raw(box);
  return out;
}

std::optional<JournalCodec::Decoded> JournalCodec::decode(Place place, ByteView bytes) const {
  if (bytes.size() < kGroupHeaderBytes) return std::nullopt;
  const auto size = load_le<std::uint32_t>(bytes);
  const auto check = group_check(place, size);
  if (load_le<std::uint32_t>(bytes.subspan(4)) != place.group_number) return std::nullopt;
  if (!std::equal(check.begin(), check.end(), bytes.begin() + 8)) return std::nullopt;
  if (size > bytes.size() - kGroupHeaderBytes) return std::nullopt;
  Result<Bytes> plain = open_box(key_.view(), associated_data(place), bytes.subspan(kGroupHeaderBytes, size));
  if (!plain) return std::nullopt;
  Result<JournalGroup> group = decode_plain(*plain);
  if (!group) return std::nullopt;
  return Decoded{std::move(*group), kGroupHeaderBytes + size};
}

bool JournalCodec::has_later_group(Place place, ByteView bytes) const {
  for (std::size_t at = 0; at + kGroupHeaderBytes <= bytes.size(); ++at) {
    const auto number = load_le<std::uint32_t>(bytes.subspan(at + 4));
    if (number <= place.group_number || number - place.group_number > kLaterGroupsMax) continue;
    const auto check = group_check({place.file_number, number}, load_le<std::uint32_t>(bytes.subspan(at)));
    if (std::equal(check.begin(), check.end(), bytes.subspan(at + 8).begin())) return true;
  }
  return false;
}

}  // namespace holdfast
