// SPDX-License-Identifier: Apache-2.0
#include "core/chunk/record_closure.h"

#include <algorithm>

namespace holdfast {

/// Of the member that it names, by all that opens it; size() when there is none.
std::size_t RecordClosure::number_of(const ChunkRef& ref) const noexcept {
  const auto is_it = [&](const Member& member) {
    return member.ref.id == ref.id && member.ref.key == ref.key && member.ref.plain_size_bytes == ref.plain_size_bytes;
  };
  return static_cast<std::size_t>(std::find_if(members_.begin(), members_.end(), is_it) - members_.begin());
}

Status RecordClosure::take(VerifiedRecord record) {
  const std::size_t self = taken_++;
  HOLDFAST_CHECK(self < members_.size());
  HOLDFAST_ASSIGN(members_[self].difference, open_difference(members_[self].ref, record));
  members_[self].record_size_bytes = record.size();
  if (members_[self].difference) {
    const std::vector<ChunkRef> bases = members_[self].difference->bases;
    for (const ChunkRef& base : bases) {
      const std::size_t number = number_of(base);
      if (number == members_.size()) members_.emplace_back(base);
      members_[self].bases.push_back(number);
    }
    if (members_.size() - 1 > kLeansOnMax) {
      return Error(ErrorCode::kCorrupt, "chunk " + members_.front().ref.id.hex().substr(0, 16) + " leans on more than " + std::to_string(kLeansOnMax) + " others");
    }
  }
  if (!members_[self].difference) members_[self].whole = std::move(record);
  return ok_status();
}

/// Opens a member and what it leans on, each once. A plaintext goes when the last that leans on it is there: the next one then takes its memory, which the processor's caches still hold.
class RecordClosure::Opener final : public BaseResolver {
 public:
  Opener(const RecordClosure& closure, std::size_t wanted) : closure_(closure), opened_(closure.size()), leaning_(closure.size()) { count_leaning(wanted); }

  Result<Base> resolve(const ChunkRef& base) override {
    const std::size_t number = closure_.number_of(base);
    if (number == closure_.size()) return Error(ErrorCode::kCorrupt, "a base that was not gathered");
    HOLDFAST_ASSIGN(Opened opened, open(number));
    return Base{std::move(opened.plain), opened.depth};
  }
  Result<Opened> open(std::size_t number) {
    if (opened_[number]) return *opened_[number];
    // A record names its bases by their digests, so no chunk can lean on itself; yet nothing from outside shall decide how deep this goes.
    if (++nesting_ > kDifferenceDepthMax + 1) return Error(ErrorCode::kCorrupt, "a chain of differences that is too long");
    const Member& member = closure_.members_[number];
    Result<DecodedChunk> decoded = member.difference ? apply_difference(*member.difference, *this) : open_chunk(member.ref, *member.whole, this);
    --nesting_;
    if (!decoded) return decoded.error();
    for (const std::size_t base : member.bases) {
      if (--leaning_[base] == 0) opened_[base].reset();
    }
    opened_[number] = Opened{std::move(decoded->plain), decoded->depth};
    return *opened_[number];
  }

 private:
  void count_leaning(std::size_t wanted) {
    std::vector<std::size_t> todo{wanted};
    while (!todo.empty()) {
      const Member& member = closure_.members_[todo.back()];
      todo.pop_back();
      for (const std::size_t base : member.bases) {
        if (leaning_[base]++ == 0) todo.push_back(base);
      }
    }
  }

  const RecordClosure& closure_;
  std::vector<std::optional<Opened>> opened_;
  std::vector<std::size_t> leaning_;  ///< how many members that are not opened yet, and will be
  int nesting_ = 0;
};

Result<RecordClosure::Opened> RecordClosure::open(std::size_t member) const {
  HOLDFAST_CHECK(is_complete() && member < members_.size());
  return Opener(*this, member).open(member);
}

std::optional<std::size_t> RecordClosure::first_base(std::size_t member) const noexcept {
  const auto& bases = members_[member].bases;
  return bases.empty() ? std::nullopt : std::optional(bases.front());
}

RecordClosure::Cost RecordClosure::cost(std::span<const std::size_t> members) const {
  Cost cost;
  std::vector<bool> seen(members_.size());
  std::vector<std::size_t> todo(members.begin(), members.end());
  while (!todo.empty()) {
    const std::size_t number = todo.back();
    todo.pop_back();
    if (seen[number]) continue;
    seen[number] = true;
    const Member& member = members_[number];
    (member.difference ? cost.difference_bytes : cost.whole_bytes) += member.record_size_bytes;
    ++cost.records;
    todo.insert(todo.end(), member.bases.begin(), member.bases.end());
  }
  return cost;
}

}  // namespace holdfast
