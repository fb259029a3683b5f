// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/hash.h"
#include "core/crypto/keyring.h"
#include "core/format/byte_writer.h"

namespace holdfast {

RepositoryKeys::RepositoryKeys(RepositoryId repository, ByteView repository_secret)
    : repository_(repository),
      secret_(SecretBytes::copy_of(repository_secret)),
      catalog_(derive_key(repository_secret, repository, "catalog", {})),
      maintenance_(derive_key(repository_secret, repository, "maintenance", {})),
      fingerprint_(derive_key(repository_secret, repository, "fingerprint", {})),
      chunker_(derive_key(repository_secret, repository, "chunker", {})) {}

SecretBytes RepositoryKeys::head_seed(std::uint32_t slot, std::string_view network) const {
  Bytes context;
  ByteWriter(context).u32(slot);
  append(context, as_bytes(network));
  return derive_key(secret_.view(), repository_, "head", context);
}

}  // namespace holdfast
