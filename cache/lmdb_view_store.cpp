// SPDX-License-Identifier: Apache-2.0
#include "cache/lmdb_view_store.h"

#include "core/base/log.h"
#include "core/crypto/seal.h"

namespace holdfast {
namespace {

constexpr std::size_t kScanBatchCount = 256;  // values of some KiB: about a megabyte at once

Bytes aad_of(ByteView key) {
  Bytes aad;
  append(aad, as_bytes(std::string_view("holdfast/1/view\0", 16)));
  append(aad, key);
  return aad;
}

}  // namespace

Result<std::unique_ptr<LmdbViewStore>> LmdbViewStore::open(const LmdbViewOptions& options, ByteView key,
                                                           RandomSource& random) {
  if (key.size() != 32) return Error(ErrorCode::kInvalidArgument, "a view key must have 32 bytes");
  HOLDFAST_ASSIGN(auto env, LmdbEnv::open({options.folder, options.size_max_bytes}));
  return std::unique_ptr<LmdbViewStore>(new LmdbViewStore(std::move(env), key, random));
}

LmdbViewStore::~LmdbViewStore() {
  const Status closed = close();
  if (!closed) log_warning("the view will be folded again at the next start: " + closed.error().message());
}

Result<Bytes> LmdbViewStore::open_value(ByteView key, ByteView sealed) const {
  auto plain = open_box(key_.view(), aad_of(key), sealed);
  if (!plain) return std::move(plain).error().with_context("opening a value of the view");
  return plain;
}

Result<std::optional<Bytes>> LmdbViewStore::get(ByteView key) const {
  HOLDFAST_ASSIGN(const std::optional<Bytes> sealed, env_->get(key));
  if (!sealed) return std::optional<Bytes>();
  HOLDFAST_ASSIGN(Bytes plain, open_value(key, *sealed));
  return std::optional<Bytes>(std::move(plain));
}

Status LmdbViewStore::apply(std::span<const Put> batch) {
  std::vector<LmdbPut> sealed;
  sealed.reserve(batch.size());
  for (const auto& put : batch) {
    LmdbPut one{put.key, std::nullopt};
    if (put.value) {
      HOLDFAST_ASSIGN(one.value, seal_box(key_.view(), aad_of(put.key), *put.value, random_));
    }
    sealed.push_back(std::move(one));
  }
  return env_->write(sealed);
}

Status LmdbViewStore::scan(ByteView prefix,
                           const std::function<bool(ByteView key, ByteView value)>& visit) const {
  Bytes after;
  while (true) {
    // No transaction is open while `visit` runs: it may take its time and may call us.
    HOLDFAST_ASSIGN(const auto pairs, env_->list(prefix, after, kScanBatchCount));
    for (const auto& pair : pairs) {
      HOLDFAST_ASSIGN(const Bytes value, open_value(pair.key, pair.value));
      if (!visit(pair.key, value)) return ok_status();
    }
    if (pairs.size() < kScanBatchCount) return ok_status();
    after = pairs.back().key;
  }
}

Status LmdbViewStore::clear() { return env_->reset(); }

Status LmdbViewStore::close() { return env_->close(); }

}  // namespace holdfast
