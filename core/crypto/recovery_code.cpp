// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/crypto/hash.h"
#include "core/crypto/keyring.h"

namespace holdfast {

namespace {

constexpr std::string_view kLetters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";  // Crockford's base 32
constexpr std::size_t kLetterCount = 28;
constexpr std::size_t kGroup = 4;
constexpr std::size_t kCodeBytes = 16;

/// The code's bytes, then the first 10 bits of its check sum and 6 bits of no meaning.
std::array<std::uint8_t, kCodeBytes + 2> with_check(const std::array<std::uint8_t, kCodeBytes>& code) {
  std::array<std::uint8_t, kCodeBytes + 2> all{};
  std::copy(code.begin(), code.end(), all.begin());
  const Digest digest = sha256({as_bytes("holdfast/1/code"), code});
  all[kCodeBytes] = digest.bytes[0];
  all[kCodeBytes + 1] = digest.bytes[1] & 0xc0U;
  return all;
}

/// The letter's value, or -1.
int letter_value(char letter) noexcept {
  if (letter >= 'a' && letter <= 'z') letter = static_cast<char>(letter - 'a' + 'A');
  if (letter == 'O') letter = '0';
  if (letter == 'I' || letter == 'L') letter = '1';
  const auto at = kLetters.find(letter);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

Error bad_code(std::string why) { return {ErrorCode::kInvalidArgument, "not a recovery code: " + std::move(why)}; }

}  // namespace

Result<RecoveryCode> RecoveryCode::generate(RandomSource& random) {
  RecoveryCode code;
  HOLDFAST_TRY(random.fill(code.bytes));
  return code;
}

std::string RecoveryCode::text() const {
  const auto all = with_check(bytes);
  std::string text;
  for (std::size_t i = 0; i < kLetterCount; ++i) {
    unsigned value = 0;
    for (std::size_t bit = i * 5; bit < i * 5 + 5; ++bit) {
      value = value << 1U | (static_cast<unsigned>(all[bit / 8] >> (7 - bit % 8)) & 1U);
    }
    if (i > 0 && i % kGroup == 0) text.push_back('-');
    text.push_back(kLetters[value]);
  }
  return text;
}

Result<RecoveryCode> RecoveryCode::parse(std::string_view text) {
  std::array<std::uint8_t, kCodeBytes + 2> all{};
  std::size_t count = 0;
  for (const char letter : text) {
    if (letter == '-' || letter == ' ') continue;
    const int value = letter_value(letter);
    if (value < 0) return bad_code("letter " + std::to_string(count + 1) + " is none of its letters");
    if (count == kLetterCount) return bad_code("it has more than 28 letters");
    for (std::size_t k = 0; k < 5; ++k) {
      const std::size_t bit = count * 5 + k;
      const unsigned is_set = (static_cast<unsigned>(value) >> (4 - k)) & 1U;
      all[bit / 8] = static_cast<std::uint8_t>(all[bit / 8] | (is_set << (7 - bit % 8)));
    }
    ++count;
  }
  if (count != kLetterCount) return bad_code("it has " + std::to_string(count) + " letters, and 28 are wanted");
  RecoveryCode code;
  std::copy_n(all.begin(), kCodeBytes, code.bytes.begin());
  if (with_check(code.bytes) != all) return bad_code("its check letters are wrong, so some letter was mistyped");
  return code;
}

}  // namespace holdfast
