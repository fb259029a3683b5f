// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

/// Ends a test that needs what this machine lacks: HOLDFAST_NOT_TESTED << "no redis-server". tests/run repeats these
/// lines at its end, so that nobody takes a run for more than it was. Only where GTEST_SKIP may stand: in a test's body
/// or SetUp.
#define HOLDFAST_NOT_TESTED GTEST_SKIP() << "NOT TESTED: "
