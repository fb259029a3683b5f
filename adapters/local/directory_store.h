// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>
#include <set>

#include "core/store/object_store.h"

namespace holdfast {

/// The network `local`: a directory of this machine (or of a disk or share mounted on it). Objects are files under their
/// object names, heads are files `heads/<repository id>/<slot>`; all are written atomically and durably.
/// Locators are object names; the locator of a head is its path below the directory. Safe from any thread, and several
/// processes may use one directory.
///
/// put answers kAlreadyExists where other bytes are stored under the name: objects never change in place. Every call but
/// health answers kUnavailable when the directory has lost its marker file, as an unmounted disk has, so that an empty
/// mount point is never taken for a network that has lost everything.
class DirectoryStore final : public ObjectStore {
 public:
  struct Options {
    std::string name = "local";
    std::string path = {};  ///< made when missing, unless `create` is false
    std::string site = "this-host";
    std::string jurisdiction = {};
    bool create = true;  ///< false: refuse a directory that is no store yet (removable disks)
  };
  /// Opens the directory, makes it a store when it is empty, and sweeps what crashed writers left. One that can't be reached now (a disk or share
  /// that is away) is a network that is down: its calls answer kUnavailable until it is there.
  /// Errors: kInvalidArgument (no path; neither empty nor a store).
  static Result<std::shared_ptr<DirectoryStore>> open(const Options& options);

  const StoreTraits& traits() const noexcept override { return traits_; }
  Status read(const ObjectRef& ref, std::uint64_t offset, MutableByteView out, const CallContext& context) override;
  Result<Durability> probe(const ObjectRef& ref, const CallContext& context) override;
  Result<StoreHealth> health(const CallContext& context) override;
  Result<ObjectRef> put(const ObjectName& name, ByteView object, const CallContext& context) override;
  /// Hard-links `path` where both are on one filesystem, else copies it. The file is synced first.
  Result<ObjectRef> put_file(const ObjectName& name, const std::string& path, const CallContext& context) override;
  Status remove(const ObjectRef& ref, const CallContext& context) override;
  Result<std::string> publish_head(const RepositoryId& repository, std::uint32_t slot, ByteView key_seed,
                                   ByteView head, const CallContext& context) override;
  Result<std::optional<Bytes>> resolve_head(const RepositoryId& repository, std::uint32_t slot, ByteView key_seed,
                                            const CallContext& context) override;
  Result<Bytes> fetch_head(const std::string& locator, const CallContext& context) override;

 private:
  explicit DirectoryStore(const Options& options);
  Status become_store(bool create) const;
  [[nodiscard]] std::string path_of(std::string_view locator) const;
  [[nodiscard]] Status check_mounted() const;
  /// `error`, or kUnavailable when it says "not found" because the whole directory is gone.
  [[nodiscard]] Error explain(Error error) const;
  /// What is answered when `name` exists already: success only for equal bytes, made durable again.
  Status settle_existing(const std::string& path, const Result<bool>& equal) const;
  /// Makes the folder of an object, durably. Errors: kUnavailable when the store is gone.
  Status prepare_folder_of(const std::string& path);
  Result<Bytes> read_head(const std::string& path, const CallContext& context) const;
  void count_added(std::uint64_t size_bytes);

  StoreTraits traits_;
  std::string root_;
  std::mutex folders_mutex_;
  std::set<std::string> folders_;  // made and synced in this run
  std::mutex used_mutex_;
  std::optional<std::uint64_t> used_bytes_;  // summed at the first health(), then kept up to date
};

}  // namespace holdfast
