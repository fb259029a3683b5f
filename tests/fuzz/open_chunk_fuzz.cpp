// SPDX-License-Identifier: Apache-2.0
// Records whose seal and id are right and whose payload is the fuzzer's: what a writer with the keys could store. None may do more than be refused.
#include <cstdlib>

#include "core/chunk/chunk_codec.h"
#include "core/crypto/hash.h"
#include "core/crypto/seal.h"
#include "core/format/byte_writer.h"

namespace holdfast {
namespace {

constexpr std::size_t kHead = 4;  // of the input: codec, three bytes of the plaintext's size

/// Gives every base the plaintext that its size asks for, and depth by its key, so that wrong promises are met too.
class AnyBase final : public BaseResolver {
 public:
  Result<Base> resolve(const ChunkRef& base) override {
    if (base.id.bytes[0] == 0xff) return Error(ErrorCode::kNotFound, "no such base");
    FreshBytes plain(base.id.bytes[0] == 0xfe ? 100 : base.plain_size_bytes);
    for (std::size_t i = 0; i < plain.view().size(); ++i) plain.view()[i] = static_cast<std::uint8_t>(i * 7 + (i >> 9U) + base.id.bytes[1]);
    return Base{std::move(plain).share(), base.key.bytes[0] % (kDifferenceDepthMax + 1)};
  }
};

void run(ByteView input) {
  if (input.size() <= kHead) return;
  const auto codec = static_cast<std::uint8_t>(input[0] % 4);
  const std::uint32_t plain_size = 1 + (input[1] | std::uint32_t{input[2]} << 8U | std::uint32_t{input[3] & 0x0fU} << 16U);
  const ByteView payload = input.subspan(kHead);
  Bytes record;
  ByteWriter(record).raw(as_bytes("HC")).u8(1).u8(1).u8(1).u8(codec).zeros(2).u32(plain_size).u32(static_cast<std::uint32_t>(payload.size()));
  record.resize(16 + kNonceBytes + payload.size() + kTagBytes);
  ChunkRef ref;
  const MutableByteView all(record);
  aead_seal(ref.key.view(), all.subspan(16, kNonceBytes), all.first(16), payload, all.subspan(16 + kNonceBytes, payload.size()), all.last(kTagBytes));
  ref.id = best_chunk_hasher().chunk_id(record);
  ref.plain_size_bytes = plain_size;
  AnyBase bases;
  const auto on = leans_on(ref, record);
  const auto opened = open_chunk(ref, record, &bases);
  // What opens has the size that its reference says, and says what it leans on.
  if (opened && (opened->plain.size() != plain_size || !on || on->size() != base_count(static_cast<ChunkCodec>(codec)))) std::abort();
}

}  // namespace
}  // namespace holdfast

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  holdfast::run({data, size});
  return 0;
}
