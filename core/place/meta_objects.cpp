// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/place/placer_state.h"

namespace holdfast {
namespace {

Result<ObjectRef> put_and_read_back(Clock& clock, ObjectStore& store, const ObjectName& name, ByteView object,
                                    const CallContext& context) {
  HOLDFAST_ASSIGN(ObjectRef ref, store.put(name, object, context));
  Bytes back(object.size());
  HOLDFAST_TRY(until_visible(clock, store.traits(), context, [&] { return store.read(ref, 0, back, context); }));
  if (ref.size_bytes != object.size() || !std::equal(back.begin(), back.end(), object.begin())) {
    return Error(ErrorCode::kCorrupt, "put " + name + " and read something else back");
  }
  return ref;
}

}  // namespace

std::vector<Placer::Outcome> Placer::put_everywhere(const ObjectName& name, ByteView object,
                                                    const std::vector<std::string>& networks, const CallContext& context) {
  std::vector<std::optional<Result<ObjectRef>>> results(networks.size());
  {
    std::vector<std::jthread> threads;  // one a network: few, and each may be slow
    for (std::size_t i = 0; i < networks.size(); ++i) {
      const auto store = state_->parts.networks.find(networks[i]);
      if (!store) {
        results[i] = Error(ErrorCode::kUnavailable, "network " + networks[i] + " is not configured").on_network(networks[i]);
        continue;
      }
      threads.emplace_back([&, i, store] {
        Result<ObjectRef> ref = put_and_read_back(state_->parts.clock, *store, name, object, context);
        if (!ref) ref = std::move(ref).error().on_network(networks[i]);
        results[i] = std::move(ref);
      });
    }
  }
  std::vector<Outcome> outcomes;
  for (std::size_t i = 0; i < networks.size(); ++i) outcomes.push_back({networks[i], std::move(*results[i])});
  return outcomes;
}

}  // namespace holdfast
