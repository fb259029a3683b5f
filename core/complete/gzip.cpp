// SPDX-License-Identifier: Apache-2.0
#include <zlib.h>

#include "core/complete/checks.h"

namespace holdfast {
namespace {

constexpr int kGzipOnly = 16 + MAX_WBITS;  // zlib.h, inflateInit2: header and trailer of gzip, both checked
constexpr std::size_t kOutBytes = 256 * 1024;

/// zlib's state, let go in any case. One thread.
class Inflater {
 public:
  Inflater() = default;
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() {
    if (ready_) inflateEnd(&stream_);
  }
  Status start() {
    const int code = ready_ ? inflateReset(&stream_) : inflateInit2(&stream_, kGzipOnly);
    if (code != Z_OK) return Error(ErrorCode::kInternal, "zlib did not start: code " + std::to_string(code));
    ready_ = true;
    return ok_status();
  }
  z_stream& stream() { return stream_; }

 private:
  z_stream stream_{};
  bool ready_ = false;
};

/// One member, from the reader's place to its end. `rest` is what was read and not used.
Status inflate_member(DumpReader& in, Inflater& inflater, ByteView& rest, Bytes& out, StreamEnds& ends) {
  HOLDFAST_TRY(inflater.start());
  z_stream& stream = inflater.stream();
  for (int code = Z_OK; code != Z_STREAM_END;) {
    if (rest.empty()) {
      HOLDFAST_ASSIGN(rest, in.take_some());
      if (rest.empty()) return cut_off("the file ends at byte " + std::to_string(in.size()) + " within a member");
    }
    stream.next_in = const_cast<Bytef*>(rest.data());  // NOLINT: zlib takes no const, and does not write
    stream.avail_in = static_cast<uInt>(rest.size());
    stream.next_out = out.data();
    stream.avail_out = static_cast<uInt>(out.size());
    code = inflate(&stream, Z_NO_FLUSH);
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
      return cut_off("damaged before byte " + std::to_string(in.offset()) + (stream.msg != nullptr ? std::string(": ") + stream.msg : ""));
    }
    ends.add(ByteView(out).first(out.size() - stream.avail_out));
    rest = rest.last(stream.avail_in);
  }
  return ok_status();
}

/// After the last member only zeros may follow, with which tapes and block devices are filled up.
Result<bool> only_zeros_left(DumpReader& in, ByteView& rest) {
  while (true) {
    for (std::size_t i = 0; i < rest.size(); ++i) {
      if (rest[i] == 0) continue;
      rest = rest.subspan(i);
      return false;
    }
    HOLDFAST_ASSIGN(rest, in.take_some());
    if (rest.empty()) return true;
  }
}

}  // namespace

Status check_gzip(RandomBytes& bytes, StreamEnds& ends) {
  DumpReader in(bytes);
  Inflater inflater;
  ByteView rest;
  Bytes out(kOutBytes);
  while (true) {
    HOLDFAST_TRY(inflate_member(in, inflater, rest, out, ends));
    if (rest.empty()) {
      HOLDFAST_ASSIGN(rest, in.take_some());
      if (rest.empty()) return ok_status();
    }
    if (rest[0] != 0) continue;  // the next member; what is none fails there
    HOLDFAST_ASSIGN(const bool ended, only_zeros_left(in, rest));
    return ended ? ok_status() : Status(cut_off("other bytes after the last member"));
  }
}

}  // namespace holdfast
