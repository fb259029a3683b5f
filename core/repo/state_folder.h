// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"

namespace holdfast {

/// Where things lie in a state folder.
struct StatePaths {
  std::string root;
  [[nodiscard]] std::string lock() const { return root + "/lock"; }
  [[nodiscard]] std::string identity() const { return root + "/repository"; }
  [[nodiscard]] std::string keyring() const { return root + "/keyring"; }
  /// The keyring that goes to networks: vault and repository, with the recovery code mixed in.
  [[nodiscard]] std::string published_keyring() const { return root + "/keyring.networks"; }
  [[nodiscard]] std::string log() const { return root + "/log"; }
  [[nodiscard]] std::string journal() const { return root + "/journal"; }
  [[nodiscard]] std::string published() const { return root + "/published"; }
  [[nodiscard]] std::string pack_table() const { return root + "/packs.hft"; }
  [[nodiscard]] std::string domains() const { return root + "/domains"; }
  [[nodiscard]] std::string notices() const { return root + "/notices"; }
  /// There while init is at work: what is in the folder then is no repository yet.
  [[nodiscard]] std::string unfinished() const { return root + "/unfinished"; }
  /// There while the index lacks packs that the pack table has.
  [[nodiscard]] std::string reindex() const { return root + "/reindex"; }
  /// There until a recovery has read the catalog: the network to read it from, and whether databases are taken over.
  [[nodiscard]] std::string takeover() const { return root + "/takeover"; }
  /// The head that the recovery began with: what it can be read by when the network's name for it is gone.
  [[nodiscard]] std::string takeover_head() const { return root + "/takeover.head"; }
  [[nodiscard]] std::string running() const { return root + "/running"; }
};

/// Exclusive ownership of a state folder (flock on its file `lock`, which tells the owner's pid). Freed by destruction, or by the kernel when the process ends.
class StateLock {
 public:
  /// Makes the folder where it is absent (0711: others reach the owner's socket in it and see no names; all else in it
  /// is 0600 or 0700). Errors: kConflict naming the pid that has it; kNoSpace, kPermissionDenied, kInternal.
  static Result<std::unique_ptr<StateLock>> acquire(const StatePaths& paths);
  ~StateLock();
  StateLock(const StateLock&) = delete;
  StateLock& operator=(const StateLock&) = delete;

 private:
  explicit StateLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

/// Which writer this state folder is.
struct RepositoryIdentity {
  Bytes genesis;
  Bytes certificate;
  IncarnationId incarnation;
  std::vector<IncarnationId> earlier;  ///< incarnations of this writer that ended
};
Bytes encode_identity(const RepositoryIdentity& identity);
/// Errors: kCorrupt, kUnsupported.
Result<RepositoryIdentity> decode_identity(ByteView bytes);

/// Makes a folder (0700) if it is absent. Errors: kNoSpace, kPermissionDenied, kInternal.
Status make_folder(const std::string& path);
/// Whether something is at `path`.
[[nodiscard]] bool path_exists(const std::string& path);
/// Removes a file; absence is success. Errors: kInternal.
Status remove_file(const std::string& path);

/// What tells one run of the machine from another; empty where it can't be known.
std::string machine_boot_id();

}  // namespace holdfast
