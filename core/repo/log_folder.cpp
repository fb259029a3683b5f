// SPDX-License-Identifier: Apache-2.0
#include "core/repo/log_folder.h"

#include <filesystem>
#include <fstream>

#include "core/base/errno_code.h"
#include "core/format/prelude.h"

namespace holdfast {
namespace {

constexpr std::size_t kLogHeaderBytes = kPreludeBytes + RepositoryId::size + WriterId::size + IncarnationId::size;

Bytes first_bytes(const std::filesystem::path& path, std::size_t size) {
  Bytes out(size);
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(size));
  out.resize(static_cast<std::size_t>(file.gcount()));
  return out;
}

}  // namespace

Result<LogFolder> scan_log_folder(const std::string& directory) {
  LogFolder out;
  std::error_code failed;
  for (const auto& item : std::filesystem::directory_iterator(directory, failed)) {
    if (item.path().extension() == ".hfk") {
      const auto id = from_hex(item.path().stem().string());
      if (!id) continue;
      const auto writer = WriterId::from(*id);
      if (writer) out.key_writers.push_back(*writer);
      continue;
    }
    if (item.path().extension() != ".hfl") continue;
    const Bytes header = first_bytes(item.path(), kLogHeaderBytes);
    if (header.size() < kLogHeaderBytes) continue;  // torn while it was made: opened again by whoever needs it
    const ByteView ids = ByteView(header).subspan(kPreludeBytes);
    LogIdentity log;
    HOLDFAST_ASSIGN(log.repository, RepositoryId::from(ids.first(RepositoryId::size)));
    HOLDFAST_ASSIGN(log.writer, WriterId::from(ids.subspan(RepositoryId::size, WriterId::size)));
    HOLDFAST_ASSIGN(log.incarnation, IncarnationId::from(ids.last(IncarnationId::size)));
    out.logs.push_back(log);
  }
  if (failed) return Error(code_of_errno(failed.value()), "listing " + directory + ": " + failed.message());
  return out;
}

}  // namespace holdfast
