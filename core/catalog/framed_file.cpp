// SPDX-License-Identifier: Apache-2.0
#include "core/catalog/framed_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "core/base/errno_code.h"
#include "core/format/byte_reader.h"
#include "core/format/byte_writer.h"

namespace holdfast {
namespace {

constexpr std::size_t kFrameHeadBytes = 12;
constexpr std::size_t kFrameMaxBytes = 16U << 20;       // far above any log entry: a larger size is damage
constexpr std::uint64_t kScanBudgetBytes = 16ULL << 30;  // some seconds of hashing

Error file_error(std::string_view doing, const std::string& path) {
  const int code = errno;
  const auto kind = code == ENOENT ? ErrorCode::kNotFound : code_of_errno(code);
  return Error(kind, std::string(doing) + " " + path + ": " + std::strerror(code));
}

Status write_all(int descriptor, ByteView bytes, std::uint64_t offset, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(descriptor, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return file_error("writing", path);
    offset += static_cast<std::uint64_t>(written);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return ok_status();
}

Result<Bytes> read_at(int descriptor, std::uint64_t offset, std::uint64_t size, const std::string& path) {
  Bytes out(size);
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = ::pread(descriptor, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error("reading", path);
    if (got == 0) return Error(ErrorCode::kCorrupt, path + " is shorter than it was");
    done += static_cast<std::size_t>(got);
  }
  return out;
}

/// The payload of the frame at the front of `bytes`, or nothing when there is no intact one.
std::optional<ByteView> frame_at(ByteView bytes) {
  if (bytes.size() < kFrameHeadBytes) return std::nullopt;
  const std::size_t size = load_le<std::uint32_t>(bytes);
  if (size > kFrameMaxBytes || size > bytes.size() - kFrameHeadBytes) return std::nullopt;
  const ByteView payload = bytes.subspan(kFrameHeadBytes, size);
  if (XXH3_64bits(payload.data(), payload.size()) != load_le<std::uint64_t>(bytes.subspan(4))) return std::nullopt;
  return payload;
}

/// Looks for the first intact frame at or after `offset`, at every offset, since damage may hide how long frames are. `budget` bounds the bytes that are hashed for frames
/// that are none: at the size of a frame, random bytes say one of up to 16 MiB every 256 bytes.
std::optional<std::size_t> find_frame(ByteView bytes, std::size_t offset, std::uint64_t& budget) {
  for (; offset + kFrameHeadBytes <= bytes.size(); ++offset) {
    const ByteView rest = bytes.subspan(offset);
    const std::size_t size = load_le<std::uint32_t>(rest);
    if (size > kFrameMaxBytes || size > rest.size() - kFrameHeadBytes) continue;
    if (frame_at(rest)) return offset;
    if (budget < size) {
      budget = 0;
      return std::nullopt;
    }
    budget -= size;
  }
  return std::nullopt;
}

/// Whether an intact frame stands behind the damaged one at `offset`: then it is no torn end. Where that can't be found out it is none either.
bool has_frame_behind(ByteView bytes, std::size_t offset) {
  std::uint64_t budget = kScanBudgetBytes;
  return find_frame(bytes, offset + 1, budget).has_value() || budget == 0;
}

}  // namespace

Result<std::unique_ptr<FramedFile>> FramedFile::open(std::string path, ByteView header, const Visitor& visit) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) return file_error("opening", path);
  std::unique_ptr<FramedFile> file(new FramedFile(std::move(path), descriptor));
  HOLDFAST_TRY(file->load(header, visit));
  return file;
}

FramedFile::~FramedFile() { ::close(descriptor_); }

Status FramedFile::load(ByteView header, const Visitor& visit) {
  struct stat info {};
  if (::fstat(descriptor_, &info) != 0) return file_error("looking at", path_);
  HOLDFAST_ASSIGN(const Bytes bytes, read_at(descriptor_, 0, static_cast<std::uint64_t>(info.st_size), path_));
  if (bytes.size() < header.size()) {
    // New, or torn while it was made: nothing in it was promised to anybody.
    if (::ftruncate(descriptor_, 0) != 0) return file_error("emptying", path_);
    HOLDFAST_TRY(write_all(descriptor_, header, 0, path_));
    if (::fdatasync(descriptor_) != 0) return file_error("syncing", path_);
    end_ = header.size();
    return sync_directory(parent_directory(path_));
  }
  if (!std::equal(header.begin(), header.end(), bytes.begin())) {
    return Error(ErrorCode::kCorrupt, path_ + " is of another log");
  }
  std::size_t offset = header.size();
  while (offset < bytes.size()) {
    const auto payload = frame_at(ByteView(bytes).subspan(offset));
    if (!payload) {
      if (has_frame_behind(bytes, offset)) {
        return Error(ErrorCode::kCorrupt, path_ + " is damaged at offset " + std::to_string(offset));
      }
      if (::ftruncate(descriptor_, static_cast<off_t>(offset)) != 0) return file_error("cutting", path_);
      if (::fdatasync(descriptor_) != 0) return file_error("syncing", path_);
      break;
    }
    HOLDFAST_TRY(visit(offsets_.size(), *payload));
    offsets_.push_back(offset);
    offset += kFrameHeadBytes + payload->size();
  }
  end_ = offset;
  return ok_status();
}

Result<std::vector<Bytes>> FramedFile::salvage(const std::string& path, std::size_t header_size) {
  HOLDFAST_ASSIGN(const Bytes bytes, read_whole_file(path, UINT64_MAX));
  std::vector<Bytes> out;
  std::uint64_t budget = kScanBudgetBytes;
  std::size_t offset = header_size;
  while (const auto found = find_frame(bytes, offset, budget)) {
    const auto payload = frame_at(ByteView(bytes).subspan(*found));
    out.emplace_back(payload->begin(), payload->end());
    offset = *found + kFrameHeadBytes + payload->size();
  }
  return out;
}

Status FramedFile::append(const std::vector<Bytes>& payloads) {
  if (payloads.empty()) return ok_status();
  const std::lock_guard lock(mutex_);
  if (broken_) return Error(ErrorCode::kInternal, path_ + " failed earlier; open the repository again");
  Bytes out;
  std::vector<std::uint64_t> offsets;
  for (const auto& payload : payloads) {
    offsets.push_back(end_ + out.size());
    ByteWriter(out).u32(static_cast<std::uint32_t>(payload.size())).u64(XXH3_64bits(payload.data(), payload.size()));
    holdfast::append(out, payload);
  }
  auto status = write_all(descriptor_, out, end_, path_);
  if (!status) {
    // Nothing of it may be found later: it was not promised.
    if (::ftruncate(descriptor_, static_cast<off_t>(end_)) != 0) broken_ = true;
    return status;
  }
  if (::fdatasync(descriptor_) != 0) {
    broken_ = true;
    return file_error("syncing", path_);
  }
  end_ += out.size();
  offsets_.insert(offsets_.end(), offsets.begin(), offsets.end());
  return ok_status();
}

Result<std::vector<Bytes>> FramedFile::read(std::uint64_t first, std::uint64_t count) const {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  {
    const std::lock_guard lock(mutex_);
    if (first > offsets_.size() || count > offsets_.size() - first) return Error(ErrorCode::kOutOfRange, path_ + " has no such entries");
    if (count == 0) return std::vector<Bytes>();
    begin = offsets_[first];
    end = first + count < offsets_.size() ? offsets_[first + count] : end_;
  }
  HOLDFAST_ASSIGN(const Bytes bytes, read_at(descriptor_, begin, end - begin, path_));
  std::vector<Bytes> out;
  out.reserve(count);
  std::size_t offset = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto payload = frame_at(ByteView(bytes).subspan(offset));
    if (!payload) return Error(ErrorCode::kCorrupt, path_ + " is damaged at offset " + std::to_string(begin + offset));
    out.emplace_back(payload->begin(), payload->end());
    offset += kFrameHeadBytes + payload->size();
  }
  return out;
}

std::uint64_t FramedFile::count() const {
  const std::lock_guard lock(mutex_);
  return offsets_.size();
}

std::string parent_directory(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status sync_directory(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return file_error("opening", path);
  const int result = ::fsync(descriptor);
  const auto error = file_error("syncing", path);
  ::close(descriptor);
  if (result != 0) return error;
  return ok_status();
}

Status replace_file(const std::string& path, ByteView bytes) {
  const std::string temporary = path + ".new";
  const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) return file_error("making", temporary);
  auto status = write_all(descriptor, bytes, 0, temporary);
  if (status && ::fsync(descriptor) != 0) status = file_error("syncing", temporary);
  ::close(descriptor);
  HOLDFAST_TRY(std::move(status));
  if (::rename(temporary.c_str(), path.c_str()) != 0) return file_error("renaming", temporary);
  return sync_directory(parent_directory(path));
}

Result<Bytes> read_whole_file(const std::string& path, std::uint64_t size_max) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return file_error("opening", path);
  struct stat info {};
  Result<Bytes> bytes = Error(ErrorCode::kInternal, "looking at " + path);
  if (::fstat(descriptor, &info) == 0) {
    const auto size = static_cast<std::uint64_t>(info.st_size);
    bytes = size > size_max ? Result<Bytes>(Error(ErrorCode::kCorrupt, path + " is larger than it can be"))
                            : read_at(descriptor, 0, size, path);
  }
  ::close(descriptor);
  return bytes;
}

}  // namespace holdfast
