// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/chunk/chunk_codec.h"

namespace holdfast {

/// The records of a chunk and of all that it leans on, gathered one by one, and the plaintexts that they give. Copied by value; one thread at a time.
class RecordClosure {
 public:
  explicit RecordClosure(const ChunkRef& chunk) { members_.emplace_back(chunk); }

  [[nodiscard]] bool is_complete() const noexcept { return taken_ == members_.size(); }
  /// Whose record is wanted next; there is none when all are there.
  [[nodiscard]] const ChunkRef& next() const noexcept {
    HOLDFAST_CHECK(!is_complete());
    return members_[taken_].ref;
  }
  /// The record of next(). Errors: as open_difference(); kCorrupt where the chunk leans on more than kLeansOnMax others. After an error the closure is of no use.
  Status take(VerifiedRecord record);

  /// Of the chunk itself, or one that it leans on; is_complete() must be true. What is leaned on is opened once, however many lean on it. Errors: as open_chunk().
  struct Opened {
    SharedBytes plain;
    int depth = 0;
  };
  [[nodiscard]] Result<Opened> open(std::size_t member = 0) const;

  /// Members are numbered in the order of their coming; 0 is the chunk.
  [[nodiscard]] std::size_t size() const noexcept { return members_.size(); }
  [[nodiscard]] const ChunkRef& ref(std::size_t member) const noexcept { return members_[member].ref; }
  /// The first base of a member; nullopt when it is whole.
  [[nodiscard]] std::optional<std::size_t> first_base(std::size_t member) const noexcept;
  /// What reading a member reads.
  struct Cost {
    std::uint64_t difference_bytes = 0;  ///< records of differences
    std::uint64_t whole_bytes = 0;       ///< records of whole chunks
    std::size_t records = 0;
  };
  [[nodiscard]] Cost cost(std::span<const std::size_t> members) const;

 private:
  struct Member {
    explicit Member(const ChunkRef& of) : ref(of) {}
    ChunkRef ref;
    std::optional<VerifiedRecord> whole;         ///< one of the two, once it was taken
    std::optional<OpenedDifference> difference;
    std::size_t record_size_bytes = 0;
    std::vector<std::size_t> bases;
  };
  class Opener;
  [[nodiscard]] std::size_t number_of(const ChunkRef& ref) const noexcept;
  std::vector<Member> members_;
  std::size_t taken_ = 0;
};

}  // namespace holdfast
