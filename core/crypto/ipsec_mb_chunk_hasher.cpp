// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/hash.h"

#ifdef HOLDFAST_HAVE_IPSEC_MB

#include <intel-ipsec-mb.h>

#include "core/crypto/h32_layout.h"
#include "core/crypto/ipsec_mb_chunk_hasher.h"

namespace holdfast {

namespace {

// The library takes jobs of at most 65,535 bytes (its header, 1.3): a segment fits.
static_assert(kH32SegmentBytes <= 65'535);

struct FreeManager {
  void operator()(IMB_MGR* manager) const noexcept { free_mb_mgr(manager); }
};

bool has(const IMB_MGR& manager, std::uint64_t features) noexcept { return (manager.features & features) == features; }

/// Two lanes of SHA instructions are as fast with few segments as with many (measured on a Zen 4 core: 3.5 GB/s with six and with 32; OpenSSL 1.8). The library prefers
/// sixteen lanes of AVX-512, which get there only when each has a segment of the same length (with six 1.4 GB/s), and chunks of a few segments rarely fill them. Its SSE
/// manager uses SHA instructions wherever there are any, the AVX2 one on newer processors alone; for SHA-256 they are equally fast.
void init_manager(IMB_MGR* manager) {
  init_mb_mgr_auto(manager, nullptr);
  if (has(*manager, IMB_FEATURE_SHANI)) init_mb_mgr_sse(manager);
}

/// A manager of this thread: it holds the lanes and must not be shared. Null when the machine lacks what it needs.
IMB_MGR* thread_manager() {
  thread_local const std::unique_ptr<IMB_MGR, FreeManager> manager = [] {
    std::unique_ptr<IMB_MGR, FreeManager> made(alloc_mb_mgr(0));
    if (made != nullptr) {
      init_manager(made.get());
      if (imb_get_errno(made.get()) != 0) made.reset();
    }
    return made;
  }();
  return manager.get();
}

/// With fewer segments than this too many lanes stay empty: one of SHA instructions has OpenSSL's speed, one of vectors a fifth of it. None are enough in a thread
/// that got no memory for a manager.
std::size_t segments_worth_lanes() {
  const IMB_MGR* manager = thread_manager();
  if (manager == nullptr) return SIZE_MAX;
  return has(*manager, IMB_FEATURE_SHANI) ? 2 : 8;
}

void finish_job(const IMB_JOB* job) { HOLDFAST_CHECK(job->status == IMB_STATUS_COMPLETED); }

/// SHA-256 of `input` to `out` (32 bytes), some time before flush() returns.
void submit(IMB_MGR* manager, ByteView input, std::uint8_t* out) {
  IMB_JOB* job = IMB_GET_NEXT_JOB(manager);
  *job = IMB_JOB{};
  job->cipher_mode = IMB_CIPHER_NULL;
  job->cipher_direction = IMB_DIR_ENCRYPT;
  job->chain_order = IMB_ORDER_HASH_CIPHER;
  job->hash_alg = IMB_AUTH_SHA_256;
  job->src = input.data();
  job->msg_len_to_hash_in_bytes = input.size();
  job->auth_tag_output = out;
  job->auth_tag_output_len_in_bytes = Digest::size;
  for (job = IMB_SUBMIT_JOB(manager); job != nullptr; job = IMB_GET_COMPLETED_JOB(manager)) finish_job(job);
}

void flush(IMB_MGR* manager) {
  while (const IMB_JOB* job = IMB_FLUSH_JOB(manager)) finish_job(job);
}

/// Many segments at once, in the lanes of Intel's multi-buffer library.
class IpsecMbChunkHasher final : public ChunkHasher {
 public:
  std::string_view name() const noexcept override { return "ipsec-mb"; }

  void chunk_ids(std::span<const ByteView> records, std::span<ChunkId> ids) const override {
    HOLDFAST_CHECK(records.size() == ids.size());
    const auto input_at = [&](std::size_t i) { return records[i]; };
    if (is_too_little(records.size(), input_at)) return openssl_chunk_hasher().chunk_ids(records, ids);
    const std::vector<Bytes> frames = hash_segments(records.size(), input_at);
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = id_of_h32(frames[i]);
  }

  void fingerprints(ByteView k_fp, std::span<const FingerprintInput> inputs,
                    std::span<Fingerprint> fps) const override {
    HOLDFAST_CHECK(inputs.size() == fps.size());
    const auto input_at = [&](std::size_t i) { return inputs[i].plain; };
    if (is_too_little(inputs.size(), input_at)) return openssl_chunk_hasher().fingerprints(k_fp, inputs, fps);
    const std::vector<Bytes> frames = hash_segments(inputs.size(), input_at);
    for (std::size_t i = 0; i < fps.size(); ++i) fps[i] = fingerprint_of_h32(k_fp, inputs[i], frames[i]);
  }

 private:
  template <typename Get>
  static bool is_too_little(std::size_t count, Get input_at) {
    const std::size_t wanted = segments_worth_lanes();
    std::size_t segments = 0;
    for (std::size_t i = 0; i < count && segments < wanted; ++i) segments += h32_segment_count(input_at(i).size());
    return segments < wanted;
  }

  template <typename Get>
  static std::vector<Bytes> hash_segments(std::size_t count, Get input_at) {
    IMB_MGR* manager = thread_manager();
    HOLDFAST_CHECK(manager != nullptr);
    std::vector<Bytes> frames(count);
    for (std::size_t i = 0; i < count; ++i) {
      const ByteView input = input_at(i);
      frames[i] = h32_frame(input.size());
      for (std::size_t segment = 0; segment < h32_segment_count(input.size()); ++segment) {
        submit(manager, h32_segment(input, segment), h32_slot(frames[i], segment));
      }
    }
    flush(manager);
    return frames;
  }
};

}  // namespace

const ChunkHasher* ipsec_mb_chunk_hasher() {
  static const IpsecMbChunkHasher hasher;
  return thread_manager() != nullptr ? &hasher : nullptr;
}

bool ipsec_mb_is_faster() {
  const IMB_MGR* manager = thread_manager();
  if (manager == nullptr) return false;
  return has(*manager, IMB_FEATURE_SHANI) || has(*manager, IMB_FEATURE_AVX2);
}

}  // namespace holdfast

#else

namespace holdfast {
const ChunkHasher* ipsec_mb_chunk_hasher() { return nullptr; }
bool ipsec_mb_is_faster() { return false; }
}  // namespace holdfast

#endif
