// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/keyring.h"

#include <algorithm>

#include "core/crypto/keyring_layout.h"

namespace holdfast {

namespace {
constexpr std::size_t kCompartmentCountMax = 3;
}  // namespace

Result<Keyring> Keyring::decode(ByteView object) {
  ByteReader in(object, "keyring");
  HOLDFAST_TRY(in.prelude(kKeyringObject));
  HOLDFAST_ASSIGN(const RepositoryId repository, in.id<RepositoryId>());
  Keyring ring(repository);
  HOLDFAST_ASSIGN(ring.generation_, in.u32());
  HOLDFAST_ASSIGN(const std::uint64_t stanza_count, in.varint_at_most(kStanzaCountMax));
  for (std::uint64_t i = 0; i < stanza_count; ++i) {
    HOLDFAST_ASSIGN(Stanza stanza, Stanza::decode(in));
    ring.stanzas_.push_back(std::make_shared<Stanza>(std::move(stanza)));
  }
  HOLDFAST_ASSIGN(const std::uint64_t slot_count, in.varint_at_most(kCompartmentCountMax));
  for (std::uint64_t i = 0; i < slot_count; ++i) {
    HOLDFAST_ASSIGN(const Compartment compartment, decode_compartment(in));
    HOLDFAST_ASSIGN(const ByteView box, in.bytes(compartment_size(compartment) + kBoxOverheadBytes));
    if (box.size() != compartment_size(compartment) + kBoxOverheadBytes) return in.corrupt("a compartment of the wrong size");
    auto slot = std::make_shared<Slot>();
    slot->box.assign(box.begin(), box.end());
    if (!ring.slots_.emplace(compartment, std::move(slot)).second) return in.corrupt("one compartment twice");
  }
  HOLDFAST_TRY(in.expect_end());
  for (const auto& stanza : ring.stanzas_) {
    for (const auto& [compartment, wrap] : stanza->wraps) {
      if (!ring.slots_.contains(compartment)) return in.corrupt("a stanza for a compartment that is not there");
    }
  }
  return ring;
}

Bytes Keyring::encode() const {
  Bytes object;
  ByteWriter out(object);
  out.prelude(kKeyringObject).id(repository_).u32(generation_).varint(stanzas_.size());
  for (const auto& stanza : stanzas_) stanza->encode(out);
  out.varint(slots_.size());
  for (const auto& [compartment, slot] : slots_) out.u8(static_cast<std::uint8_t>(compartment)).bytes(slot->box);
  return object;
}

Status Keyring::unlock(const UnlockWith& with) {
  const auto is_open = [](const auto& item) { return item.second->opened; };
  bool any = false;
  bool code_missing = false;
  for (const auto& stanza : stanzas_) {
    // Each stanza costs a kdf; those that would open nothing new are left alone.
    const bool useful = std::any_of(stanza->wraps.begin(), stanza->wraps.end(),
                                    [&](const auto& wrap) { return !slots_.at(wrap.first)->opened; });
    if (!useful && any) continue;
    if (stanza->mixes_code && !with.code) {
      code_missing = true;
      continue;
    }
    HOLDFAST_ASSIGN(const SecretBytes kek, stanza->key_from(with));
    for (const auto& [compartment, wrap] : stanza->wraps) {
      auto key = open_secret_box(kek.view(), wrap_aad(repository_, compartment, *stanza), wrap);
      if (!key) continue;
      any = true;
      Slot& slot = *slots_.at(compartment);
      auto content = open_secret_box(key->view(), compartment_aad(repository_, compartment), slot.box);
      if (!content) {
        return std::move(content).error().with_context("keyring: compartment " +
                                                       std::to_string(static_cast<int>(compartment)));
      }
      slot.payload_key = std::move(*key);
      slot.content = std::move(*content);
      slot.opened = true;
    }
    if (std::all_of(slots_.begin(), slots_.end(), is_open)) break;
  }
  if (any) return ok_status();
  if (code_missing) return Error(ErrorCode::kWrongKey, "the keyring does not open with this passphrase alone: the recovery code is needed too");
  return Error(ErrorCode::kWrongKey, needs_code() ? "the keyring does not open: wrong passphrase or recovery code"
                                                  : "the keyring does not open: wrong passphrase");
}

bool Keyring::has(Compartment compartment) const noexcept {
  const auto found = slots_.find(compartment);
  return found != slots_.end() && found->second->opened;
}

bool Keyring::needs_code() const noexcept {
  return std::any_of(stanzas_.begin(), stanzas_.end(), [](const auto& stanza) { return stanza->mixes_code; });
}

ByteView Keyring::secret(Compartment compartment) const {
  HOLDFAST_CHECK(has(compartment));
  return slots_.at(compartment)->content.view();
}

Status Keyring::put(Compartment compartment, SecretBytes content, RandomSource& random) {
  HOLDFAST_CHECK(content.size() == compartment_size(compartment));
  auto slot = std::make_shared<Slot>();
  slot->payload_key = SecretBytes(kPayloadKeyBytes);
  HOLDFAST_TRY(random.fill(slot->payload_key.mutable_view()));
  HOLDFAST_ASSIGN(slot->box, seal_box(slot->payload_key.view(), compartment_aad(repository_, compartment), content.view(), random));
  slot->content = std::move(content);
  slot->opened = true;
  slots_[compartment] = std::move(slot);
  // The old payload key opens nothing any more: a wrap of it would look like damage.
  for (const auto& stanza : stanzas_) stanza->wraps.erase(compartment);
  return ok_status();
}

Status Keyring::add_passphrase(std::string label, ByteView passphrase, const std::optional<RecoveryCode>& code,
                               const KdfParameters& kdf, RandomSource& random) {
  HOLDFAST_TRY(check_kdf(kdf, ErrorCode::kInvalidArgument));
  if (label.size() > kLabelMaxBytes) return Error(ErrorCode::kInvalidArgument, "keyring: a label of more than 255 bytes");
  if (stanzas_.size() == kStanzaCountMax) return Error(ErrorCode::kInvalidArgument, "keyring: it has 64 stanzas already");
  auto stanza = std::make_shared<Stanza>();
  stanza->label = std::move(label);
  stanza->mixes_code = code.has_value();
  stanza->kdf = kdf;
  HOLDFAST_TRY(random.fill(stanza->salt));
  HOLDFAST_ASSIGN(const SecretBytes kek, stanza->key_from({passphrase, code}));
  for (const auto& [compartment, slot] : slots_) {
    if (!slot->opened) continue;
    HOLDFAST_ASSIGN(stanza->wraps[compartment],
                    seal_box(kek.view(), wrap_aad(repository_, compartment, *stanza), slot->payload_key.view(), random));
  }
  stanzas_.push_back(std::move(stanza));
  return ok_status();
}

Status Keyring::clear_stanzas() {
  for (const auto& [compartment, slot] : slots_) {
    if (slot->opened) continue;
    return Error(ErrorCode::kRefused, "keyring: compartment " + std::to_string(static_cast<int>(compartment)) +
                                          " is closed, and without its stanza it would be lost");
  }
  stanzas_.clear();
  ++generation_;
  return ok_status();
}

std::vector<Keyring::StanzaInfo> Keyring::stanzas() const {
  std::vector<StanzaInfo> infos;
  for (const auto& stanza : stanzas_) infos.push_back({stanza->label, stanza->kdf, stanza->mixes_code});
  return infos;
}

Result<Keyring> Keyring::copy_of(std::initializer_list<Compartment> compartments, RandomSource& random) const {
  Keyring copy(repository_);
  copy.generation_ = generation_;
  for (const Compartment compartment : compartments) {
    if (!has(compartment)) {
      return Error(ErrorCode::kInvalidArgument, "keyring: compartment " + std::to_string(static_cast<int>(compartment)) + " is not open here");
    }
    HOLDFAST_TRY(copy.put(compartment, SecretBytes::copy_of(secret(compartment)), random));
  }
  return copy;
}

}  // namespace holdfast
