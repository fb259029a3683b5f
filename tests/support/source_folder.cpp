// SPDX-License-Identifier: Apache-2.0
#include "tests/support/source_folder.h"

namespace holdfast::testing {

std::string source_folder() { return HOLDFAST_SOURCE_DIR; }

}  // namespace holdfast::testing
