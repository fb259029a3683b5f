// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/live/live_state.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kRoot = 1;
// A checkpoint's records are cut at about this size, so that no one record is huge.
constexpr std::size_t kCheckpointRecordBytes = 1U << 20;

/// Writes a memtable as primitives: inodes before the names that refer to them.
class MemtableWriter {
 public:
  MemtableWriter(const DatabaseId& database, std::vector<Bytes>& out) : database_(database), out_(out) {}
  void write(const Memtable& table) {
    for (const auto& [ino, value] : table.inodes) {
      batch_.put_inode(*value);
      cut();
    }
    for (const auto& [directory, names] : table.names) {
      for (const auto& [name, ino] : names) {
        if (ino == Memtable::kNoName) {
          batch_.delete_name(directory, name);
        } else {
          batch_.set_name(directory, name, ino);
        }
        cut();
      }
    }
    for (const std::uint64_t ino : table.gone) {
      batch_.gone(ino);
      cut();
    }
  }
  LiveBatch& batch() { return batch_; }
  void flush() {
    if (!batch_.empty()) out_.push_back(std::exchange(batch_, {}).payload(database_));
  }

 private:
  void cut() {
    if (batch_.size_bytes() >= kCheckpointRecordBytes) flush();
  }
  const DatabaseId& database_;
  std::vector<Bytes>& out_;
  LiveBatch batch_;
};

}  // namespace

const Memtable* LiveState::begin_fold(LiveBatch& batch) {
  if (active_.empty()) return nullptr;
  batch.freeze(++fold_);
  (void)freeze(fold_).has_value();
  return frozen_.get();
}

void LiveState::abandon_fold() {
  if (!frozen_) return;
  active_.merge_under(std::move(*frozen_));
  frozen_.reset();
  ++version_;
}

void LiveState::note_judgements(const std::vector<LiveBase::Judgement>& judgements) {
  for (const auto& judgement : judgements) {
    const bool noted = judgement.completeness == Completeness::kIncomplete || judgement.completeness == Completeness::kUnchecked;
    if (noted) {
      judged_[judgement.ino] = {judgement.completeness, judgement.path};
    } else {
      judged_.erase(judgement.ino);
    }
  }
}

/// Puts the folded tree under what changed since the freeze.
LiveBase LiveState::swap_base(const FoldOutcome& outcome) {
  ++version_;
  LiveBase base{fold_, outcome.root, outcome.links, next_ino_, {}, outcome.judgements};
  base_root_ = outcome.root;
  links_ = outcome.links;
  for (const auto& [ino, content] : outcome.directories) {
    Node* const node = find(ino);
    if (node == nullptr) continue;
    LiveInode fresh = *node->value;
    fresh.inode.content = content;
    node->value = std::make_shared<const LiveInode>(std::move(fresh));
    const auto changed = active_.inodes.find(ino);
    if (changed == active_.inodes.end()) continue;
    changed->second = node->value;
    base.directories.push_back({ino, content});
  }
  for (const auto& file : outcome.files) {
    Node* const node = find(file.before->inode.ino);
    if (node == nullptr || node->value != file.before) continue;
    // Its extents are others now (a list, or one for the tail): an open file must not journal its next change as an extension of those before.
    LiveInode fresh = *file.after;
    fresh.content_serial = take_serial();
    node->value = std::make_shared<const LiveInode>(std::move(fresh));
  }
  note_judgements(outcome.judgements);
  const std::unique_ptr<Memtable> folded = std::move(frozen_);
  for (const auto& [ino, value] : folded->inodes) evict(ino);
  return base;
}

LiveBase LiveState::finish_fold(const FoldOutcome& outcome) { return swap_base(outcome); }

void LiveState::replay_base(LiveBase base) {
  next_ino_ = std::max(next_ino_, base.next_ino);
  if (frozen_ && frozen_->fold == base.fold) {
    fold_ = base.fold;
    FoldOutcome outcome;
    outcome.root = base.root;
    outcome.links = base.links;
    outcome.judgements = std::move(base.judgements);
    for (auto& directory : base.directories) outcome.directories[directory.ino] = std::move(directory.content);
    (void)swap_base(outcome);
  } else {
    base_root_ = base.root;
    links_ = base.links;
    note_judgements(base.judgements);
  }
  if (!active_.inodes.contains(kRoot)) {
    nodes_[kRoot].value = std::make_shared<const LiveInode>(LiveInode{base_root_, nullptr, false, take_serial()});
  }
}

Status LiveState::put_inode(LiveInode value) {
  const std::uint64_t ino = value.inode.ino;
  next_ino_ = std::max(next_ino_, ino + 1);
  value.content_serial = take_serial();
  if (value.linked) {
    active_.links.insert(ino);
    detach(ino);
  }
  Node& node = nodes_[ino];
  node.value = std::make_shared<const LiveInode>(std::move(value));
  active_.inodes[ino] = node.value;
  return ok_status();
}

Status LiveState::put_attributes(LiveInode value) {
  const Node* const node = find(value.inode.ino);
  if (node == nullptr) return ok_status();
  value.inode.size_bytes = node->inode().size_bytes;
  value.inode.content = node->inode().content;
  value.tail = node->value->tail;
  return put_inode(std::move(value));
}

Status LiveState::extend(std::uint64_t ino, std::uint64_t keep, std::vector<Extent> extents, ByteView tail) {
  Node* const node = find(ino);
  if (node == nullptr) return ok_status();
  LiveInode value = *node->value;
  ExtentContent kept;
  std::uint64_t at = 0;
  if (auto* before = std::get_if<ExtentContent>(&value.inode.content)) kept = std::move(*before);
  std::size_t count = 0;
  while (count < kept.extents.size() && at + kept.extents[count].size_bytes <= keep) at += kept.extents[count++].size_bytes;
  kept.extents.resize(count);
  Bytes bytes;
  if (keep > at) {
    const std::uint64_t tail_bytes = value.tail && extents.empty() ? value.tail->size() : 0;
    if (keep - at > tail_bytes) {
      return Error(ErrorCode::kCorrupt, "the journal extends inode " + std::to_string(ino) + " from byte " + std::to_string(keep) +
                                            " on, and its content has no end there");
    }
    bytes.assign(value.tail->begin(), value.tail->begin() + static_cast<std::ptrdiff_t>(keep - at));
  }
  for (Extent& extent : extents) {
    at += extent.size_bytes;
    kept.extents.push_back(std::move(extent));
  }
  append(bytes, tail);
  value.inode.size_bytes = at + bytes.size();
  value.tail = bytes.empty() ? nullptr : std::make_shared<const Bytes>(std::move(bytes));
  if (kept.extents.empty()) {
    value.inode.content = EmptyContent{};
  } else {
    value.inode.content = std::move(kept);
  }
  return put_inode(std::move(value));
}

Status LiveState::set_name(std::uint64_t directory, std::string_view name, std::uint64_t ino) {
  const Node* const node = find(ino);
  if (node == nullptr || find(directory) == nullptr) return ok_status();
  if (!node->value->linked) set_parent(ino, directory, name);
  active_.names[directory][std::string(name)] = ino;
  return ok_status();
}

Status LiveState::delete_name(std::uint64_t directory, std::string_view name) {
  active_.names[directory][std::string(name)] = Memtable::kNoName;
  return ok_status();
}

Status LiveState::gone(std::uint64_t ino) {
  const Node* const node = find(ino);
  const bool was_linked = node != nullptr && node->value->linked;
  if (was_linked || node == nullptr) active_.links.insert(ino);
  active_.inodes.erase(ino);
  active_.names.erase(ino);
  active_.gone.insert(ino);
  if (node != nullptr) {
    LiveInode value = *node->value;
    value.inode.nlink = 0;
    nodes_[ino].value = std::make_shared<const LiveInode>(std::move(value));
    detach(ino);
    evict(ino);
  }
  return ok_status();
}

Status LiveState::freeze(std::uint64_t fold) {
  abandon_fold();
  frozen_ = std::make_unique<Memtable>(std::exchange(active_, {}));
  frozen_->fold = fold;
  fold_ = std::max(fold_, fold);
  return ok_status();
}

Status LiveState::next_ino(std::uint64_t ino) {
  next_ino_ = std::max(next_ino_, ino);
  return ok_status();
}

Status LiveState::reset() {
  nodes_.clear();
  active_ = {};
  frozen_.reset();
  judged_.clear();
  nodes_[kRoot].value = std::make_shared<const LiveInode>(LiveInode{base_root_, nullptr, false, take_serial()});
  return ok_status();
}

std::vector<Bytes> LiveState::checkpoint(const DatabaseId& database) const {
  std::vector<Bytes> records;
  MemtableWriter writer(database, records);
  writer.batch().reset();
  writer.batch().next_ino(next_ino_);
  writer.flush();
  LiveBase base{0, base_root_, links_, next_ino_, {}, {}};
  for (const auto& [ino, judged] : judged_) base.judgements.push_back({ino, judged.completeness, judged.path});
  records.push_back(encode_live_base(base, database));
  if (frozen_) {
    writer.write(*frozen_);
    writer.batch().freeze(frozen_->fold);
  } else if (fold_ > 0) {
    // Numbers of folds go on.
    writer.batch().freeze(fold_);
  }
  writer.write(active_);
  writer.flush();
  return records;
}

}  // namespace holdfast
