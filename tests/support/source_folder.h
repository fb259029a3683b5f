// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace holdfast::testing {

/// The folder with Holdfast's sources, where test data and scripts lie. Known to one file alone, so that a build in
/// another folder compiles nothing else anew.
std::string source_folder();

}  // namespace holdfast::testing
