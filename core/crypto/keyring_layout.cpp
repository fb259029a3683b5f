// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/keyring_layout.h"

#include "core/crypto/password_kdf.h"

namespace holdfast {

namespace {

constexpr std::uint8_t kPassphraseStanza = 1;
constexpr std::uint8_t kMixesCode = 1;

struct Bound {
  std::string_view name;
  std::uint32_t value;
  std::uint32_t min;
  std::uint32_t max;
};

Status check_bound(const Bound& bound, ErrorCode code) {
  if (bound.value >= bound.min && bound.value <= bound.max) return ok_status();
  return Error(code, "keyring: " + std::to_string(bound.value) + " " + std::string(bound.name) + ", allowed are " +
                         std::to_string(bound.min) + " to " + std::to_string(bound.max));
}

Result<KdfParameters> decode_kdf(ByteReader& in) {
  KdfParameters kdf;
  HOLDFAST_ASSIGN(const std::uint8_t kind, in.u8());
  if (kind == static_cast<std::uint8_t>(KdfKind::kPbkdf2)) {
    kdf.kind = KdfKind::kPbkdf2;
    HOLDFAST_ASSIGN(kdf.iterations, in.u32());
  } else if (kind == static_cast<std::uint8_t>(KdfKind::kArgon2id)) {
    kdf.kind = KdfKind::kArgon2id;
    HOLDFAST_ASSIGN(kdf.passes, in.u32());
    HOLDFAST_ASSIGN(kdf.memory_kib, in.u32());
  } else {
    return Error(ErrorCode::kUnsupported, "keyring: kdf " + std::to_string(kind) + ", which this program does not know");
  }
  HOLDFAST_TRY(check_kdf(kdf, ErrorCode::kCorrupt));
  return kdf;
}

}  // namespace

Status check_kdf(const KdfParameters& kdf, ErrorCode code) {
  // The floor of PBKDF2 is the weakest that a keyring may claim; the ceilings keep a forged keyring from costing hours or all memory.
  if (kdf.kind == KdfKind::kPbkdf2) return check_bound({"PBKDF2 iterations", kdf.iterations, 100'000, 50'000'000}, code);
  Status status = check_bound({"argon2id passes", kdf.passes, 1, 64}, code);
  status.keep_first(check_bound({"KiB of argon2id memory", kdf.memory_kib, 8'192, 4'194'304}, code));
  return status;
}

std::size_t compartment_size(Compartment compartment) noexcept {
  return compartment == Compartment::kRepository ? 32 : 64;
}

Result<Compartment> decode_compartment(ByteReader& in) {
  HOLDFAST_ASSIGN(const std::uint8_t number, in.u8());
  if (number < 1 || number > 3) {
    return Error(ErrorCode::kUnsupported, "keyring: compartment " + std::to_string(number) + ", which this program does not know");
  }
  return static_cast<Compartment>(number);
}

Bytes compartment_aad(const RepositoryId& repository, Compartment compartment) {
  Bytes aad;
  ByteWriter(aad).prelude(kKeyringObject).id(repository).u8(static_cast<std::uint8_t>(compartment));
  return aad;
}

void Keyring::Stanza::encode_front(ByteWriter& out) const {
  out.u8(kPassphraseStanza).text(label).u8(mixes_code ? kMixesCode : 0).u8(static_cast<std::uint8_t>(kdf.kind));
  if (kdf.kind == KdfKind::kPbkdf2) {
    out.u32(kdf.iterations);
  } else {
    out.u32(kdf.passes).u32(kdf.memory_kib);
  }
  out.raw(salt);
}

void Keyring::Stanza::encode(ByteWriter& out) const {
  encode_front(out);
  out.varint(wraps.size());
  for (const auto& [compartment, wrap] : wraps) out.u8(static_cast<std::uint8_t>(compartment)).raw(wrap);
}

Result<Keyring::Stanza> Keyring::Stanza::decode(ByteReader& in) {
  Stanza stanza;
  HOLDFAST_ASSIGN(const std::uint8_t type, in.u8());
  if (type != kPassphraseStanza) {
    return Error(ErrorCode::kUnsupported, "keyring: a stanza of type " + std::to_string(type) + ", which this program does not know");
  }
  HOLDFAST_ASSIGN(stanza.label, in.text(kLabelMaxBytes));
  HOLDFAST_ASSIGN(const std::uint8_t flags, in.u8());
  if ((flags & ~kMixesCode) != 0) return in.corrupt("unknown flags " + std::to_string(flags));
  stanza.mixes_code = flags != 0;
  HOLDFAST_ASSIGN(stanza.kdf, decode_kdf(in));
  HOLDFAST_ASSIGN(const ByteView salt, in.raw(kStanzaSaltBytes));
  std::copy(salt.begin(), salt.end(), stanza.salt.begin());
  HOLDFAST_ASSIGN(const std::size_t count, in.count(1 + kWrapBytes));
  for (std::size_t i = 0; i < count; ++i) {
    HOLDFAST_ASSIGN(const Compartment compartment, decode_compartment(in));
    HOLDFAST_ASSIGN(const ByteView wrap, in.raw(kWrapBytes));
    if (!stanza.wraps.emplace(compartment, Bytes(wrap.begin(), wrap.end())).second) {
      return in.corrupt("a stanza that wraps one compartment twice");
    }
  }
  return stanza;
}

Result<SecretBytes> Keyring::Stanza::key_from(const UnlockWith& with) const {
  SecretBytes base;
  if (kdf.kind == KdfKind::kPbkdf2) {
    base = pbkdf2_sha256(with.passphrase, salt, kdf.iterations);
  } else {
    HOLDFAST_ASSIGN(base, argon2id(with.passphrase, salt, kdf.passes, kdf.memory_kib));
  }
  const std::size_t code_bytes = mixes_code ? with.code->bytes.size() : 0;
  SecretBytes mixed(base.size() + code_bytes);
  std::copy(base.view().begin(), base.view().end(), mixed.mutable_view().begin());
  if (mixes_code) std::copy(with.code->bytes.begin(), with.code->bytes.end(), mixed.mutable_view().last(code_bytes).begin());
  return hkdf_sha256(mixed.view(), salt, as_bytes("holdfast/1/kek"), 32);
}

}  // namespace holdfast
