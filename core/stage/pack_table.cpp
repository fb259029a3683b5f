// SPDX-License-Identifier: Apache-2.0
#include "core/stage/pack_table.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <unordered_map>

#include "core/base/log.h"
#include "core/crypto/seal.h"
#include "core/format/byte_reader.h"
#include "core/format/byte_writer.h"
#include "core/stage/local_file.h"

namespace holdfast {
namespace {

constexpr ObjectKind kPackTableObject{"HFPKTBL1", "pack table"};
/// A payload is a row or a note of a locator (at most 1,024 bytes): far below.
constexpr std::uint32_t kBoxMaxBytes = 8'192;
constexpr std::size_t kSizePrefixBytes = 4;

enum class RowKind : std::uint8_t { kAdd = 1, kState = 2, kPut = 3, kLeansOn = 4 };
constexpr std::size_t kLeansOnMax = 1'000;  ///< packs in one row; more take further rows

Bytes record_aad(std::uint64_t number) {
  Bytes aad;
  ByteWriter(aad).u64(number);
  return aad;
}

Bytes encode_add(const PackRow& row) {
  Bytes out;
  ByteWriter(out)
      .u8(static_cast<std::uint8_t>(RowKind::kAdd))
      .u32(row.number)
      .id(row.id)
      .u64(row.size_bytes)
      .u32(row.domain)
      .u8(static_cast<std::uint8_t>(row.state));
  return out;
}

void encode_leans_on(PackNumber number, std::span<const PackNumber> packs, std::vector<Bytes>& out) {
  while (!packs.empty()) {
    const auto part = packs.first(std::min(packs.size(), kLeansOnMax));
    ByteWriter writer(out.emplace_back());
    writer.u8(static_cast<std::uint8_t>(RowKind::kLeansOn)).u32(number).varint(part.size());
    for (const PackNumber pack : part) writer.u32(pack);
    packs = packs.subspan(part.size());
  }
}

Result<PackState> decode_state(ByteReader& in) {
  HOLDFAST_ASSIGN(const std::uint8_t state, in.u8());
  if (state < 1 || state > 3) return in.corrupt("unknown pack state");
  return static_cast<PackState>(state);
}

bool all_zero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

}  // namespace

struct PackTable::State {
  State(SecretBytes table_key, RandomSource& source) : key(std::move(table_key)), random(source) {}

  SecretBytes key;
  RandomSource& random;
  std::string path;

  mutable std::shared_mutex mutex;  ///< the maps; taken after write_mutex
  std::map<PackNumber, PackRow> rows;
  std::unordered_map<PackId, PackNumber> by_id;
  std::map<std::pair<PackNumber, std::string>, ObjectRef> puts;
  std::map<PackNumber, std::vector<PackNumber>> leans_on;
  PackNumber next_number = 1;

  std::mutex write_mutex;  ///< the file and the two below
  LocalFile file;
  std::uint64_t length = 0;
  std::uint64_t record_count = 0;
  bool broken = false;

  Status apply(ByteView payload);
  Status load();
  Result<bool> load_record(ByteView rest, std::size_t& used);
  bool has_later_row(ByteView rest) const;
  Status write(const std::vector<Bytes>& payloads);
};

Status PackTable::State::apply(ByteView payload) {
  ByteReader in(payload, "pack table row");
  HOLDFAST_ASSIGN(const std::uint8_t kind, in.u8());
  HOLDFAST_ASSIGN(const PackNumber number, in.u32());
  const auto found = rows.find(number);
  switch (static_cast<RowKind>(kind)) {
    case RowKind::kAdd: {
      PackRow row;
      row.number = number;
      HOLDFAST_ASSIGN(row.id, in.id<PackId>());
      HOLDFAST_ASSIGN(row.size_bytes, in.u64());
      HOLDFAST_ASSIGN(row.domain, in.u32());
      HOLDFAST_ASSIGN(row.state, decode_state(in));
      if (found != rows.end()) return in.corrupt("a pack number that is given twice");
      by_id[row.id] = number;
      rows[number] = row;
      next_number = std::max(next_number, number + 1);
      return in.expect_end();
    }
    case RowKind::kState: {
      if (found == rows.end()) return in.corrupt("a state of a pack that has no row");
      HOLDFAST_ASSIGN(found->second.state, decode_state(in));
      return in.expect_end();
    }
    case RowKind::kPut: {
      ObjectRef ref;
      HOLDFAST_ASSIGN(const std::string_view network, in.text());
      HOLDFAST_ASSIGN(const std::string_view locator, in.text());
      HOLDFAST_ASSIGN(ref.size_bytes, in.u64());
      ref.locator = locator;
      puts[{number, std::string(network)}] = std::move(ref);
      return in.expect_end();
    }
    case RowKind::kLeansOn: {
      HOLDFAST_ASSIGN(const std::size_t count, in.count(sizeof(PackNumber)));
      auto& packs = leans_on[number];
      for (std::size_t i = 0; i < count; ++i) {
        HOLDFAST_ASSIGN(const PackNumber pack, in.u32());
        packs.push_back(pack);
      }
      return in.expect_end();
    }
  }
  return in.corrupt("unknown kind of row");
}

/// False when what is left is no whole, intact record.
Result<bool> PackTable::State::load_record(ByteView rest, std::size_t& used) {
  if (rest.size() < kSizePrefixBytes) return false;
  const auto size = load_le<std::uint32_t>(rest);
  if (size > kBoxMaxBytes || size > rest.size() - kSizePrefixBytes) return false;
  used = kSizePrefixBytes + size;
  const Result<Bytes> payload = open_box(key.view(), record_aad(record_count), rest.subspan(kSizePrefixBytes, size));
  if (!payload) return false;
  HOLDFAST_TRY(apply(*payload));
  return true;
}

/// Whether the row after a bad one stands somewhere behind it: then the bad one was whole once.
bool PackTable::State::has_later_row(ByteView rest) const {
  const Bytes aad = record_aad(record_count + 1);
  for (std::size_t at = 1; at + kSizePrefixBytes < rest.size() && at <= kSizePrefixBytes + kBoxMaxBytes; ++at) {
    const auto size = load_le<std::uint32_t>(rest.subspan(at));
    if (size > kBoxMaxBytes || size > rest.size() - at - kSizePrefixBytes) continue;
    if (open_box(key.view(), aad, rest.subspan(at + kSizePrefixBytes, size))) return true;
  }
  return false;
}

Status PackTable::State::load() {
  HOLDFAST_ASSIGN(const std::uint64_t size, file.size());
  Bytes content(size);
  HOLDFAST_TRY(file.read_at(0, content));
  if (size < kPreludeBytes) {  // new, or the program died while it was made
    Bytes prelude;
    ByteWriter(prelude).prelude(kPackTableObject);
    HOLDFAST_TRY(file.truncate(0));
    HOLDFAST_TRY(file.write_at(0, prelude));
    HOLDFAST_TRY(file.sync_data());
    length = prelude.size();
    return ok_status();
  }
  ByteReader in(content, kPackTableObject.name);
  HOLDFAST_TRY(in.prelude(kPackTableObject));
  length = kPreludeBytes;
  while (length < size) {
    const ByteView rest = ByteView(content).subspan(length);
    std::size_t used = rest.size();
    HOLDFAST_ASSIGN(const bool intact, load_record(rest, used));
    if (intact) {
      length += used;
      ++record_count;
      continue;
    }
    // A torn write is the last thing in the file, or room that the disk gave and never filled.
    if ((used < rest.size() && !all_zero(rest)) || has_later_row(rest)) {
      return Error(ErrorCode::kCorrupt, "pack table " + path + " is damaged at offset " + std::to_string(length));
    }
    log_warning("pack table " + path + ": dropping a torn row at its end");
    HOLDFAST_TRY(file.truncate(length));
    return file.sync_data();
  }
  return ok_status();
}

Status PackTable::State::write(const std::vector<Bytes>& payloads) {
  if (broken) return Error(ErrorCode::kInternal, "pack table " + path + ": an earlier write failed");
  Bytes out;
  std::uint64_t number = record_count;
  for (const Bytes& payload : payloads) {
    HOLDFAST_ASSIGN(const Bytes box, seal_box(key.view(), record_aad(number), payload, random));
    HOLDFAST_CHECK(box.size() <= kBoxMaxBytes);
    ByteWriter(out).u32(static_cast<std::uint32_t>(box.size())).raw(box);
    ++number;
  }
  Status written = file.write_at(length, out);
  if (!written) {
    broken = !file.truncate(length).has_value();
    return written;
  }
  if (Status synced = file.sync_data(); !synced) {
    broken = true;  // what the disk has now is unknown
    return synced;
  }
  length += out.size();
  record_count = number;
  const std::unique_lock lock(mutex);
  for (const Bytes& payload : payloads) HOLDFAST_TRY(apply(payload));
  return ok_status();
}

PackTable::PackTable() = default;
PackTable::~PackTable() = default;

Result<std::unique_ptr<PackTable>> PackTable::open(std::string path, SecretBytes key, RandomSource& random) {
  auto table = std::unique_ptr<PackTable>(new PackTable());
  table->state_ = std::make_unique<State>(std::move(key), random);
  State& state = *table->state_;
  state.path = std::move(path);
  HOLDFAST_ASSIGN(state.file, LocalFile::open_or_create(state.path));
  HOLDFAST_TRY(state.load());
  return table;
}

std::optional<PackRow> PackTable::find(PackNumber number) const {
  const std::shared_lock lock(state_->mutex);
  const auto found = state_->rows.find(number);
  if (found == state_->rows.end()) return std::nullopt;
  return found->second;
}

std::optional<PackRow> PackTable::find(const PackId& id) const {
  const std::shared_lock lock(state_->mutex);
  const auto found = state_->by_id.find(id);
  if (found == state_->by_id.end()) return std::nullopt;
  return state_->rows.at(found->second);
}

void PackTable::for_each(const std::function<void(const PackRow&)>& visit) const {
  std::vector<PackRow> rows;
  {
    const std::shared_lock lock(state_->mutex);
    for (const auto& [number, row] : state_->rows) rows.push_back(row);
  }
  for (const PackRow& row : rows) visit(row);
}

std::size_t PackTable::count() const {
  const std::shared_lock lock(state_->mutex);
  return state_->rows.size();
}

PackNumber PackTable::take_number() {
  const std::unique_lock lock(state_->mutex);
  return state_->next_number++;
}

void PackTable::reserve_up_to(PackNumber number) {
  const std::unique_lock lock(state_->mutex);
  state_->next_number = std::max(state_->next_number, number + 1);
}

Status PackTable::add(const PackRow& row, const std::vector<PackNumber>& leans_on) {
  const std::lock_guard writing(state_->write_mutex);
  if (find(row.number) || find(row.id)) {
    return Error(ErrorCode::kAlreadyExists, "pack " + row.id.hex() + " is in the table already");
  }
  std::vector<Bytes> payloads{encode_add(row)};
  encode_leans_on(row.number, leans_on, payloads);
  return state_->write(payloads);
}

Status PackTable::note_leans_on(PackNumber number, const std::vector<PackNumber>& packs) {
  const std::lock_guard writing(state_->write_mutex);
  if (!find(number)) return Error(ErrorCode::kNotFound, "pack number " + std::to_string(number) + " has no row");
  std::vector<Bytes> payloads;
  encode_leans_on(number, packs, payloads);
  return payloads.empty() ? ok_status() : state_->write(payloads);
}

std::vector<PackNumber> PackTable::leans_on(PackNumber number) const {
  const std::shared_lock lock(state_->mutex);
  const auto found = state_->leans_on.find(number);
  return found == state_->leans_on.end() ? std::vector<PackNumber>() : found->second;
}

Result<PackNumber> PackTable::adopt(const PackId& id, std::uint64_t size_bytes, std::uint32_t domain, PackState state) {
  PackRow row;
  row.id = id;
  row.size_bytes = size_bytes;
  row.domain = domain;
  row.state = state;
  HOLDFAST_ASSIGN(const std::vector<PackNumber> numbers, adopt_all({row}));
  return numbers.front();
}

Result<std::vector<PackNumber>> PackTable::adopt_all(const std::vector<PackRow>& rows) {
  const std::lock_guard writing(state_->write_mutex);
  std::vector<PackNumber> numbers;
  std::unordered_map<PackId, PackNumber> fresh;
  std::vector<Bytes> payloads;
  for (PackRow row : rows) {
    if (const auto known = find(row.id)) {
      numbers.push_back(known->number);
    } else if (const auto twice = fresh.find(row.id); twice != fresh.end()) {
      numbers.push_back(twice->second);
    } else {
      row.number = take_number();
      fresh[row.id] = row.number;
      payloads.push_back(encode_add(row));
      numbers.push_back(row.number);
    }
  }
  if (!payloads.empty()) HOLDFAST_TRY(state_->write(payloads));
  return numbers;
}

Status PackTable::set_state(PackNumber number, PackState state) {
  const std::lock_guard writing(state_->write_mutex);
  const auto row = find(number);
  if (!row) return Error(ErrorCode::kNotFound, "pack number " + std::to_string(number) + " has no row");
  if (row->state == state) return ok_status();
  Bytes payload;
  ByteWriter(payload).u8(static_cast<std::uint8_t>(RowKind::kState)).u32(number).u8(static_cast<std::uint8_t>(state));
  return state_->write({payload});
}

Status PackTable::note_put(PackNumber number, const std::string& network, const ObjectRef& ref) {
  Bytes payload;
  ByteWriter(payload)
      .u8(static_cast<std::uint8_t>(RowKind::kPut))
      .u32(number)
      .text(network)
      .text(ref.locator)
      .u64(ref.size_bytes);
  const std::lock_guard writing(state_->write_mutex);
  return state_->write({payload});
}

std::optional<ObjectRef> PackTable::noted_put(PackNumber number, const std::string& network) const {
  const std::shared_lock lock(state_->mutex);
  const auto found = state_->puts.find({number, network});
  if (found == state_->puts.end()) return std::nullopt;
  return found->second;
}

void PackTable::forget_put(PackNumber number, const std::string& network) {
  const std::unique_lock lock(state_->mutex);
  state_->puts.erase({number, network});
}

}  // namespace holdfast
