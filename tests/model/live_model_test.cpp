// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/model/tree_model.h"
#include "tests/support/live_fixture.h"

namespace holdfast {
namespace {

using testing::LiveFixture;
using testing::ModelNode;
using testing::ModelNodePtr;
using testing::ModelPlace;
using testing::SeededRandom;

const CallContext kContext;
constexpr std::uint64_t kFileMaxBytes = 40'000;
constexpr std::size_t kHandlesMax = 5;

/// Runs random operations on a live tree and the model side by side.
class ModelRun {
 public:
  explicit ModelRun(std::uint64_t seed) : random_(seed), live_(options(seed), seed) {
    root_->type = ModelNode::Type::kDirectory;
    durable_ = testing::durable_copy(root_);
  }
  ~ModelRun() { close_all(); }

  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      live_.clock().advance(std::chrono::milliseconds(1));
      step();
      if (i % 25 == 24) compare_all();
    }
    compare_all();
  }

 private:
  static LiveTreeOptions options(std::uint64_t seed) {
    LiveTreeOptions options = LiveFixture::default_options();
    // Every third seed folds by itself all the time.
    if (seed % 3 == 0) options.dirty_inodes_max = 8;
    return options;
  }
  struct Handle {
    ModelNodePtr node;
    std::shared_ptr<LiveFile> file;
    std::uint64_t ino;
  };

  std::string any_name() { return std::string(1, static_cast<char>('a' + random_.next_below(7))); }
  ModelPlace any_place() {
    std::vector<ModelPlace> places;
    std::vector<std::string> path;
    collect_directories(root_, path, places);
    return places[random_.next_below(places.size())];
  }
  /// Pins the directory at the path.
  std::uint64_t resolve(const std::vector<std::string>& path) {
    std::uint64_t at = LiveTree::kRootIno;
    for (const std::string& name : path) {
      const auto next = live_->lookup(at, name, kContext);
      EXPECT_TRUE(next) << name << ": " << (next ? "" : next.error().message());
      if (at != LiveTree::kRootIno) live_->forget(at, 1);
      if (!next) return 0;
      at = next->ino;
    }
    return at;
  }
  void release(std::uint64_t ino) {
    if (ino != LiveTree::kRootIno) live_->forget(ino, 1);
  }
  void expect_same(bool expected, bool actual, const char* what) { EXPECT_EQ(expected, actual) << what; }

  void step() {
    switch (random_.next_below(26)) {
      case 0: case 1: case 2: return make(ModelNode::Type::kFile);
      case 3: return make(ModelNode::Type::kDirectory);
      case 4: return make(ModelNode::Type::kSymlink);
      case 5: return link();
      case 6: return remove();
      case 7: case 8: return rename();
      case 9: case 10: return open();
      case 11: return close();
      case 12: case 13: case 14: case 15: case 16: return write();
      case 17: return truncate();
      case 18: return punch();
      case 19: return flush(false);
      case 20: return flush(true);
      case 21: return change_attributes();
      case 22: return read_some();
      case 23: return seal();
      case 24: return random_.next_below(3) == 0 ? checkpoint() : sync();
      default: return random_.next_below(4) == 0 ? crash() : sync();
    }
  }

  void make(ModelNode::Type type) {
    const ModelPlace place = any_place();
    const std::string name = any_name();
    const bool expected = !place.directory->names.contains(name);
    const std::uint32_t mode = type == ModelNode::Type::kDirectory ? 0040644U : type == ModelNode::Type::kFile ? 0100644U : 0120644U;
    const std::uint64_t parent = resolve(place.path);
    const auto made = live_->make_node(parent, name, {mode, 1, 2, 0, type == ModelNode::Type::kSymlink ? "to-" + name : ""}, kContext);
    expect_same(expected, made.has_value(), "make_node");
    if (made) release(made->ino);
    release(parent);
    if (!expected) return;
    auto node = std::make_shared<ModelNode>();
    node->type = type;
    node->target = "to-" + name;
    place.directory->names[name] = node;
  }

  void link() {
    const ModelPlace from = any_place();
    const ModelPlace to = any_place();
    const std::string name = any_name();
    const std::string new_name = any_name();
    const auto found = from.directory->names.find(name);
    if (found == from.directory->names.end()) return;
    const ModelNodePtr node = found->second;
    const bool expected = !node->is_directory() && !to.directory->names.contains(new_name);
    const std::uint64_t old_parent = resolve(from.path);
    const std::uint64_t parent = resolve(to.path);
    const auto inode = live_->lookup(old_parent, name, kContext);
    ASSERT_TRUE(inode);
    const auto linked = live_->link(inode->ino, parent, new_name, kContext);
    expect_same(expected, linked.has_value(), "link");
    if (linked) release(linked->ino);
    release(inode->ino);
    release(old_parent);
    release(parent);
    if (!expected) return;
    to.directory->names[new_name] = node;
    ++node->links;
  }

  void remove() {
    const ModelPlace place = any_place();
    const std::string name = any_name();
    const auto found = place.directory->names.find(name);
    if (found == place.directory->names.end()) return;
    const ModelNodePtr node = found->second;
    const std::uint64_t parent = resolve(place.path);
    const bool expected = !node->is_directory() || node->names.empty();
    const Status status = node->is_directory() ? live_->remove_directory(parent, name, kContext) : live_->unlink(parent, name, kContext);
    expect_same(expected, status.has_value(), "remove");
    release(parent);
    if (!expected) return;
    --node->links;
    place.directory->names.erase(name);
  }

  void rename() {
    const ModelPlace from = any_place();
    const ModelPlace to = any_place();
    const std::string name = any_name();
    const std::string new_name = any_name();
    const auto mode = static_cast<int>(random_.next_below(3));
    const std::uint64_t parent = resolve(from.path);
    const std::uint64_t new_parent = resolve(to.path);
    const Status status = live_->rename(parent, name, new_parent, new_name, static_cast<RenameMode>(mode), kContext);
    expect_same(model_rename(from, name, to, new_name, mode), status.has_value(), "rename");
    release(parent);
    release(new_parent);
  }

  void open() {
    const ModelPlace place = any_place();
    for (const auto& [name, node] : place.directory->names) {
      if (node->type != ModelNode::Type::kFile || random_.next_below(2) == 0) continue;
      if (handles_.size() >= kHandlesMax) close();
      const std::uint64_t parent = resolve(place.path);
      const auto found = live_->lookup(parent, name, kContext);
      ASSERT_TRUE(found);
      auto file = live_->open_file(found->ino, true, kContext);
      ASSERT_TRUE(file);
      handles_.push_back({node, *file, found->ino});
      release(parent);
      return;
    }
  }
  void close() {
    if (handles_.empty()) return;
    const std::size_t index = random_.next_below(handles_.size());
    const Handle handle = std::move(handles_[index]);
    handles_.erase(handles_.begin() + static_cast<std::ptrdiff_t>(index));
    handle.node->flushed = handle.node->data;
    const_cast<Handle&>(handle).file.reset();
    release(handle.ino);
  }
  void close_all() {
    for (Handle& handle : handles_) {
      handle.file.reset();
      release(handle.ino);
    }
    handles_.clear();
  }
  Handle* any_handle() { return handles_.empty() ? nullptr : &handles_[random_.next_below(handles_.size())]; }

  void write() {
    Handle* const handle = any_handle();
    if (handle == nullptr) return open();
    Bytes& data = handle->node->data;
    Bytes bytes = random_.bytes(random_.next_below(3) == 0 ? random_.next_below(9000) : random_.next_below(700));
    if (random_.next_below(4) == 0) std::fill(bytes.begin(), bytes.end(), std::uint8_t{0});
    std::uint64_t offset = data.size();
    const auto choice = random_.next_below(4);
    if (choice == 0) offset = random_.next_below(data.size() + 1);
    if (choice == 1) offset = random_.next_below(data.size() + 3000);
    if (offset + bytes.size() > kFileMaxBytes) return;
    if (choice == 3) {
      const auto at = handle->file->append(bytes, kContext);
      ASSERT_TRUE(at) << at.error().message();
      EXPECT_EQ(*at, offset);
    } else {
      const Status status = handle->file->write(offset, bytes, kContext);
      ASSERT_TRUE(status) << status.error().message();
    }
    if (bytes.empty()) return;
    if (data.size() < offset + bytes.size()) data.resize(static_cast<std::size_t>(offset) + bytes.size());
    std::copy(bytes.begin(), bytes.end(), data.begin() + static_cast<std::ptrdiff_t>(offset));
  }

  void truncate() {
    Handle* const handle = any_handle();
    if (handle == nullptr) return;
    SetAttributes changes;
    Bytes& data = handle->node->data;
    changes.size_bytes = random_.next_below(5) == 0 ? 0 : random_.next_below(std::min<std::uint64_t>(kFileMaxBytes, data.size() + 2000));
    const auto after = live_->set_attributes(handle->ino, changes, kContext);
    ASSERT_TRUE(after);
    data.resize(static_cast<std::size_t>(*changes.size_bytes));
    EXPECT_EQ(after->size_bytes, data.size());
  }

  void punch() {
    Handle* const handle = any_handle();
    if (handle == nullptr) return;
    Bytes& data = handle->node->data;
    const std::uint64_t offset = random_.next_below(data.size() + 100);
    const std::uint64_t size = random_.next_below(6000);
    const bool grows = random_.next_below(3) == 0 && offset + size < kFileMaxBytes;
    const Status status = grows ? handle->file->zero_range(offset, size, false, kContext) : handle->file->punch_hole(offset, size, kContext);
    ASSERT_TRUE(status) << status.error().message();
    if (grows && data.size() < offset + size) data.resize(static_cast<std::size_t>(offset + size));
    for (std::uint64_t i = offset; i < std::min<std::uint64_t>(offset + size, data.size()); ++i) data[i] = 0;
  }

  void flush(bool sync_too) {
    Handle* const handle = any_handle();
    if (handle == nullptr) return;
    const Status status = sync_too ? handle->file->sync(kContext) : handle->file->flush(kContext);
    ASSERT_TRUE(status) << status.error().message();
    handle->node->flushed = handle->node->data;
    if (sync_too) durable_ = testing::durable_copy(root_);
  }

  void change_attributes() {
    const ModelPlace place = any_place();
    if (place.directory->names.empty()) return;
    const auto& [name, node] = *place.directory->names.begin();
    const std::uint64_t parent = resolve(place.path);
    const auto found = live_->lookup(parent, name, kContext);
    ASSERT_TRUE(found);
    SetAttributes changes;
    changes.mode = node->permissions = static_cast<std::uint32_t>(random_.next_below(0777));
    ASSERT_TRUE(live_->set_attributes(found->ino, changes, kContext));
    const std::string value = std::to_string(random_.next_below(100));
    ASSERT_TRUE(live_->set_xattr(found->ino, "user.x", value, LiveTree::XattrMode::kSet, kContext));
    node->xattrs["user.x"] = value;
    release(found->ino);
    release(parent);
  }

  void read_some() {
    Handle* const handle = any_handle();
    if (handle == nullptr) return;
    const Bytes& data = handle->node->data;
    const std::uint64_t offset = random_.next_below(data.size() + 10);
    Bytes out(random_.next_below(5000));
    const auto count = handle->file->read(offset, out, kContext);
    ASSERT_TRUE(count) << count.error().message();
    const std::uint64_t expected = offset >= data.size() ? 0 : std::min<std::uint64_t>(out.size(), data.size() - offset);
    ASSERT_EQ(*count, expected);
    EXPECT_TRUE(std::equal(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(expected), data.begin() + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(offset, data.size()))));
  }

  void sync() {
    ASSERT_TRUE(live_->sync());
    durable_ = testing::durable_copy(root_);
  }
  void checkpoint() {
    ASSERT_TRUE(live_.journal().begin_checkpoint());
    live_->append_checkpoint();
    ASSERT_TRUE(live_.pipeline().commit());
    ASSERT_TRUE(live_.journal().finish_checkpoint());
    durable_ = testing::durable_copy(root_);
  }
  void seal() {
    const auto sealed = live_->seal(nullptr, kContext);
    ASSERT_TRUE(sealed) << sealed.error().message();
    const auto found = live_.walk(*sealed);
    std::size_t count = 0;
    compare_sealed(testing::durable_copy(root_), "", found, count);
    EXPECT_EQ(found.size(), count);
  }
  void compare_sealed(const ModelNodePtr& directory, const std::string& path, const std::map<std::string, Inode>& found, std::size_t& count) {
    for (const auto& [name, node] : directory->names) {
      const std::string below = path.empty() ? name : path + "/" + name;
      ++count;
      const auto inode = found.find(below);
      ASSERT_NE(inode, found.end()) << below;
      EXPECT_EQ(inode->second.is_directory(), node->is_directory()) << below;
      EXPECT_EQ(inode->second.mode & 07777U, node->permissions) << below;
      EXPECT_EQ(inode->second.xattrs, node->xattrs) << below;
      if (node->type == ModelNode::Type::kFile) {
        EXPECT_EQ(inode->second.nlink, node->links) << below;
        EXPECT_TRUE(live_.content_of(inode->second) == node->data) << below << " of size " << node->data.size() << " differs in the sealed tree";
      }
      if (node->is_directory()) compare_sealed(node, below, found, count);
    }
  }

  void crash() {
    live_.crash([this] { close_all(); });
    root_ = durable_;
    durable_ = testing::durable_copy(root_);
    compare_all();
  }

  void compare_all() { compare(root_, LiveTree::kRootIno, "/"); }
  void compare(const ModelNodePtr& directory, std::uint64_t ino, const std::string& path) {
    if (::testing::Test::HasFailure()) return;
    EXPECT_EQ(live_->attributes(ino, kContext)->nlink, 2 + directory->subdirectories()) << path;
    const auto items = live_->list(ino, "", 1000, true, kContext);
    ASSERT_TRUE(items) << items.error().message();
    ASSERT_EQ(items->size(), directory->names.size()) << path;
    auto expected = directory->names.begin();
    for (const LiveItem& item : *items) {
      const ModelNode& node = *expected->second;
      ASSERT_EQ(item.name, expected->first) << path;
      const std::string below = path + item.name;
      EXPECT_EQ(item.attributes.mode & 07777U, node.permissions) << below;
      if (node.type == ModelNode::Type::kFile) {
        EXPECT_EQ(item.attributes.nlink, node.links) << below;
        ASSERT_EQ(item.attributes.size_bytes, node.data.size()) << below;
        Bytes out(node.data.size());
        const auto file = live_->open_file(item.attributes.ino, false, kContext);
        ASSERT_TRUE(file);
        const auto count = (*file)->read(0, out, kContext);
        ASSERT_TRUE(count) << below << ": " << count.error().message();
        ASSERT_TRUE(*count == out.size() && out == node.data) << below << " of size " << out.size() << " differs";
      } else if (node.type == ModelNode::Type::kSymlink) {
        EXPECT_EQ(*live_->read_link(item.attributes.ino, kContext), node.target) << below;
      } else {
        compare(expected->second, item.attributes.ino, below + "/");
      }
      live_->forget(item.attributes.ino, 1);
      ++expected;
    }
  }

  SeededRandom random_;
  LiveFixture live_;
  ModelNodePtr root_ = std::make_shared<ModelNode>();
  ModelNodePtr durable_;
  std::vector<Handle> handles_;
};

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(LiveModel, RandomOperations_AgreeWithTheModel) {
  const std::uint64_t first = number_from_environment("HOLDFAST_MODEL_SEED", 1);
  const std::uint64_t count = number_from_environment("HOLDFAST_MODEL_SEEDS", 30);
  for (std::uint64_t seed = first; seed < first + count && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    try {
      ModelRun(seed).run(400);
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
    if (HasFailure()) std::printf("failing seed: HOLDFAST_MODEL_SEED=%llu\n", static_cast<unsigned long long>(seed));
  }
}

}  // namespace
}  // namespace holdfast
