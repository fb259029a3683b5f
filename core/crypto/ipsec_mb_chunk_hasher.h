// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/crypto/hash.h"

namespace holdfast {

/// The multi-buffer implementation, or null where this build or machine has none; lives as long as the process.
const ChunkHasher* ipsec_mb_chunk_hasher();
/// Whether it beats OpenSSL on this machine: with SHA instructions, of which it keeps two streams going (3.5 against 1.8 GB/s on a Zen 4 core), and with AVX2 or
/// AVX-512 where there are none.
bool ipsec_mb_is_faster();

}  // namespace holdfast
