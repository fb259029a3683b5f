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
  static KernelChannel& channel(void* user_data) noexcept { return static_cast<Mount*>(user_data)->channel; }

  static ssize_t read(int descriptor, void* buffer, std::size_t size, void* user_data) {
    const ssize_t got = ::read(descriptor, buffer, size);
    fuse_in_header header{};
    if (got < static_cast<ssize_t>(sizeof header)) return got;
    std::memcpy(&header, buffer, sizeof header);
    const auto* bytes = static_cast<const char*>(buffer);
    const auto length = static_cast<std::size_t>(got);
    raw_request.opcode = header.opcode;
    raw_request.kill_suidgid = asks_to_kill_suidgid(header.opcode, bytes, length);
    if (header.opcode == FUSE_INIT && length >= sizeof header + 16) {
      std::uint32_t flags = 0;  // the fourth number of fuse_init_in; older kernels send no more than these four
      std::memcpy(&flags, bytes + sizeof header + 12, sizeof flags);
      channel(user_data).offered_ = (flags & FUSE_HANDLE_KILLPRIV_V2) != 0;
    }
    return got;
  }

  static ssize_t writev(int descriptor, iovec* pieces, int count, void* user_data) {
    KernelChannel& self = channel(user_data);
    // The answer to INIT is a header and fuse_init_out, of which flags is the fourth number.
    if (raw_request.opcode == FUSE_INIT && count >= 2 && pieces[1].iov_len >= 16 && self.offered_) {
      char* reply = static_cast<char*>(pieces[1].iov_base);
      std::uint32_t flags = 0;
      std::memcpy(&flags, reply + 12, sizeof flags);
      flags |= FUSE_HANDLE_KILLPRIV_V2;
      std::memcpy(reply + 12, &flags, sizeof flags);
      self.killpriv_ = true;
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
