// SPDX-License-Identifier: Apache-2.0
#include "cache/index_segment.h"

#include "cache/index_table_merge.h"
#include "core/crypto/seal.h"
#include "core/format/byte_writer.h"

namespace holdfast {
namespace {

constexpr std::size_t kManifestSegmentsMax = 100000;

template <typename Value>
Status write_table(const IndexFolder& folder, std::uint64_t number, TableKind kind,
                   const std::unordered_map<IndexKey, Value, IndexKeyHash>& entries) {
  return write_sorted_table(folder.table_path(number, kind), kind, folder.key.view(), *folder.random, entries);
}

Status merge_tables(const IndexFolder& folder, std::uint64_t number, TableKind kind, const std::vector<const IndexTable*>& tables,
                    const std::atomic<bool>& stop) {
  return merge_index_tables({folder.table_path(number, kind), kind, folder.key.view(), *folder.random}, tables, stop);
}

}  // namespace

std::string IndexFolder::table_path(std::uint64_t segment, TableKind kind) const {
  return path + "/" + std::to_string(segment) + (kind == TableKind::kById ? ".ids" : ".fps");
}

Result<std::shared_ptr<IndexSegment>> IndexSegment::open(const IndexFolder& folder, std::uint64_t number) {
  auto segment = std::make_shared<IndexSegment>();
  segment->number = number;
  HOLDFAST_ASSIGN(segment->by_id, IndexTable::open(folder.table_path(number, TableKind::kById), TableKind::kById, folder.key.view()));
  HOLDFAST_ASSIGN(segment->by_fp, IndexTable::open(folder.table_path(number, TableKind::kByFingerprint), TableKind::kByFingerprint,
                                                   folder.key.view()));
  return segment;
}

Result<std::shared_ptr<IndexSegment>> IndexSegment::write(const IndexFolder& folder, std::uint64_t number,
                                                          const IndexMemtable& entries) {
  Status written = write_table(folder, number, TableKind::kById, entries.by_id);
  if (written) written = write_table(folder, number, TableKind::kByFingerprint, entries.by_fp);
  if (!written) {
    written.keep_first(remove_files(folder, number));
    return std::move(written).error();
  }
  return open(folder, number);
}

Result<std::shared_ptr<IndexSegment>> IndexSegment::merge(const IndexFolder& folder, std::uint64_t number,
                                                          const std::vector<std::shared_ptr<IndexSegment>>& inputs,
                                                          const std::atomic<bool>& stop) {
  std::vector<const IndexTable*> ids;
  std::vector<const IndexTable*> fps;
  for (const auto& input : inputs) {
    ids.push_back(input->by_id.get());
    fps.push_back(input->by_fp.get());
  }
  Status merged = merge_tables(folder, number, TableKind::kById, ids, stop);
  if (merged) merged = merge_tables(folder, number, TableKind::kByFingerprint, fps, stop);
  if (merged) merged = cache::sync_folder(folder.path);
  if (!merged) {
    merged.keep_first(remove_files(folder, number));
    return std::move(merged).error();
  }
  HOLDFAST_ASSIGN(auto segment, open(folder, number));
  segment->durable = true;
  return segment;
}

Status IndexSegment::make_durable(const IndexFolder& folder) const {
  for (const auto kind : {TableKind::kById, TableKind::kByFingerprint}) {
    HOLDFAST_ASSIGN(cache::File file, cache::File::open(folder.table_path(number, kind), cache::File::Mode::kReadWrite));
    HOLDFAST_TRY(file.sync());
  }
  return ok_status();
}

Status IndexSegment::remove_files(const IndexFolder& folder, std::uint64_t number) {
  Status status = cache::remove_file(folder.table_path(number, TableKind::kById));
  status.keep_first(cache::remove_file(folder.table_path(number, TableKind::kByFingerprint)));
  return status;
}

Result<std::optional<IndexManifest>> IndexManifest::read(const IndexFolder& folder) {
  auto content = cache::read_file(folder.path + "/" + std::string(kName), 1U << 24U);
  if (!content && content.error().code() == ErrorCode::kNotFound) return std::optional<IndexManifest>();
  if (!content) return std::move(content).error();
  ByteReader outer(*content, "index manifest");
  HOLDFAST_ASSIGN(const ByteView magic, outer.raw(8));
  if (as_text(magic) != index_layout::kMagic) return outer.corrupt("another magic");
  HOLDFAST_ASSIGN(const std::uint16_t version, outer.u16());
  if (version != index_layout::kVersion) {
    return Error(ErrorCode::kUnsupported, "the chunk index has version " + std::to_string(version) + "; this program reads 1");
  }
  HOLDFAST_ASSIGN(const Bytes plain, open_box(folder.key.view(), ByteView(*content).first(10), outer.rest()));
  ByteReader reader(plain, "index manifest");
  IndexManifest manifest;
  HOLDFAST_ASSIGN(manifest.position, reader.u64());
  HOLDFAST_ASSIGN(manifest.next_segment, reader.u64());
  HOLDFAST_ASSIGN(const std::uint32_t count, reader.u32());
  if (count > kManifestSegmentsMax) return reader.corrupt("too many segments");
  for (std::uint32_t i = 0; i < count; ++i) {
    Item item;
    HOLDFAST_ASSIGN(item.segment, reader.u64());
    HOLDFAST_ASSIGN(item.id_count, reader.u64());
    HOLDFAST_ASSIGN(item.fp_count, reader.u64());
    manifest.segments.push_back(item);
  }
  HOLDFAST_TRY(reader.expect_end());
  return std::optional<IndexManifest>(std::move(manifest));
}

Status IndexManifest::write(const IndexFolder& folder) const {
  Bytes plain;
  ByteWriter writer(plain);
  writer.u64(position).u64(next_segment).u32(static_cast<std::uint32_t>(segments.size()));
  for (const auto& item : segments) writer.u64(item.segment).u64(item.id_count).u64(item.fp_count);
  Bytes content;
  ByteWriter(content).raw(as_bytes(index_layout::kMagic)).u16(index_layout::kVersion);
  HOLDFAST_ASSIGN(const Bytes box, seal_box(folder.key.view(), content, plain, *folder.random));
  append(content, box);
  return cache::replace_file(folder.path, std::string(kName), content);
}

}  // namespace holdfast
