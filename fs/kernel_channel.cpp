// SPDX-License-Identifier: Apache-2.0
#include "fs/kernel_channel.h"

#include <fuse_lowlevel.h>
#include <linux/fuse.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstring>

#include "fs/mount.h"

namespace holdfast::fs {

namespace {

thread_local RawRequest raw_request;

/// The fixed part of a request's arguments, as far as the buffer holds it.
template <typename Arguments>
bool read_arguments(const char* buffer, std::size_t size, Arguments& arguments) noexcept {
  if (size < sizeof(fuse_in_header) + sizeof(Arguments)) return false;
  std::memcpy(&arguments, buffer + sizeof(fuse_in_header), sizeof(Arguments));
  return true;
}

bool asks_to_kill_suidgid(std::uint32_t opcode, const char* buffer, std::size_t size) noexcept {
  if (opcode == FUSE_WRITE) {
    fuse_write_in write{};
    return read_arguments(buffer, size, write) && (write.write_flags & FUSE_WRITE_KILL_SUIDGID) != 0;
  }
  if (opcode == FUSE_SETATTR) {
    fuse_setattr_in setattr{};
    return read_arguments(buffer, size, setattr) && (setattr.valid & FATTR_KILL_SUIDGID) != 0;
  }
  if (opcode == FUSE_OPEN) {
    fuse_open_in open{};
    return read_arguments(buffer, size, open) && (open.open_flags & FUSE_OPEN_KILL_SUIDGID) != 0;
  }
  if (opcode == FUSE_CREATE) {
    fuse_create_in create{};
    return read_arguments(buffer, size, create) && (create.open_flags & FUSE_OPEN_KILL_SUIDGID) != 0;
  }
  return false;
}

}  // namespace

struct ChannelCalls {
  // Numbers of fuse_init_in and fuse_init_out (linux/fuse.h). Older kernels send no more than the first four.
  static constexpr std::size_t kFlagsAt = 12;
  static constexpr std::size_t kOfferedFlags2At = 16;
  static constexpr std::size_t kWantedFlags2At = 32;
  /// FUSE_DIRECT_IO_ALLOW_MMAP, bit 36 of all flags (linux/fuse.h of protocol 7.39; Debian 12 has an older one).
  static constexpr std::uint32_t kDirectMmapFlag2 = 1U << 4;

  static KernelChannel& channel(void* user_data) noexcept { return static_cast<Mount*>(user_data)->channel; }
  static std::uint32_t number_at(const char* bytes, std::size_t at) noexcept {
    std::uint32_t number = 0;
    std::memcpy(&number, bytes + at, sizeof number);
    return number;
  }
  static void add_bits(char* bytes, std::size_t at, std::uint32_t bits) noexcept {
    const std::uint32_t number = number_at(bytes, at) | bits;
    std::memcpy(bytes + at, &number, sizeof number);
  }

  static void note_offers(KernelChannel& self, const char* init, std::size_t length) noexcept {
    if (length < kFlagsAt + 4) return;
    const std::uint32_t flags = number_at(init, kFlagsAt);
    self.offers_killpriv_ = (flags & FUSE_HANDLE_KILLPRIV_V2) != 0;
    const bool has_more = (flags & FUSE_INIT_EXT) != 0 && length >= kOfferedFlags2At + 4;
    self.offers_direct_mmap_ = has_more && (number_at(init, kOfferedFlags2At) & kDirectMmapFlag2) != 0;
  }

  static void add_wishes(KernelChannel& self, char* reply, std::size_t length) noexcept {
    if (self.offers_killpriv_ && length >= kFlagsAt + 4) {
      add_bits(reply, kFlagsAt, FUSE_HANDLE_KILLPRIV_V2);
      self.killpriv_ = true;
    }
    if (self.offers_direct_mmap_ && self.wants_direct_mmap_ && length >= kWantedFlags2At + 4) {
      add_bits(reply, kFlagsAt, FUSE_INIT_EXT);
      add_bits(reply, kWantedFlags2At, kDirectMmapFlag2);
    }
  }

  static ssize_t read(int descriptor, void* buffer, std::size_t size, void* user_data) {
    const ssize_t got = ::read(descriptor, buffer, size);
    fuse_in_header header{};
    if (got < static_cast<ssize_t>(sizeof header)) return got;
    std::memcpy(&header, buffer, sizeof header);
    const auto* bytes = static_cast<const char*>(buffer);
    const auto length = static_cast<std::size_t>(got);
    raw_request.opcode = header.opcode;
    raw_request.kill_suidgid = asks_to_kill_suidgid(header.opcode, bytes, length);
    if (header.opcode == FUSE_INIT) note_offers(channel(user_data), bytes + sizeof header, length - sizeof header);
    return got;
  }

  static ssize_t writev(int descriptor, iovec* pieces, int count, void* user_data) {
    // The answer to INIT is a header and fuse_init_out.
    if (raw_request.opcode == FUSE_INIT && count >= 2) {
      add_wishes(channel(user_data), static_cast<char*>(pieces[1].iov_base), pieces[1].iov_len);
    }
    return ::writev(descriptor, pieces, count);
  }
};

bool KernelChannel::attach(fuse_session* session) {
  fuse_custom_io io{};
  io.read = &ChannelCalls::read;
  io.writev = &ChannelCalls::writev;
  return fuse_session_custom_io(session, &io, fuse_session_fd(session)) == 0;
}

const RawRequest& KernelChannel::current() noexcept { return raw_request; }

}  // namespace holdfast::fs
