// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/store/object_store.h"

namespace holdfast {

/// One network's copy of an object.
struct NetworkCopy {
  std::string network;
  ObjectRef ref;
};

}  // namespace holdfast
