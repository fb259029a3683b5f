// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "core/base/bytes.h"
#include "core/base/secret_bytes.h"

namespace holdfast::ipfs {

/// Whether `text` is a CIDv1 in base 32 of a SHA-256 with codec raw or dag-pb (multiformats.io/cid): the only locators that
/// this adapter makes or takes.
bool is_cid(std::string_view text);

enum class Codec : std::uint8_t { kRaw, kDagPb };
/// The binary CID of a block with that codec: 36 bytes.
Bytes binary_cid(Codec codec, ByteView block);
/// A binary CID as text, in base 32.
std::string cid_text(ByteView binary);

/// Whether a CID of this adapter is one of a node above leaves.
bool is_dag_pb(std::string_view cid);

/// The CID of one raw block, for bytes that fit into one (at most 1 MiB): what `add` with raw leaves answers.
std::string raw_cid(ByteView bytes);

/// The IPNS name of an Ed25519 seed: CIDv1 libp2p-key in base 36, "k51…" (specs.ipfs.tech/ipns/ipns-record, "String Representation").
std::string ipns_name(ByteView seed);

/// Whether `text` is such a name.
bool is_ipns_name(std::string_view text);

/// The key as `key/import?format=pem-pkcs8-cleartext` takes it: PKCS#8 (RFC 8410 §7) in PEM. `seed` has 32 bytes.
SecretBytes pkcs8_pem(ByteView seed);

}  // namespace holdfast::ipfs
