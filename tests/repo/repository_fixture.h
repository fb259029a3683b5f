// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <thread>

#include "adapters/local/directory_store.h"
#include "adapters/memory/memory_store.h"
#include "core/index/memory_chunk_index.h"
#include "core/repo/repository.h"
#include "core/tree/content.h"
#include "tests/support/faulty_store.h"
#include "tests/support/seeded_random.h"

namespace holdfast::testing {

/// A machine with a state folder of its own; networks are shared between machines.
class Machine {
 public:
  explicit Machine(std::shared_ptr<NetworkSet> networks, std::string host = "db1") : networks_(std::move(networks)), host_(std::move(host)) {
    std::string pattern = (std::filesystem::temp_directory_path() / "holdfast-repo-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~Machine() {
    repository_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  OpenOptions options() {
    OpenOptions out;
    out.state_directory = state();
    out.networks = networks_;
    out.clock = clock_;
    out.random = &system_random();
    out.host = host_;
    out.configured_databases = databases_;
    out.steward = steward_;
    // The view lives as long as the machine: what a real one has on disk. The index is lost with the process.
    out.open_stores = [this](ByteView, ByteView) -> Result<LocalStores> {
      if (!view_) view_ = make_memory_view_store();
      return LocalStores{index_ ? index_ : make_memory_chunk_index(), make_memory_chunk_cache(8U << 20), view_, features_};
    };
    return out;
  }
  [[nodiscard]] std::string state() const { return folder_ + "/state"; }

  InitResult init() {
    KdfParameters kdf;
    kdf.iterations = 100'000;
    auto made = Repository::init(options(), as_bytes(kPassphrase), kdf);
    EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().message());
    return made ? std::move(*made) : InitResult{};
  }
  Repository& open() {
    auto opened = Repository::open(options(), as_bytes(kPassphrase));
    EXPECT_TRUE(opened.has_value()) << (opened ? "" : opened.error().message());
    if (opened) repository_ = std::move(*opened);
    return *repository_;
  }
  Result<Repository*> recover(const InitResult& sheet, const std::string& network, bool connect = false, const std::string& database = {}) {
    Repository::RecoverOptions what;
    what.network = network;
    what.repository = sheet.repository.hex();
    what.root_fingerprint = sheet.root_fingerprint;
    what.connect = connect;
    what.database = database;
    HOLDFAST_ASSIGN(repository_, Repository::recover(options(), what, as_bytes(kPassphrase), sheet.code));
    return repository_.get();
  }
  Result<Repository*> recover_as(const Repository::RecoverOptions& what, const RecoveryCode& code) {
    HOLDFAST_ASSIGN(repository_, Repository::recover(options(), what, as_bytes(kPassphrase), code));
    return repository_.get();
  }
  Repository& repository() { return *repository_; }
  /// Ends as a process does that closes its repository.
  void close() {
    if (!repository_) return;
    const auto closed = repository_->close();
    EXPECT_TRUE(closed.has_value()) << (closed ? "" : closed.error().message());
    repository_.reset();
  }
  void forget_view() { view_.reset(); }
  /// From the next opening on.
  void use_networks(std::shared_ptr<NetworkSet> networks) { networks_ = std::move(networks); }
  void use_clock(Clock& clock) { clock_ = &clock; }
  void use_steward(const StewardOptions& steward) { steward_ = steward; }
  void use_index(std::shared_ptr<ChunkIndex> index) { index_ = std::move(index); }
  const std::shared_ptr<FeatureTable>& features() { return features_; }
  void configure(const std::string& name, DatabasePolicy policy) {
    databases_[name] = [policy = std::move(policy)](DatabasePolicy& out) { out = policy; };
  }
  void configure(const std::string& name, PolicyEdit edit) { databases_[name] = std::move(edit); }

  static constexpr std::string_view kPassphrase = "correct horse battery staple";

 private:
  std::shared_ptr<NetworkSet> networks_;
  std::string host_;
  std::string folder_;
  Clock* clock_ = &system_clock();
  StewardOptions steward_;
  std::shared_ptr<ViewStore> view_;
  std::shared_ptr<ChunkIndex> index_;
  std::shared_ptr<FeatureTable> features_ = make_memory_feature_table();
  std::map<std::string, PolicyEdit> databases_;
  std::unique_ptr<Repository> repository_;
};

inline std::shared_ptr<MemoryStore> memory_network(const std::string& name, const std::string& site) {
  MemoryStore::Options options;
  options.name = name;
  options.site = site;
  return std::make_shared<MemoryStore>(options);
}

inline std::shared_ptr<NetworkSet> two_sites() {
  return std::make_shared<NetworkSet>(std::vector<std::shared_ptr<ObjectStore>>{memory_network("alpha", "dc1"), memory_network("beta", "dc2")});
}

/// Writes a file of the live tree from its start, replacing what was there.
inline void write_file(Repository& repository, const std::string& database, const std::string& name, ByteView content) {
  const auto context = CallContext::unbounded();
  const auto live = repository.live(database);
  ASSERT_TRUE(live.has_value()) << live.error().message();
  auto found = (*live)->lookup(LiveTree::kRootIno, name, context);
  if (!found) {
    NewNode node;
    node.mode = 0100600;
    found = (*live)->make_node(LiveTree::kRootIno, name, node, context);
  }
  ASSERT_TRUE(found.has_value()) << found.error().message();
  {
    const auto file = (*live)->open_file(found->ino, true, context);
    ASSERT_TRUE(file.has_value()) << file.error().message();
    SetAttributes cut;
    cut.size_bytes = 0;
    ASSERT_TRUE((*live)->set_attributes(found->ino, cut, context).has_value());
    ASSERT_TRUE((*file)->write(0, content, context).has_value());
    ASSERT_TRUE((*file)->flush(context).has_value());
  }
  (*live)->forget(found->ino, 1);
}

inline Result<Bytes> read_stored(ChunkSource& source, const Inode& root, const TreeRoot& links, const std::string& name) {
  (void)links;
  const auto* directory = std::get_if<DirectoryContent>(&root.content);
  const auto context = CallContext::unbounded();
  HOLDFAST_ASSIGN(const auto entry, TreeReader(source).find(directory ? TreeRoot(directory->root) : TreeRoot(), name, context));
  if (!entry) return Error(ErrorCode::kNotFound, "no file " + name);
  Bytes out(entry->inode.size_bytes);
  HOLDFAST_ASSIGN(const std::size_t got, ContentReader(source).read(entry->inode, 0, out, context));
  out.resize(got);
  return out;
}

/// A file of a snapshot.
inline Result<Bytes> read_file(Repository& repository, const SnapshotId& id, const std::string& name) {
  HOLDFAST_ASSIGN(const auto view, repository.open_snapshot(id, CallContext::unbounded()));
  return read_stored(repository.source(), view.root, view.links, name);
}

/// A file of the live tree.
inline Result<Bytes> read_live(Repository& repository, const std::string& database, const std::string& name) {
  const auto context = CallContext::unbounded();
  HOLDFAST_ASSIGN(LiveTree * live, repository.live(database));
  HOLDFAST_ASSIGN(const auto found, live->lookup(LiveTree::kRootIno, name, context));
  Result<Bytes> out = Bytes(found.size_bytes);
  {
    HOLDFAST_ASSIGN(const auto file, live->open_file(found.ino, false, context));
    HOLDFAST_ASSIGN(const std::size_t got, file->read(0, *out, context));
    out->resize(got);
  }
  live->forget(found.ino, 1);
  return out;
}

inline SealResult seal(Repository& repository, const std::string& database, const SealOptions& options = {}) {
  auto sealed = repository.seal(database, options, CallContext::unbounded());
  EXPECT_TRUE(sealed.has_value()) << (sealed ? "" : sealed.error().message());
  return sealed ? std::move(*sealed) : SealResult{};
}

/// Generous, for a busy machine; nothing is asserted about time.
inline CallContext patient() { return with_timeout(CallContext::unbounded(), system_clock(), std::chrono::seconds(120)); }

}  // namespace holdfast::testing
