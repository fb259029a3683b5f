// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cache/lmdb_env.h"
#include "core/base/random_source.h"
#include "core/base/secret_bytes.h"
#include "core/index/chunk_index.h"

namespace holdfast {

struct LmdbViewOptions {
  std::string folder;                        ///< of this view alone, on a local disk
  std::uint64_t size_max_bytes = 4ULL << 30U;  ///< bound of the file; a multiple of 64 KiB
};

/// The ViewStore port on LMDB. A value on disk is Box(key, aad = "holdfast/1/view" ‖ 0x00 ‖ key of the entry, value), so a value that was
/// damaged or moved to another key gives kCorrupt. An unclean exit or damage leaves the next open() with an empty view:
/// callers keep how far they have folded in the view itself, so that empty means: fold everything. Safe from any thread.
class LmdbViewStore final : public ViewStore {
 public:
  /// `key` has 32 bytes; `random` must outlive the store. Errors: kInvalidArgument, kConflict (open elsewhere), kNoSpace, kPermissionDenied, kInternal.
  static Result<std::unique_ptr<LmdbViewStore>> open(const LmdbViewOptions& options, ByteView key, RandomSource& random);
  /// Closes as close() does; a failure is logged and costs a fold.
  ~LmdbViewStore() override;

  Result<std::optional<Bytes>> get(ByteView key) const override;
  Status apply(std::span<const Put> batch) override;
  Status scan(ByteView prefix, const std::function<bool(ByteView key, ByteView value)>& visit) const override;
  Status clear() override;

  /// Leaves the view so that the next open() finds it; every later call is kInternal.
  Status close();
  /// Whether there was nothing (new, thrown away): then it must be folded from the start.
  [[nodiscard]] bool was_empty_at_open() const noexcept { return env_->was_empty_at_open(); }

 private:
  LmdbViewStore(std::unique_ptr<LmdbEnv> env, ByteView key, RandomSource& random)
      : env_(std::move(env)), key_(SecretBytes::copy_of(key)), random_(random) {}
  Result<Bytes> open_value(ByteView key, ByteView sealed) const;

  std::unique_ptr<LmdbEnv> env_;
  SecretBytes key_;
  RandomSource& random_;
};

}  // namespace holdfast
