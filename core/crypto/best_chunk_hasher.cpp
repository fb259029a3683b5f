// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/hash.h"
#include "core/crypto/ipsec_mb_chunk_hasher.h"

namespace holdfast {

const ChunkHasher& best_chunk_hasher() {
  static const ChunkHasher& best = ipsec_mb_is_faster() ? *ipsec_mb_chunk_hasher() : openssl_chunk_hasher();
  return best;
}

}  // namespace holdfast
