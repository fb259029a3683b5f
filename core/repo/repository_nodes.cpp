// SPDX-License-Identifier: Apache-2.0
#include "core/base/log.h"
#include "core/repo/repository_impl.h"

// That live trees can be read without a network and without the cache.
namespace holdfast {
namespace {

using namespace std::chrono_literals;
constexpr auto kTick = 1s;
constexpr std::chrono::seconds kAgainAfter{10};
constexpr std::chrono::seconds kAgainAfterMax{3600};

}  // namespace

/// What live trees stand on, also after a crash from now on.
Result<std::vector<LiveTree::Base>> RepositoryImpl::durable_bases() {
  std::vector<LiveTree::Base> out;
  for (const auto& database : all_databases()) out.push_back(database->live->settled_base());
  HOLDFAST_TRY(pipeline_->commit());
  return out;
}

std::string RepositoryImpl::nodes_problem() const {
  const std::lock_guard lock(nodes_mutex_);
  return nodes_problem_;
}

void RepositoryImpl::run_nodes(const std::stop_token& stop) {
  KeptNodes& kept = stage_->kept_nodes();
  auto again_after = kAgainAfter;
  MonoTime not_before{};
  while (pause(kTick, stop)) {
    if (kept.is_whole() && !kept.is_sweep_due()) continue;
    if (options_.clock->mono_now() < not_before) continue;
    CallContext context;
    context.stop = stop;
    const Status looked = live_nodes_->look_through([this] { return durable_bases(); }, context);
    if (stop.stop_requested()) return;
    const std::string problem = looked ? std::string() : looked.error().message();
    if (!looked) log_warning("keeping the metadata of live trees on this machine: " + problem);
    {
      const std::lock_guard lock(nodes_mutex_);
      nodes_problem_ = problem;
    }
    again_after = looked ? kAgainAfter : std::min(2 * again_after, kAgainAfterMax);
    not_before = options_.clock->mono_now() + again_after;
  }
}

}  // namespace holdfast
