// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"

namespace holdfast::fs {

/// The errno (positive) that an application sees for `error`. The only place that knows both lists.
/// NameRefusals go before the code; damage and absence on all networks both read as EIO. Total, does not fail.
int errno_of(const Error& error) noexcept;

/// Whether `error` means trouble that somebody must see in the log (damage, networks, bugs), not an ordinary answer such as ENOENT.
bool is_worth_logging(const Error& error) noexcept;

/// For results of reading stored data: there "not found" means that no network has it (EIO), not that a name is absent (ENOENT).
template <typename T>
Result<T> data_result(Result<T> result) {
  if (result || result.error().code() != ErrorCode::kNotFound) return result;
  return std::move(result).error().with_code(ErrorCode::kUnavailable);
}

}  // namespace holdfast::fs
