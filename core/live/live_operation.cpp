// SPDX-License-Identifier: Apache-2.0
#include "core/live/live_operation.h"

#include <algorithm>

#include "core/live/live_error.h"

namespace holdfast {
namespace {

constexpr std::size_t kNameMaxBytes = 255;
// Entries of the base that are read at once when a directory is listed: about a node's worth.
constexpr std::size_t kBasePageCount = 512;

}  // namespace

Status check_new_name(std::string_view name) {
  if (name.size() > kNameMaxBytes) return name_error(NameRefusal::kNameTooLong, "a name of more than 255 bytes");
  if (!is_valid_entry_name(name)) return Error(ErrorCode::kInvalidArgument, "a name that a directory can't hold");
  return ok_status();
}

LiveTreeImpl::Operation::Operation(LiveTreeImpl& tree, const CallContext& context) : tree_(tree), context_(context), lock_(tree.mutex_) {}

LiveTreeImpl::Operation::~Operation() {
  for (const std::uint64_t ino : held_) tree_.state_.unpin(ino, 1);
}

void LiveTreeImpl::Operation::hold(std::uint64_t ino) {
  tree_.state_.pin(ino, 1);
  held_.push_back(ino);
}

/// What the base says about a name, from an earlier question of this operation where the base is still the same. Null: the mutex
/// was let go to ask, look again.
Result<const LiveTreeImpl::Operation::NameAnswer*> LiveTreeImpl::Operation::ask_base(std::uint64_t directory, std::string_view name) {
  const TreeRoot root = tree_.state_.base_of(directory);
  if (!root) return nullptr;
  for (const NameAnswer& answer : names_) {
    if (answer.root == root->ref.id && answer.name == name) return &answer;
  }
  HOLDFAST_ASSIGN(std::optional<Entry> entry, unlocked([&] { return tree_.reader_.find(root, name, context_); }));
  names_.push_back({root->ref.id, std::string(name), std::move(entry)});
  return nullptr;
}

Result<const LiveTreeImpl::Operation::LinkAnswer*> LiveTreeImpl::Operation::ask_links(std::uint64_t ino) {
  const TreeRoot root = tree_.state_.links();
  if (!root) return Error(ErrorCode::kCorrupt, "a hard link to inode " + std::to_string(ino) + ", but there is no link table");
  for (const LinkAnswer& answer : links_) {
    if (answer.root == root->ref.id && answer.ino == ino) return &answer;
  }
  HOLDFAST_ASSIGN(std::optional<Inode> inode, unlocked([&] { return tree_.reader_.find_link(root, ino, context_); }));
  links_.push_back({root->ref.id, ino, std::move(inode)});
  return nullptr;
}

/// Brings a clean inode of the base into the table. False: the mutex was let go.
Result<bool> LiveTreeImpl::Operation::materialize(std::uint64_t directory, const Entry& entry) {
  if (tree_.state_.find(entry.inode.ino) != nullptr) return true;
  if (!std::holds_alternative<LinkTableContent>(entry.inode.content)) {
    tree_.state_.insert({entry.inode, nullptr, false, 0}, directory, entry.name);
    return true;
  }
  HOLDFAST_ASSIGN(const LinkAnswer* const answer, ask_links(entry.inode.ino));
  if (answer == nullptr) return false;
  if (!answer->inode) return Error(ErrorCode::kCorrupt, "the link table lacks inode " + std::to_string(entry.inode.ino));
  tree_.state_.insert({*answer->inode, nullptr, true, 0}, 0, {});
  return true;
}

Result<std::optional<std::uint64_t>> LiveTreeImpl::Operation::find(std::uint64_t directory, std::string_view name) {
  for (;;) {
    const LiveState::Peek peek = tree_.state_.peek(directory, name);
    if (peek.known && peek.ino == Memtable::kNoName) return std::optional<std::uint64_t>();
    if (peek.known) {
      hold(peek.ino);
      return std::optional(peek.ino);
    }
    HOLDFAST_ASSIGN(const NameAnswer* const answer, ask_base(directory, name));
    if (answer == nullptr) continue;
    if (!answer->entry) return std::optional<std::uint64_t>();
    HOLDFAST_ASSIGN(const bool is_there, materialize(directory, *answer->entry));
    if (!is_there) continue;
    hold(answer->entry->inode.ino);
    return std::optional(answer->entry->inode.ino);
  }
}

Result<bool> LiveTreeImpl::Operation::is_empty(std::uint64_t directory) {
  const auto changed = tree_.state_.names_over_base(directory);
  for (const Memtable::Names* names : changed) {
    if (names == nullptr) continue;
    for (const auto& [name, ino] : *names) {
      if (ino != Memtable::kNoName && tree_.state_.peek(directory, name).ino != Memtable::kNoName) return false;
    }
  }
  std::string after;
  for (;;) {
    const TreeRoot root = tree_.state_.base_of(directory);
    if (!root) return true;
    HOLDFAST_ASSIGN(const std::vector<Entry> page, unlocked([&] { return tree_.reader_.list(root, after, kBasePageCount, context_); }));
    for (const Entry& entry : page) {
      const LiveState::Peek peek = tree_.state_.peek(directory, entry.name);
      if (!peek.known || peek.ino != Memtable::kNoName) return false;
    }
    if (page.size() < kBasePageCount) return true;
    after = page.back().name;
  }
}

/// A listing under way.
struct LiveTreeImpl::Operation::Page {
  std::string after;
  std::vector<LiveItem> items;
};

/// Merges one page of the base with what lies over it, up to the base's last name. False: the mutex was let go, do it again.
Result<bool> LiveTreeImpl::Operation::merge_page(std::uint64_t directory, Page& page, const std::vector<Entry>& base, bool base_ends,
                                                 std::size_t count_max, bool pin) {
  LiveState& state = tree_.state_;
  const auto changed = state.names_over_base(directory);
  std::array<Memtable::Names::const_iterator, 2> at;
  for (std::size_t i = 0; i < 2; ++i) {
    if (changed[i] != nullptr) at[i] = changed[i]->upper_bound(page.after);
  }
  auto entry = std::upper_bound(base.begin(), base.end(), page.after, [](const std::string& name, const Entry& item) { return name < item.name; });
  while (page.items.size() < count_max) {
    const std::string* name = entry == base.end() ? nullptr : &entry->name;
    for (std::size_t i = 0; i < 2; ++i) {
      if (changed[i] != nullptr && at[i] != changed[i]->end() && (name == nullptr || at[i]->first < *name)) name = &at[i]->first;
    }
    // Beyond the page of the base there may be names of it that come first.
    if (name == nullptr || (entry == base.end() && !base_ends && (base.empty() || *name > base.back().name))) break;
    const std::string taken = *name;
    std::uint64_t ino = Memtable::kNoName;
    const LiveState::Peek peek = state.peek(directory, taken);
    if (peek.known) {
      ino = peek.ino;
    } else if (entry != base.end() && entry->name == taken) {
      HOLDFAST_ASSIGN(const bool is_there, materialize(directory, *entry));
      if (!is_there) return false;
      ino = entry->inode.ino;
    }
    if (ino != Memtable::kNoName) {
      hold(ino);
      page.items.push_back({taken, tree_.attributes_of_node(*state.find(ino))});
      if (pin) state.pin(ino, 1);
      if (pin) ++tree_.pins_;
    }
    page.after = taken;
    if (entry != base.end() && entry->name == taken) ++entry;
    for (std::size_t i = 0; i < 2; ++i) {
      if (changed[i] != nullptr && at[i] != changed[i]->end() && at[i]->first == taken) ++at[i];
    }
  }
  return true;
}

Result<std::vector<LiveItem>> LiveTreeImpl::Operation::list(std::uint64_t directory, std::string after, std::size_t count_max, bool pin) {
  Page page{std::move(after), {}};
  const std::size_t page_count = std::min(kBasePageCount, std::max<std::size_t>(count_max, 1));
  for (;;) {
    const TreeRoot root = tree_.state_.base_of(directory);
    std::vector<Entry> base;
    bool base_ends = true;
    if (root) {
      HOLDFAST_ASSIGN(base, unlocked([&] { return tree_.reader_.list(root, page.after, page_count, context_); }));
      base_ends = base.size() < page_count;
      // A fold has put another tree under the directory meanwhile: what was read may lack what it took over.
      const TreeRoot now = tree_.state_.base_of(directory);
      if (!now || now->ref.id != root->ref.id) continue;
    }
    HOLDFAST_ASSIGN(const bool is_merged, merge_page(directory, page, base, base_ends, count_max, pin));
    if (!is_merged) continue;
    if (base_ends || page.items.size() >= count_max) return std::move(page.items);
    page.after = base.back().name;
  }
}

}  // namespace holdfast
