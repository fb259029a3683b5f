// SPDX-License-Identifier: Apache-2.0
#include "cache/clean_mark.h"

#include <xxhash.h>

#include <algorithm>
#include <memory>

#include "cache/file_io.h"
#include "core/format/byte_writer.h"

namespace holdfast {

using cache::File;
using cache::read_file;
using cache::remove_file;
using cache::replace_file;
using cache::sync_folder;
namespace {

constexpr std::string_view kMarkName = "clean";
constexpr std::string_view kMagic = "HFCLEAN1";
constexpr std::size_t kMarkBytes = 8 + 8 + 16 + 8;
constexpr std::size_t kReadBytes = 1U << 20U;

Result<Bytes> mark_of(const File& file) {
  HOLDFAST_ASSIGN(const std::uint64_t size, file.size_bytes());
  const std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state(XXH3_createState(), XXH3_freeState);
  if (!state) return Error(ErrorCode::kInternal, "no memory for a digest");
  XXH3_128bits_reset(state.get());
  Bytes buffer(kReadBytes);
  for (std::uint64_t at = 0; at < size;) {
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), size - at));
    HOLDFAST_TRY(file.read_at(at, MutableByteView(buffer).first(part)));
    XXH3_128bits_update(state.get(), buffer.data(), part);
    at += part;
  }
  XXH128_canonical_t digest{};
  XXH128_canonicalFromHash(&digest, XXH3_128bits_digest(state.get()));
  Bytes mark;
  ByteWriter writer(mark);
  writer.raw(as_bytes(kMagic)).u64(size).raw(digest.digest);
  writer.u64(XXH3_64bits(mark.data(), mark.size()));
  return mark;
}

}  // namespace

Status write_clean_mark(const std::string& folder, const std::string& name) {
  HOLDFAST_ASSIGN(File file, File::open(folder + "/" + name, File::Mode::kReadWrite));
  HOLDFAST_TRY(file.sync());
  HOLDFAST_ASSIGN(const Bytes mark, mark_of(file));
  return replace_file(folder, std::string(kMarkName), mark);
}

Result<bool> check_clean_mark(const std::string& folder, const std::string& name, std::uint64_t size_max_bytes) {
  auto mark = read_file(folder + "/" + std::string(kMarkName), kMarkBytes);
  if (!mark && mark.error().code() == ErrorCode::kNotFound) return false;
  if (!mark && mark.error().code() != ErrorCode::kOutOfRange) return std::move(mark).error();
  const std::string path = folder + "/" + name;
  auto file = File::open(path, File::Mode::kRead);
  if (!file && file.error().code() != ErrorCode::kNotFound) return std::move(file).error();
  if (!mark || !file) return Error(ErrorCode::kCorrupt, path + " and its mark don't belong together");
  HOLDFAST_ASSIGN(const std::uint64_t size, file->size_bytes());
  if (size > size_max_bytes) return Error(ErrorCode::kOutOfRange, path + " is larger than it may be");
  HOLDFAST_ASSIGN(const Bytes expected, mark_of(*file));
  if (*mark != expected) return Error(ErrorCode::kCorrupt, path + " is not what was left when it was closed");
  return true;
}

Status remove_clean_mark(const std::string& folder) {
  HOLDFAST_TRY(remove_file(folder + "/" + std::string(kMarkName)));
  return sync_folder(folder);
}

}  // namespace holdfast
