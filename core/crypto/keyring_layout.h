// SPDX-License-Identifier: Apache-2.0
// Private to core/crypto: the keyring as bytes (FORMAT.md §7).
#pragma once

#include "core/crypto/hash.h"
#include "core/crypto/keyring.h"
#include "core/format/byte_reader.h"
#include "core/format/byte_writer.h"

namespace holdfast {

inline constexpr std::size_t kPayloadKeyBytes = 32;
inline constexpr std::size_t kWrapBytes = kPayloadKeyBytes + kBoxOverheadBytes;
inline constexpr std::size_t kStanzaSaltBytes = 32;
inline constexpr std::size_t kStanzaCountMax = 64;
inline constexpr std::size_t kLabelMaxBytes = 255;

/// One way to open compartments.
struct Keyring::Stanza {
  std::string label;
  bool mixes_code = false;
  KdfParameters kdf;
  std::array<std::uint8_t, kStanzaSaltBytes> salt{};
  std::map<Compartment, Bytes> wraps;  ///< of payload keys, kWrapBytes each

  /// From type up to and with the salt.
  void encode_front(ByteWriter& out) const;
  void encode(ByteWriter& out) const;
  static Result<Stanza> decode(ByteReader& in);
  /// KEK of this stanza. Errors: kInternal. Costs what the kdf's parameters say, which decode() has bounded.
  Result<SecretBytes> key_from(const UnlockWith& with) const;
};

/// A compartment: its box, and what is inside once it has been opened.
struct Keyring::Slot {
  Bytes box;
  SecretBytes payload_key;
  SecretBytes content;
  bool opened = false;
};

/// Prelude ‖ repository id ‖ compartment.
Bytes compartment_aad(const RepositoryId& repository, Compartment compartment);
/// The same ‖ the front of a stanza.
template <typename Stanza>
Bytes wrap_aad(const RepositoryId& repository, Compartment compartment, const Stanza& stanza) {
  Bytes aad = compartment_aad(repository, compartment);
  ByteWriter out(aad);
  stanza.encode_front(out);
  return aad;
}

/// Size that a compartment's content must have.
std::size_t compartment_size(Compartment compartment) noexcept;
Result<Compartment> decode_compartment(ByteReader& in);

/// Refuses parameters out of FORMAT.md's bounds. `code` is what a refusal is called.
Status check_kdf(const KdfParameters& kdf, ErrorCode code);

}  // namespace holdfast
