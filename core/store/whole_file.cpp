// SPDX-License-Identifier: Apache-2.0
#include "core/store/whole_file.h"

#include <filesystem>
#include <fstream>

#include "core/base/clock.h"

namespace holdfast {

Result<Bytes> read_whole_file(const std::string& path, std::uint64_t size_max_bytes, const CallContext& context) {
  constexpr std::size_t kStepBytes = 4U << 20;  // between two looks at the context
  std::error_code failed;
  const std::filesystem::file_status status = std::filesystem::status(path, failed);
  if (status.type() == std::filesystem::file_type::not_found) return Error(ErrorCode::kNotFound, "reading " + path + ": no such file");
  if (status.type() != std::filesystem::file_type::regular) {
    return Error(ErrorCode::kInvalidArgument, "reading " + path + ": not a regular file");
  }
  const std::uintmax_t size_bytes = std::filesystem::file_size(path, failed);
  if (failed) return Error(ErrorCode::kPermissionDenied, "reading " + path + ": " + failed.message());
  if (size_max_bytes != 0 && size_bytes > size_max_bytes) {
    return Error(ErrorCode::kInvalidArgument, "reading " + path + ": " + std::to_string(size_bytes) +
                                                  " bytes, more than the " + std::to_string(size_max_bytes) +
                                                  " allowed");
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error(ErrorCode::kPermissionDenied, "opening " + path + " failed");
  Bytes bytes(static_cast<std::size_t>(size_bytes));
  for (std::size_t done = 0; done < bytes.size();) {
    HOLDFAST_TRY(check_context(context, system_clock(), "reading " + path));
    const std::size_t step = std::min(kStepBytes, bytes.size() - done);
    file.read(reinterpret_cast<char*>(bytes.data() + done), static_cast<std::streamsize>(step));
    if (static_cast<std::size_t>(file.gcount()) != step) {
      return Error(ErrorCode::kCorrupt, "reading " + path + ": it ended or failed after " +
                                            std::to_string(done + static_cast<std::size_t>(file.gcount())) + " of " +
                                            std::to_string(size_bytes) + " bytes");
    }
    done += step;
  }
  return bytes;
}

}  // namespace holdfast
