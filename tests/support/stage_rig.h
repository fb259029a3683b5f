// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <vector>

#include "core/chunk/chunk_codec.h"
#include "core/crypto/hash.h"
#include "core/index/memory_chunk_index.h"
#include "core/stage/stage.h"
#include "tests/support/seeded_random.h"
#include "tests/support/temporary_folder.h"

namespace holdfast::testing {

inline Bytes file_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(in), {});
}
inline void write_file(const std::string& path, ByteView bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  const std::string_view text = as_text(bytes);
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
}

/// A sealed chunk of random content, ready to be appended.
struct MadeRecord {
  ChunkRef ref;
  Bytes record;
  Bytes plain;
};

/// A stage over a folder, with the part of the journal played by a list of committed records.
struct StageRig {
  explicit StageRig(std::uint64_t seed = 1) : random(seed), encoder(random), index(make_memory_chunk_index()) {}

  TemporaryFolder folder;
  SeededRandom random;
  ChunkEncoder encoder;
  std::unique_ptr<ChunkIndex> index;
  std::unique_ptr<Stage> stage;
  std::vector<Bytes> journal;
  StageOptions options;  // keys are filled in by open
  Bytes maintenance_key = Bytes(32, 0x11);

  Result<Stage::ReplayReport> open() {
    StageOptions own;
    own.state_directory = folder.path();
    own.limit_bytes = options.limit_bytes;
    own.pack_target_bytes = options.pack_target_bytes;
    own.at_step = options.at_step;
    own.maintenance_key = SecretBytes::copy_of(maintenance_key);
    own.table_key = SecretBytes::copy_of(Bytes(32, 0x22));
    stage.reset();
    HOLDFAST_ASSIGN(stage, Stage::open(std::move(own), *index, random));
    for (const Bytes& record : journal) HOLDFAST_TRY(stage->replay(record));
    return stage->finish_replay();
  }
  /// As after kill -9 (the index survives) or a power loss (it does not).
  Result<Stage::ReplayReport> restart(bool index_survives) {
    stage.reset();
    if (!index_survives) index = make_memory_chunk_index();
    return open();
  }
  Status commit() {
    HOLDFAST_ASSIGN(std::vector<Bytes> records, stage->prepare());
    for (Bytes& record : records) journal.push_back(std::move(record));
    return ok_status();
  }
  MadeRecord make(std::size_t plain_bytes = 1000, ChunkKind kind = ChunkKind::kData) {
    MadeRecord made;
    made.plain = random.bytes(plain_bytes);
    Fingerprint fp;
    EXPECT_TRUE(random.fill(fp.mutable_view()).has_value());
    Result<EncodedChunk> encoded = encoder.encode(kind, made.plain, fp, {});
    HOLDFAST_CHECK(encoded.has_value());
    made.ref = encoded->ref;
    made.record = std::move(encoded->record);
    return made;
  }
  Result<ChunkLocation> append(const MadeRecord& made, std::uint32_t domain = 7) {
    NewRecord record;
    record.domain = domain;
    record.ref = made.ref;
    record.record = made.record;
    return stage->append(record);
  }
  /// Where it is now, in the stage or the index.
  std::optional<ChunkLocation> locate(const ChunkId& id) {
    if (const auto pending = stage->find(id)) return pending;
    return index->find(id).value();
  }
  /// Its bytes from staging; empty when it is not there.
  Bytes staged_bytes(const ChunkId& id) {
    const auto at = locate(id);
    if (!at) return {};
    Result<std::optional<Bytes>> bytes = stage->read(*at);
    return bytes && *bytes ? **bytes : Bytes();
  }
  std::string packs() const { return folder / "packs"; }
  std::vector<std::string> files(const std::string& extension) const {
    std::vector<std::string> paths;
    for (const auto& item : std::filesystem::directory_iterator(packs())) {
      if (item.path().extension() == extension) paths.push_back(item.path().string());
    }
    std::sort(paths.begin(), paths.end());
    return paths;
  }
};

}  // namespace holdfast::testing
