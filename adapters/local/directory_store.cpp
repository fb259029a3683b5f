// SPDX-License-Identifier: Apache-2.0
#include "adapters/local/directory_store.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "adapters/local/posix_file.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/store/object_name.h"

namespace holdfast {

namespace {

using local::Descriptor;
using local::Direction;
using local::posix_error;
using local::TemporaryFile;

constexpr const char* kMarkerName = "holdfast-store";
constexpr std::string_view kMarkerText = "a holdfast store; the format is in core/FORMAT.md\n";

Status look(const CallContext& context, std::string_view doing) {
  return check_context(context, system_clock(), doing);
}

std::string parent_of(const std::string& path) { return std::filesystem::path(path).parent_path().string(); }

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

/// Whether `root` may become a store: empty but for what a fresh filesystem has, or a store whose marker was not copied.
Result<bool> may_become_store(const std::string& root) {
  std::error_code failed;
  bool foreign = false;
  for (std::filesystem::directory_iterator entry(root, failed), end; !failed && entry != end; entry.increment(failed)) {
    const std::string name = entry->path().filename().string();
    if (name == "packs" || name == "meta" || name == "heads") return true;
    if (name != "lost+found" && !name.starts_with('.')) foreign = true;
  }
  if (failed) return posix_error(failed.value(), Direction::kReading, "listing " + root);
  return !foreign;
}

Status write_marker(const std::string& root) {
  HOLDFAST_ASSIGN(TemporaryFile marker, TemporaryFile::create(root));
  HOLDFAST_TRY(marker.write(as_bytes(kMarkerText), CallContext::unbounded()));
  return marker.commit(root + "/" + kMarkerName, true);
}

std::uint64_t sum_of_sizes(const std::string& root) {
  std::uint64_t sum = 0;
  std::error_code failed;
  const auto options = std::filesystem::directory_options::skip_permission_denied;
  for (std::filesystem::recursive_directory_iterator entry(root, options, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    std::error_code gone;  // a file that another process removed meanwhile counts as nothing
    if (!entry->is_regular_file(gone)) continue;
    const std::uintmax_t size_bytes = entry->file_size(gone);
    if (!gone) sum += size_bytes;
  }
  return sum;
}

}  // namespace

DirectoryStore::DirectoryStore(const Options& options) {
  std::error_code failed;
  root_ = std::filesystem::absolute(options.path, failed).lexically_normal().string();
  while (root_.size() > 1 && root_.ends_with('/')) root_.pop_back();
  traits_.name = options.name;
  traits_.type = "local";
  traits_.site = options.site.empty() ? "this-host" : options.site;
  traits_.jurisdiction = options.jurisdiction;
  traits_.calls_in_flight_max = 8;  // a disk gains nothing from more; unmeasured
  traits_.is_at_hand = true;
  traits_.can_remove = true;
  traits_.erases = true;
  traits_.has_mutable_names = true;
}

Result<std::shared_ptr<DirectoryStore>> DirectoryStore::open(const Options& options) {
  if (options.path.empty()) return Error(ErrorCode::kInvalidArgument, "network '" + options.name + "' needs a path");
  std::shared_ptr<DirectoryStore> store(new DirectoryStore(options));
  const std::string& root = store->root_;
  if (Status ready = store->become_store(options.create); !ready) {
    // A mistake in the configuration is one; but a disk or share that is away is a network that is down, and stops nothing else.
    if (ready.error().code() == ErrorCode::kInvalidArgument) return std::move(ready).error();
    log_warning("network " + options.name + " is down: " + ready.error().message());
    return store;
  }
  local::remove_stale_temporaries(root);
  std::error_code failed;
  for (std::filesystem::recursive_directory_iterator entry(root, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    std::error_code gone;
    if (entry->is_directory(gone)) local::remove_stale_temporaries(entry->path().string());
  }
  return store;
}

Status DirectoryStore::become_store(bool create) const {
  if (exists(root_ + "/" + kMarkerName)) return ok_status();
  if (!create) return Error(ErrorCode::kUnavailable, "there is no store in " + root_ + ": is its disk mounted?").on_network(traits_.name);
  HOLDFAST_TRY(local::make_folders(root_));
  HOLDFAST_ASSIGN(const bool usable, may_become_store(root_));
  if (!usable) {
    return Error(ErrorCode::kInvalidArgument, root_ + " has other files in it: give network '" + traits_.name + "' a directory of its own");
  }
  return write_marker(root_);
}

std::string DirectoryStore::path_of(std::string_view locator) const {
  return root_ + "/" + std::string(locator);
}

Status DirectoryStore::check_mounted() const {
  if (exists(root_ + "/" + kMarkerName)) return ok_status();
  return Error(ErrorCode::kUnavailable, root_ + " has no store in it: is its disk mounted?");
}

Error DirectoryStore::explain(Error error) const {
  if (error.code() == ErrorCode::kNotFound) {
    if (Status mounted = check_mounted(); !mounted) return std::move(mounted).error().on_network(traits_.name);
  }
  return std::move(error).on_network(traits_.name);
}

Status DirectoryStore::read(const ObjectRef& ref, std::uint64_t offset, MutableByteView out,
                            const CallContext& context) {
  HOLDFAST_TRY(validate_object_name(ref.locator));
  if (out.empty()) return look(context, "reading " + ref.locator);
  const std::string path = path_of(ref.locator);
  const auto attempt = [&]() -> Status {
    HOLDFAST_TRY(look(context, "reading " + ref.locator));
    HOLDFAST_ASSIGN(const Descriptor file, local::open_to_read(path));
    HOLDFAST_ASSIGN(const std::uint64_t size_bytes, local::size_of(file, path));
    if (offset > size_bytes || out.size() > size_bytes - offset) {
      return Error(ErrorCode::kOutOfRange, "reading " + path + ": it has " + std::to_string(size_bytes) +
                                               " bytes, asked for " + std::to_string(out.size()) + " at " +
                                               std::to_string(offset));
    }
    return local::read_at(file, path, offset, out, context);
  };
  Status status = attempt();
  if (!status) return explain(std::move(status).error());
  return ok_status();
}

Result<Durability> DirectoryStore::probe(const ObjectRef& ref, const CallContext& context) {
  HOLDFAST_TRY(validate_object_name(ref.locator));
  HOLDFAST_TRY(look(context, "probing " + ref.locator));
  const std::string path = path_of(ref.locator);
  struct stat about {};
  if (::lstat(path.c_str(), &about) != 0) {
    Error error = explain(posix_error(errno, Direction::kReading, "probing " + path));
    if (error.code() == ErrorCode::kNotFound) return Durability::kAbsent;
    return error;
  }
  const bool whole = S_ISREG(about.st_mode) && static_cast<std::uint64_t>(about.st_size) == ref.size_bytes;
  return whole ? Durability::kDurable : Durability::kAbsent;
}

Result<StoreHealth> DirectoryStore::health(const CallContext& context) {
  HOLDFAST_TRY(look(context, "looking at " + root_));
  StoreHealth health;
  if (const Status mounted = check_mounted(); !mounted) {
    health.detail = mounted.error().message();
    return health;
  }
  struct statvfs disk {};
  if (::statvfs(root_.c_str(), &disk) != 0) {
    return posix_error(errno, Direction::kReading, "asking for free space of " + root_).on_network(traits_.name);
  }
  const std::uint64_t free_bytes = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
  const std::lock_guard lock(used_mutex_);
  if (!used_bytes_) used_bytes_ = sum_of_sizes(root_);
  health.reachable = true;
  health.detail = "directory " + root_;
  health.used_bytes = *used_bytes_;
  health.capacity_bytes = *used_bytes_ + free_bytes;
  return health;
}

void DirectoryStore::count_added(std::uint64_t size_bytes) {
  const std::lock_guard lock(used_mutex_);
  if (used_bytes_) *used_bytes_ += size_bytes;
}

Status DirectoryStore::prepare_folder_of(const std::string& path) {
  HOLDFAST_TRY(check_mounted());
  const std::string folder = parent_of(path);
  const std::lock_guard lock(folders_mutex_);
  if (folders_.contains(folder) && exists(folder)) return ok_status();
  HOLDFAST_TRY(local::make_folders(folder));
  folders_.insert(folder);
  return ok_status();
}

Status DirectoryStore::settle_existing(const std::string& path, const Result<bool>& equal) const {
  if (!equal) return equal.error();
  if (!*equal) {
    return Error(ErrorCode::kAlreadyExists, "putting " + path + ": other bytes are stored under that name; remove it first");
  }
  // An earlier put may have failed between naming the file and making that durable.
  HOLDFAST_TRY(local::sync_file(path));
  return local::sync_folder(parent_of(path));
}

Result<ObjectRef> DirectoryStore::put(const ObjectName& name, ByteView object, const CallContext& context) {
  HOLDFAST_TRY(validate_object_name(name));
  const std::string path = path_of(name);
  const auto attempt = [&]() -> Status {
    HOLDFAST_TRY(look(context, "putting " + name));
    HOLDFAST_TRY(prepare_folder_of(path));
    if (exists(path)) return settle_existing(path, local::file_equals(path, object, context));
    HOLDFAST_ASSIGN(TemporaryFile file, TemporaryFile::create(parent_of(path)));
    HOLDFAST_TRY(file.write(object, context));
    Status named = file.commit(path, false);
    if (!named && named.error().code() == ErrorCode::kAlreadyExists) {
      return settle_existing(path, local::file_equals(path, object, context));
    }
    if (named) count_added(object.size());
    return named;
  };
  Status status = attempt();
  if (!status) return std::move(status).error().on_network(traits_.name);
  return ObjectRef{.locator = name, .size_bytes = object.size()};
}

Result<ObjectRef> DirectoryStore::put_file(const ObjectName& name, const std::string& path,
                                           const CallContext& context) {
  HOLDFAST_TRY(validate_object_name(name));
  const std::string target = path_of(name);
  const auto attempt = [&]() -> Result<std::uint64_t> {
    HOLDFAST_TRY(look(context, "putting " + name));
    HOLDFAST_ASSIGN(const Descriptor source, local::open_to_read(path));
    HOLDFAST_ASSIGN(const std::uint64_t size_bytes, local::size_of(source, path));
    HOLDFAST_TRY(prepare_folder_of(target));
    if (::fsync(source.get()) != 0) return posix_error(errno, Direction::kWriting, "syncing " + path);
    if (::link(path.c_str(), target.c_str()) == 0) {
      count_added(size_bytes);
      HOLDFAST_TRY(local::sync_folder(parent_of(target)));
      return size_bytes;
    }
    if (errno != EEXIST) {  // another filesystem, or one without links: copy
      HOLDFAST_ASSIGN(TemporaryFile file, TemporaryFile::create(parent_of(target)));
      HOLDFAST_TRY(file.write_all_of(source, path, context));
      Status named = file.commit(target, false);
      if (named) count_added(size_bytes);
      if (named || named.error().code() != ErrorCode::kAlreadyExists) {
        HOLDFAST_TRY(std::move(named));
        return size_bytes;
      }
    }
    HOLDFAST_TRY(settle_existing(target, local::files_equal(path, target, context)));
    return size_bytes;
  };
  Result<std::uint64_t> size_bytes = attempt();
  if (!size_bytes) return std::move(size_bytes).error().on_network(traits_.name);
  return ObjectRef{.locator = name, .size_bytes = *size_bytes};
}

Status DirectoryStore::remove(const ObjectRef& ref, const CallContext& context) {
  HOLDFAST_TRY(validate_object_name(ref.locator));
  HOLDFAST_TRY(look(context, "removing " + ref.locator));
  const std::string path = path_of(ref.locator);
  struct stat about {};
  const bool known = ::lstat(path.c_str(), &about) == 0;
  if (::unlink(path.c_str()) != 0) {
    Error error = explain(posix_error(errno, Direction::kWriting, "removing " + path));
    if (error.code() == ErrorCode::kNotFound) return ok_status();
    return error;
  }
  if (known) {
    const std::lock_guard lock(used_mutex_);
    if (used_bytes_) *used_bytes_ -= std::min(*used_bytes_, static_cast<std::uint64_t>(about.st_size));
  }
  Status synced = local::sync_folder(parent_of(path));
  if (!synced) return std::move(synced).error().on_network(traits_.name);
  return ok_status();
}

Result<std::string> DirectoryStore::publish_head(const RepositoryId& repository, std::uint32_t slot,
                                                 ByteView /*key_seed*/, ByteView head, const CallContext& context) {
  const std::string locator = head_name(repository, slot);
  if (head.size() > kHeadMaxBytes) return Error(ErrorCode::kInvalidArgument, "publishing " + locator + ": over 1 MiB");
  const auto attempt = [&]() -> Status {
    HOLDFAST_TRY(look(context, "publishing " + locator));
    const std::string path = path_of(locator);
    HOLDFAST_TRY(prepare_folder_of(path));
    HOLDFAST_ASSIGN(TemporaryFile file, TemporaryFile::create(parent_of(path)));
    HOLDFAST_TRY(file.write(head, context));
    return file.commit(path, true);
  };
  Status status = attempt();
  if (!status) return std::move(status).error().on_network(traits_.name);
  return locator;
}

Result<Bytes> DirectoryStore::read_head(const std::string& path, const CallContext& context) const {
  HOLDFAST_TRY(look(context, "reading " + path));
  HOLDFAST_ASSIGN(const Descriptor file, local::open_to_read(path));
  HOLDFAST_ASSIGN(const std::uint64_t size_bytes, local::size_of(file, path));
  if (size_bytes > kHeadMaxBytes) return Error(ErrorCode::kCorrupt, path + " is over 1 MiB: no head");
  Bytes head(static_cast<std::size_t>(size_bytes));
  HOLDFAST_TRY(local::read_at(file, path, 0, head, context));
  return head;
}

Result<std::optional<Bytes>> DirectoryStore::resolve_head(const RepositoryId& repository, std::uint32_t slot,
                                                          ByteView /*key_seed*/, const CallContext& context) {
  Result<Bytes> head = read_head(path_of(head_name(repository, slot)), context);
  if (head) return std::optional<Bytes>(std::move(*head));
  Error error = explain(std::move(head).error());
  if (error.code() == ErrorCode::kNotFound) return std::optional<Bytes>();
  return error;
}

Result<Bytes> DirectoryStore::fetch_head(const std::string& locator, const CallContext& context) {
  std::string_view relative = locator;
  if (relative.starts_with(root_ + "/")) relative.remove_prefix(root_.size() + 1);
  if (!is_head_name(relative)) {
    return Error(ErrorCode::kInvalidArgument, "a head in a directory is named heads/<repository id>/<slot>");
  }
  Result<Bytes> head = read_head(path_of(relative), context);
  if (!head) return explain(std::move(head).error());
  return head;
}

}  // namespace holdfast
