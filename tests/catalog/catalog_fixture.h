// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "core/catalog/head.h"
#include "core/catalog/log_file.h"
#include "core/catalog/log_segment.h"
#include "core/crypto/keyring.h"
#include "core/catalog/snapshot_record.h"
#include "tests/support/seeded_random.h"

namespace holdfast::testing {

/// A folder that goes with the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "holdfast-test-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Keys of a repository and of one writer.
struct CatalogWorld {
  SeededRandom random{7};
  RepositoryId repository = RepositoryId::from(random.bytes(16)).value();
  Bytes root_seed = random.bytes(32);
  Bytes vault_secret = random.bytes(32);
  Bytes writer_seed = random.bytes(32);
  Bytes k_cat = random.bytes(32);
  Genesis genesis{repository, 1'700'000'000'000'000'000, ed25519_public(root_seed), x25519_public(vault_secret)};
  Certificate certificate{repository, ed25519_public(writer_seed), 3, kRoleWrite | kRoleMaintain, 42, "db1"};
  LogIdentity log{repository, writer_id_of(certificate.writer_key), IncarnationId::from(random.bytes(16)).value()};

  SnapshotFields fields() {
    SnapshotFields out;
    out.database = "orders";
    out.label = "before-upgrade";
    out.strategy = "incremental";
    out.tags = {"sox", "eu"};
    out.root.ino = 1;
    out.root.mode = 0040700;
    out.root.nlink = 2;
    out.content_hash = Digest::from(random.bytes(32)).value();
    out.incomplete_paths = {"a/b.sql"};
    out.host = "db1";
    out.program = "0.1.0";
    return out;
  }
  SnapshotRecord record() {
    SnapshotRecord out;
    out.time = 1'795'000'000'000'000'001;
    out.writer = log.writer;
    out.content_root = Digest::from(random.bytes(32)).value();
    out.bytes_new = 123'456;
    out.completeness = Completeness::kComplete;
    out.database = DatabaseId::from(random.bytes(16)).value();
    return out;
  }
};

}  // namespace holdfast::testing
