// SPDX-License-Identifier: Apache-2.0
// Putting and removing: on the node, then at the services that pin.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "adapters/ipfs/ipfs_names.h"
#include "adapters/ipfs/ipfs_store.h"
#include "adapters/ipfs/unixfs_dag.h"
#include "core/base/clock.h"
#include "core/base/log.h"

namespace holdfast {

namespace {

constexpr std::size_t kBlocksPerRemoval = 50;  // CIDs in one query string
constexpr std::uint64_t kErrorTextMaxBytes = 64U << 10;

Status check_locator(const std::string& locator) {
  if (ipfs::is_cid(locator)) return ok_status();
  return Error(ErrorCode::kInvalidArgument, "a locator on IPFS is a CIDv1 in base 32 of a SHA-256");
}

/// The CIDs of a file's blocks. Errors: kNotFound, kPermissionDenied, kCorrupt (it ends early), and those of the context.
Result<std::vector<std::string>> blocks_of_file(const std::string& path, std::uint64_t size_bytes, const CallContext& context) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error(ErrorCode::kPermissionDenied, "opening " + path + " failed");
  ipfs::UnixfsDag dag;
  Bytes piece(ipfs::kLeafMaxBytes);
  std::uint64_t done = 0;
  while (done < size_bytes) {
    HOLDFAST_TRY(check_context(context, system_clock(), "reading " + path));
    file.read(reinterpret_cast<char*>(piece.data()), static_cast<std::streamsize>(piece.size()));
    const auto got = static_cast<std::size_t>(file.gcount());
    if (got == 0) break;
    dag.add(ByteView(piece).first(got));
    done += got;
  }
  if (done != size_bytes) return Error(ErrorCode::kCorrupt, "reading " + path + ": it changed, or failed after " + std::to_string(done) + " bytes");
  return dag.finish();
}

}  // namespace

IpfsStore::Content IpfsStore::content_of(ByteView bytes) {
  ipfs::UnixfsDag dag;
  dag.add(bytes);
  return {.part = {.name = "file", .file_name = "object", .content = bytes}, .size_bytes = bytes.size(), .blocks = dag.finish()};
}

Result<bool> IpfsStore::has_block(const std::string& cid, const CallContext& context) {
  const Result<Bytes> stat = call_within(find_timeout_, "block/stat?arg=" + cid + "&offline=true", context);
  if (stat) return true;
  if (stat.error().code() == ErrorCode::kNotFound) return false;
  return stat.error();
}

Status IpfsStore::add(const Content& content, const CallContext& context) {
  HOLDFAST_ASSIGN(const Bytes reply, call("add?cid-version=1&raw-leaves=true&chunker=size-1048576&pin=true&quieter=true&progress=false", context, {content.part}));
  HOLDFAST_ASSIGN(const ipfs::Added added, ipfs::parse_added(reply));
  if (added.cid == content.blocks.back()) return ok_status();
  return Error(ErrorCode::kCorrupt, "ipfs add: the node stored something else than it was given").on_network(traits_.name);
}

Result<bool> IpfsStore::reads_back(const Content& content, const CallContext& context) {
  // A node above the leaves may have rotted and lead to the right bytes all the same; another node would not take it.
  for (const std::string& block : content.blocks) {
    if (!ipfs::is_dag_pb(block)) continue;
    const Result<Bytes> bytes = call_within(find_timeout_, "block/get?arg=" + block + "&offline=true", context);
    if (!bytes && bytes.error().code() != ErrorCode::kNotFound && bytes.error().code() != ErrorCode::kCorrupt) return bytes.error();
    if (!bytes || ipfs::cid_text(ipfs::binary_cid(ipfs::Codec::kDagPb, *bytes)) != block) return false;
  }
  return bytes_read_back(content.blocks.back(), content.size_bytes, context);
}

Result<bool> IpfsStore::bytes_read_back(const std::string& cid, std::uint64_t size_bytes, const CallContext& context) {
  const std::chrono::milliseconds bound = time_for(size_bytes);
  http::Request request{.method = http::Method::kPost, .url = {}, .response_size_max_bytes = size_bytes + kErrorTextMaxBytes};
  request.url = api_ + "/api/v0/cat?arg=" + cid + "&progress=false&offline=true&timeout=" + std::to_string(bound.count()) + "ms";
  ipfs::UnixfsDag seen;
  Bytes error_text;
  const Result<http::Response> reply = transport_->send(
      request,
      [&](const http::Response& head, ByteView piece) {
        if (head.status == 200) {
          seen.add(piece);
        } else if (error_text.size() + piece.size() <= kErrorTextMaxBytes) {
          append(error_text, piece);
        }
        return ok_status();
      },
      with_timeout(context, system_clock(), bound + std::chrono::seconds(1)));
  if (!reply) return within_bound(reply.error(), context);
  if (reply->status == 200) return seen.finish().back() == cid;  // a lost leaf is a short body
  const Error error = ipfs::reply_error(reply->status, "ipfs cat " + cid, error_text).on_network(traits_.name);
  if (error.code() == ErrorCode::kNotFound || error.code() == ErrorCode::kCorrupt) return false;
  return error;
}

Result<ObjectRef> IpfsStore::put_on_node(const Content& content, const CallContext& context) {
  const std::string& cid = content.blocks.back();
  // `add` leaves a block that the node has already as it is, rotten or not. What was never there can't have rotted.
  HOLDFAST_ASSIGN(const bool was_there, has_block(cid, context));
  const Status added = add(content, context);
  const bool is_spoilt = was_there && !added && added.error().code() == ErrorCode::kCorrupt;  // a root that it can't read
  if (!added && !is_spoilt) return added.error();
  if (was_there) {
    Result<bool> is_right = is_spoilt ? Result<bool>(false) : reads_back(content, context);
    if (!is_right) return std::move(is_right).error();
    if (!*is_right) HOLDFAST_TRY(put_anew(content, context));
  }
  return ObjectRef{.locator = cid, .size_bytes = content.size_bytes};
}

Status IpfsStore::put_anew(const Content& content, const CallContext& context) {
  const std::string& cid = content.blocks.back();
  log_warning("network " + traits_.name + ": the node's blocks of " + cid + " are not its bytes: they are dropped and put anew");
  HOLDFAST_TRY(unpin(cid, context));
  drop_blocks(content.blocks, context);
  HOLDFAST_TRY(add(content, context));
  HOLDFAST_ASSIGN(const bool is_mended, reads_back(content, context));
  if (is_mended) return ok_status();
  return Error(ErrorCode::kCorrupt, "the node keeps other bytes than were put under " + cid).on_network(traits_.name);
}

Result<ObjectRef> IpfsStore::put_everywhere(const ObjectName& name, const Content& content, const CallContext& context) {
  HOLDFAST_TRY(check_context(context, system_clock(), "putting " + name));
  if (content.size_bytes == 0 && !services_.empty()) return Error(ErrorCode::kInvalidArgument, "an empty object can't be pinned from afar").on_network(traits_.name);
  HOLDFAST_ASSIGN(ObjectRef ref, put_on_node(content, context));
  {
    const std::lock_guard lock(mutex_);
    last_put_ = ref.locator;
  }
  HOLDFAST_TRY(pin_with_services(name, ref, pin_timeout_ + time_for(ref.size_bytes) - find_timeout_, context));
  return ref;
}

Result<ObjectRef> IpfsStore::put(const ObjectName& name, ByteView object, const CallContext& context) {
  return put_everywhere(name, content_of(object), context);
}

Result<ObjectRef> IpfsStore::put_file(const ObjectName& name, const std::string& path, const CallContext& context) {
  std::error_code failed;
  const std::uintmax_t size_bytes = std::filesystem::file_size(path, failed);
  if (failed) return Error(ErrorCode::kNotFound, "putting " + path + ": " + failed.message());
  Content content{.part = {.name = "file", .file_name = "object", .content = path}, .size_bytes = size_bytes, .blocks = {}};
  HOLDFAST_ASSIGN(content.blocks, blocks_of_file(path, size_bytes, context));
  return put_everywhere(name, content, context);
}

Status IpfsStore::unpin(const std::string& cid, const CallContext& context) {
  const Result<Bytes> reply = call_within(find_timeout_, "pin/rm?arg=" + cid, context);
  if (!reply && ipfs::classify(reply.error().message()) != ipfs::KuboError::kNotPinned) return reply.error();
  return ok_status();
}

/// Best effort: what stays is collected by the node's garbage collection. Blocks that another pin holds are refused by the node.
void IpfsStore::drop_blocks(const std::vector<std::string>& blocks, const CallContext& context) {
  for (std::size_t i = 0; i < blocks.size(); i += kBlocksPerRemoval) {
    std::string command = "block/rm?force=true&quiet=true&offline=true";
    for (std::size_t j = i; j < std::min(blocks.size(), i + kBlocksPerRemoval); ++j) command += "&arg=" + blocks[j];
    const Result<Bytes> removed = call_within(find_timeout_, command, context);
    if (!removed) log_debug("network " + traits_.name + ": " + removed.error().message());
  }
}

Status IpfsStore::remove(const ObjectRef& ref, const CallContext& context) {
  HOLDFAST_TRY(check_locator(ref.locator));
  // First the services, which may have our node among theirs and would have it pin again.
  HOLDFAST_TRY(unpin_at_services(ref.locator, context));
  HOLDFAST_TRY(unpin(ref.locator, context));
  std::vector<std::string> blocks{ref.locator};
  const Result<Bytes> refs = call_within(find_timeout_, "refs?arg=" + ref.locator + "&recursive=true&unique=true&offline=true", context);
  if (refs) std::ranges::move(ipfs::parse_refs(*refs), std::back_inserter(blocks));
  drop_blocks(blocks, context);
  return ok_status();
}

}  // namespace holdfast
