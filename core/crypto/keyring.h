// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/random_source.h"
#include "core/base/secret_bytes.h"
#include "core/crypto/seal.h"

namespace holdfast {

enum class Compartment : std::uint8_t { kRepository = 1, kVault = 2, kWriter = 3 };

enum class KdfKind : std::uint8_t { kPbkdf2 = 1, kArgon2id = 2 };
/// How a passphrase becomes a key (FORMAT.md §7, which has the bounds).
struct KdfParameters {
  KdfKind kind = KdfKind::kPbkdf2;
  std::uint32_t iterations = 600'000;  ///< PBKDF2; OWASP's figure for HMAC-SHA256 (2023); never under 100,000
  std::uint32_t passes = 3;            ///< argon2id
  std::uint32_t memory_kib = 262'144;  ///< argon2id
};

/// 128 random bits that stand on the recovery sheet.
struct RecoveryCode {
  std::array<std::uint8_t, 16> bytes{};
  static Result<RecoveryCode> generate(RandomSource& random);
  /// Errors: kInvalidArgument when it is no recovery code (length, letters, check digits), saying which.
  static Result<RecoveryCode> parse(std::string_view text);
  [[nodiscard]] std::string text() const;
};

/// What opens a stanza.
struct UnlockWith {
  ByteView passphrase;
  std::optional<RecoveryCode> code;  ///< needed where the stanza mixes it in
};

/// Secrets by compartment, and the wraps around them (FORMAT.md §7). One thread.
class Keyring {
 public:
  /// An empty ring of a new repository.
  explicit Keyring(RepositoryId repository) : repository_(repository) {}
  Keyring(Keyring&&) noexcept = default;
  Keyring& operator=(Keyring&&) noexcept = default;
  Keyring(const Keyring&) = delete;
  Keyring& operator=(const Keyring&) = delete;

  /// Parses without opening; kdf parameters out of bounds are refused here, before any kdf can run.
  /// Errors: kCorrupt, kUnsupported (version, suite, stanza, kdf or compartment it does not know).
  static Result<Keyring> decode(ByteView object);
  [[nodiscard]] Bytes encode() const;

  /// Opens every compartment that some stanza gives. Errors: kWrongKey when none opens (wrong passphrase or code),
  /// kCorrupt when a key opens but a compartment does not, kInternal when argon2id gets no memory.
  Status unlock(const UnlockWith& with);

  [[nodiscard]] const RepositoryId& repository() const noexcept { return repository_; }
  [[nodiscard]] std::uint32_t generation() const noexcept { return generation_; }
  [[nodiscard]] bool has(Compartment compartment) const noexcept;
  /// Whether some stanza wants the recovery code.
  [[nodiscard]] bool needs_code() const noexcept;
  /// The opened content. Check has() and unlock() first: asking for a closed one is a bug.
  [[nodiscard]] ByteView secret(Compartment compartment) const;

  /// Sets or replaces a compartment (a new payload key is drawn). Needs add_passphrase afterwards to be of use: stanzas that are there
  /// already no longer open this compartment. `content` has 32 bytes (repository) or 64 (vault, writer). Errors: kInternal.
  Status put(Compartment compartment, SecretBytes content, RandomSource& random);
  /// Adds a stanza that opens all opened compartments. `code`, when given, is mixed in. Errors: kInvalidArgument (kdf out of bounds,
  /// label over 255 bytes, 64 stanzas already), kInternal.
  Status add_passphrase(std::string label, ByteView passphrase, const std::optional<RecoveryCode>& code,
                        const KdfParameters& kdf, RandomSource& random);
  /// Forgets all stanzas (before new ones are added): how a passphrase is changed. Bumps the generation. Errors: kRefused while a
  /// compartment is closed, since nothing could ever open it again.
  Status clear_stanzas();
  struct StanzaInfo {
    std::string label;
    KdfParameters kdf;
    bool mixes_code;
  };
  [[nodiscard]] std::vector<StanzaInfo> stanzas() const;
  /// A ring with the same opened secrets of the given compartments, the same generation and no stanza: for the copy that leaves the machine.
  /// Errors: kInvalidArgument when one is not open, kInternal.
  Result<Keyring> copy_of(std::initializer_list<Compartment> compartments, RandomSource& random) const;

 private:
  struct Stanza;
  struct Slot;
  RepositoryId repository_;
  std::uint32_t generation_ = 1;
  std::vector<std::shared_ptr<Stanza>> stanzas_;
  std::map<Compartment, std::shared_ptr<Slot>> slots_;
};

/// Keys derived from the repository secret (FORMAT.md §2). Safe from any thread once made.
class RepositoryKeys {
 public:
  RepositoryKeys(RepositoryId repository, ByteView repository_secret);
  [[nodiscard]] const RepositoryId& repository() const noexcept { return repository_; }
  [[nodiscard]] ByteView catalog() const noexcept { return catalog_.view(); }
  [[nodiscard]] ByteView maintenance() const noexcept { return maintenance_.view(); }
  [[nodiscard]] ByteView fingerprint() const noexcept { return fingerprint_.view(); }
  [[nodiscard]] ByteView chunker() const noexcept { return chunker_.view(); }
  /// The Ed25519 seed [32] of the mutable name of writer slot `slot` on the network that the configuration calls `network`. One name for
  /// each network: a head has locators of its own network, and two networks of one type may share the place where names live (a DHT).
  [[nodiscard]] SecretBytes head_seed(std::uint32_t slot, std::string_view network) const;

 private:
  RepositoryId repository_;
  SecretBytes secret_;
  SecretBytes catalog_;
  SecretBytes maintenance_;
  SecretBytes fingerprint_;
  SecretBytes chunker_;
};

}  // namespace holdfast
