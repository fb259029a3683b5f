// SPDX-License-Identifier: Apache-2.0
#include "fs/dir_stream.h"

namespace holdfast::fs {

namespace {
/// Bytes of an entry in a READDIR(PLUS) answer for a name of usual length, to guess how many to fetch (struct fuse_dirent and fuse_direntplus, linux/fuse.h).
constexpr std::size_t kPlainEntryBytes = 40;
constexpr std::size_t kPlusEntryBytes = 176;
constexpr std::size_t kFetchMax = 2048;

std::size_t put_item(fuse_req_t request, Bytes& out, std::size_t used, const DirItem& item, std::uint64_t next, bool plus) {
  char* at = reinterpret_cast<char*>(out.data()) + used;
  const std::size_t room = out.size() - used;
  const auto offset = static_cast<off_t>(next);
  return plus ? fuse_add_direntry_plus(request, at, room, item.name.c_str(), &item.entry, offset)
              : fuse_add_direntry(request, at, room, item.name.c_str(), &item.entry.attr, offset);
}
}  // namespace

DirStream::~DirStream() { drop_ready(); }

void DirStream::drop_ready() {
  for (const DirItem& item : ready_) {
    if (item.counted) uncount_(item);
  }
  ready_.clear();
}

Status DirStream::refill(std::size_t count, bool plus, const CallContext& context) {
  HOLDFAST_ASSIGN(auto items, fetch_(last_, count, plus, context));
  at_end_ = items.size() < count;
  if (!items.empty()) last_ = items.back().name;
  ready_plus_ = plus;
  for (DirItem& item : items) ready_.push_back(std::move(item));
  return ok_status();
}

Status DirStream::move_to(std::uint64_t position, const CallContext& context) {
  if (position == position_) return ok_status();
  drop_ready();
  auto start = starts_.upper_bound(position);
  --start;  // there is always one at 2
  position_ = start->first;
  before_ = start->second;
  last_ = before_;
  at_end_ = false;
  while (position_ < position) {
    if (ready_.empty() && at_end_) {
      position_ = position;
      break;
    }
    if (ready_.empty()) {
      HOLDFAST_TRY(refill(std::min<std::size_t>(kFetchMax, position - position_), false, context));
      continue;
    }
    before_ = std::move(ready_.front().name);
    if (ready_.front().counted) uncount_(ready_.front());
    ready_.pop_front();
    ++position_;
  }
  return ok_status();
}

bool DirStream::add_dots(Bytes& out, std::size_t size, std::uint64_t& offset, bool plus, fuse_req_t request) const {
  std::size_t used = 0;
  for (; offset < 2; ++offset) {
    DirItem dot;  // not counted: the kernel never looks up the dots of a READDIRPLUS
    dot.name = offset == 0 ? "." : "..";
    dot.entry.attr.st_ino = offset == 0 ? own_ino_ : parent_ino_;
    dot.entry.attr.st_mode = S_IFDIR;
    out.resize(size);
    const std::size_t need = put_item(request, out, used, dot, offset + 1, plus);
    if (need > size - used) break;
    used += need;
  }
  out.resize(used);
  return offset >= 2;
}

void DirStream::read(Request request, std::size_t size, std::uint64_t offset, bool plus, std::string_view subject) {
  const CallContext context = request.context();
  std::unique_lock lock(mutex_);
  Bytes out;
  std::vector<DirItem> given;
  std::uint64_t position = offset;
  bool go_on = position >= 2 || add_dots(out, size, position, plus, request.raw());
  Status status = go_on ? move_to(position, context) : ok_status();
  std::size_t used = out.size();
  out.resize(size);
  while (status && go_on) {
    if (!ready_.empty() && plus && !ready_plus_) {  // fetched for a plain listing: again, with attributes
      drop_ready();
      last_ = before_;
      at_end_ = false;
    }
    if (ready_.empty()) {
      if (at_end_) break;
      const std::size_t each = plus ? kPlusEntryBytes : kPlainEntryBytes;
      status = refill(std::min(kFetchMax, (size - used) / each + 1), plus, context);
      continue;
    }
    const std::size_t need = put_item(request.raw(), out, used, ready_.front(), position_ + 1, plus);
    if (need > size - used) break;
    used += need;
    before_ = ready_.front().name;
    given.push_back(std::move(ready_.front()));
    ready_.pop_front();
    ++position_;
  }
  if (!given.empty()) starts_[position_] = before_;
  lock.unlock();
  if (!status && used == 0) {
    for (const DirItem& item : given) {
      if (item.counted) uncount_(item);
    }
    request.fail(status.error(), subject);
    return;
  }
  const bool taken = request.bytes(ByteView(out).first(used));
  for (const DirItem& item : given) {
    // A plain listing hands out no node ids, whatever was fetched.
    if (item.counted && (!taken || !plus)) uncount_(item);
  }
}

}  // namespace holdfast::fs
