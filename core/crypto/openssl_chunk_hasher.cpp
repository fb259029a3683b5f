// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/hash.h"
#include "core/crypto/h32_layout.h"

namespace holdfast {

namespace {

/// One segment after the other, through OpenSSL: the reference that other implementations are compared to.
class OpensslChunkHasher final : public ChunkHasher {
 public:
  std::string_view name() const noexcept override { return "openssl"; }

  void chunk_ids(std::span<const ByteView> records, std::span<ChunkId> ids) const override {
    HOLDFAST_CHECK(records.size() == ids.size());
    for (std::size_t i = 0; i < records.size(); ++i) ids[i] = id_of_h32(h32(records[i]));
  }

  void fingerprints(ByteView k_fp, std::span<const FingerprintInput> inputs,
                    std::span<Fingerprint> fps) const override {
    HOLDFAST_CHECK(inputs.size() == fps.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      fps[i] = fingerprint_of_h32(k_fp, inputs[i], h32(inputs[i].plain));
    }
  }
};

}  // namespace

Bytes h32(ByteView bytes) {
  Bytes out = h32_frame(bytes.size());
  for (std::size_t i = 0; i < h32_segment_count(bytes.size()); ++i) {
    const Digest digest = sha256(h32_segment(bytes, i));
    std::copy(digest.bytes.begin(), digest.bytes.end(), h32_slot(out, i));
  }
  return out;
}

const ChunkHasher& openssl_chunk_hasher() {
  static const OpensslChunkHasher hasher;
  return hasher;
}

}  // namespace holdfast
