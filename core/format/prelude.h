// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace holdfast {

inline constexpr std::uint16_t kFormatVersion = 1;
inline constexpr std::uint16_t kFormatSuite = 1;
inline constexpr std::size_t kPreludeBytes = 12;

/// An object of the format: the eight letters that it begins with, and its name in messages.
struct ObjectKind {
  std::string_view magic;
  std::string_view name;
};

inline constexpr ObjectKind kPackObject{"HFPACK01", "pack"};
inline constexpr ObjectKind kPackFooterObject{"HFPKEND1", "pack footer"};
inline constexpr ObjectKind kShardObject{"HFSHARD1", "shard"};
inline constexpr ObjectKind kKeyTableObject{"HFKEYTB1", "key table"};
inline constexpr ObjectKind kGenesisObject{"HFGENES1", "genesis"};
inline constexpr ObjectKind kKeyringObject{"HFKEYRG1", "keyring"};
inline constexpr ObjectKind kLogSegmentObject{"HFLOGSG1", "log segment"};
inline constexpr ObjectKind kHeadObject{"HFHEAD01", "head"};
inline constexpr ObjectKind kJournalObject{"HFJRNL01", "journal file"};

}  // namespace holdfast
