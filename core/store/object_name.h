// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "core/base/ids.h"
#include "core/base/result.h"

namespace holdfast {

inline constexpr std::size_t kObjectNameMaxBytes = 200;
inline constexpr std::size_t kLocatorMaxBytes = 1024;   ///< the port's bound (object_store.h)
inline constexpr std::size_t kHeadMaxBytes = 1U << 20;  ///< the port's bound for a head

/// Whether `name` is an ObjectName: 1..200 bytes of lower-case letters, digits and "-", with at most one "/" that
/// stands between two non-empty parts; "heads/…" is kept for mutable names. So no name can leave a folder.
/// Errors: kInvalidArgument, with the name in the message as far as it is printable.
Status validate_object_name(std::string_view name);

/// Under which networks with plain names keep a head: "heads/<repository id>/<slot>".
std::string head_name(const RepositoryId& repository, std::uint32_t slot);
/// Whether `name` is one: "heads/", 32 hex digits, "/", 1 to 10 digits. Nothing else may be read as a head.
bool is_head_name(std::string_view name) noexcept;

}  // namespace holdfast
