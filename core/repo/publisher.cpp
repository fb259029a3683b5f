// SPDX-License-Identifier: Apache-2.0
#include "core/repo/publisher.h"

#include <map>
#include <numeric>

#include "core/base/log.h"
#include "core/catalog/log_segment.h"
#include "core/repo/publisher_lane.h"
#include "core/store/verifying_reader.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
constexpr auto kDebounce = 2s;          // a burst of placements makes one head
constexpr auto kRepublishAfter = 12h;   // IPNS records live 48 hours in the public DHT (design §3)
constexpr auto kPublishTimeout = 600s;
constexpr auto kBackoffFirst = 1000ms;
constexpr auto kBackoffMax = 300'000ms;

}  // namespace

std::vector<std::uint64_t> merge_runs(std::vector<std::uint64_t> counts, std::uint64_t total) {
  const std::uint64_t covered = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  if (total <= covered) return counts;
  std::uint64_t run = total - covered;
  while (!counts.empty() && counts.back() <= 2 * run) {
    run += counts.back();
    counts.pop_back();
  }
  counts.push_back(run);
  return counts;
}

Publisher::Publisher(Parts parts) : parts_(std::move(parts)) {
  for (const auto& store : parts_.networks.all()) {
    if (!store->traits().has_mutable_names) continue;
    auto lane = std::make_unique<Lane>();
    lane->store = store;
    load_places(*lane);
    lanes_.push_back(std::move(lane));
  }
}

Publisher::~Publisher() { stop(); }

void Publisher::start() {
  poke();  // there may be something to publish from the start; what others append meanwhile pokes too
  for (auto& lane : lanes_) {
    lane->thread = std::jthread([this, one = lane.get()](const std::stop_token& stop) { run(*one, stop); });
  }
}

void Publisher::stop() {
  for (auto& lane : lanes_) lane->thread.request_stop();
  wake_.notify_all();
  for (auto& lane : lanes_) {
    if (lane->thread.joinable()) lane->thread.join();
  }
}

void Publisher::poke() {
  {
    const std::lock_guard lock(mutex_);
    for (auto& lane : lanes_) lane->dirty = true;
  }
  wake_.notify_all();
}

void Publisher::keyring_changed() {
  {
    const std::lock_guard lock(mutex_);
    for (auto& lane : lanes_) lane->published = {};
  }
  poke();
}

bool Publisher::wait_for_work(Lane& lane, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  const auto due = [&] { return lane.head_at == MonoTime{} || parts_.clock.mono_now() - lane.head_at > kRepublishAfter; };
  if (lane.failures > 0) {
    const auto pause = std::min<std::chrono::milliseconds>(kBackoffFirst * (1U << std::min(lane.failures - 1, 10U)), kBackoffMax);
    const auto asked = lane.retries_asked;
    wake_.wait_for(lock, stop, pause, [&] { return lane.retries_asked != asked; });
    return !stop.stop_requested();
  }
  while (!stop.stop_requested() && !lane.dirty && !due()) {
    wake_.wait_for(lock, stop, std::chrono::minutes(1), [&] { return lane.dirty; });
  }
  // The first head of a run goes out at once; later ones gather what comes together.
  if (lane.head_at != MonoTime{} && urgent_ == 0) wake_.wait_for(lock, stop, kDebounce, [&] { return urgent_ > 0; });
  return !stop.stop_requested();
}

void Publisher::run(Lane& lane, const std::stop_token& stop) {
  while (wait_for_work(lane, stop)) {
    {
      const std::lock_guard lock(mutex_);
      lane.dirty = false;
    }
    CallContext context = with_timeout(CallContext::unbounded(), parts_.clock, kPublishTimeout);
    context.stop = stop;
    auto status = publish(lane, context);
    {
      const std::lock_guard lock(mutex_);
      ++lane.attempts;
      if (status || lane.failures == 0) lane.failing_since = status ? 0 : parts_.clock.wall_now();
      lane.failures = status ? 0 : lane.failures + 1;
      lane.last_error = status ? std::string() : status.error().message();
      if (status) lane.head_at = parts_.clock.mono_now();
    }
    if (!status && !stop.stop_requested()) {
      log_warning("publishing the catalog on " + lane.store->traits().name + ": " + status.error().message());
    }
    wake_.notify_all();
  }
}

MetaPlan Publisher::plan() {
  MetaPlan out;
  {
    const std::lock_guard lock(mutex_);
    out.state = parts_.catalog.own_state();  // under the lock, so that no other lane's plan is ahead of it
    if (runs_of_ != out.state.log) {
      runs_of_ = out.state.log;
      segment_runs_.clear();
    }
    segment_runs_ = merge_runs(std::move(segment_runs_), out.state.state.size);
    key_runs_ = merge_runs(std::move(key_runs_), out.state.key_count);
    const auto add = [&](MetaType type, const std::vector<std::uint64_t>& runs) {
      std::uint64_t first = 0;
      for (const std::uint64_t count : runs) {
        out.metas.push_back({type, {}, 0, first, count, {}});
        first += count;
      }
    };
    out.metas.push_back({MetaType::kKeyring, {}, 0, 0, 0, {}});
    add(MetaType::kLogSegment, segment_runs_);
    add(MetaType::kKeyTable, key_runs_);
  }
  return out;
}

Result<Bytes> Publisher::make_object(const MetaPlan& plan, const MetaObject& meta) const {
  if (meta.type == MetaType::kKeyring) return read_whole_file(parts_.paths.published_keyring());
  if (meta.type == MetaType::kKeyTable) {
    HOLDFAST_ASSIGN(const auto keys, parts_.catalog.read_own_keys(meta.first, meta.count));
    return encode_key_table(parts_.secrets->genesis.repository, keys);
  }
  HOLDFAST_ASSIGN(const auto entries, parts_.catalog.read_own(plan.state.log, meta.first, meta.count));
  return encode_log_segment(plan.state.log, meta.first, entries);
}

/// A network may lose what was put on it, or be made anew under the old name: at the first head of a run, and then as often as heads are renewed, it is asked for each
/// object that a head would name again.
Status Publisher::check_places(Lane& lane, const HeadReader::OwnHead& own, const CallContext& context) {
  const MonoTime now = parts_.clock.mono_now();
  bool is_due = lane.places_at == MonoTime{} || now - lane.places_at > kRepublishAfter;
  bool is_read = false;
  {
    const std::lock_guard lock(mutex_);
    is_read = lane.is_look_asked;
    const bool is_lost = !own.is_there && lane.published.state.size > 0 && lane.published.slot == own.slot;
    if (is_lost) lane.published = {};
    is_due = is_due || is_lost || is_read;
  }
  if (!is_due) return ok_status();
  if (!own.is_there) lane.places.clear();
  for (auto at = lane.places.begin(); at != lane.places.end();) {
    HOLDFAST_ASSIGN(const bool is_good, is_place_good(lane, at->second, is_read, context));
    if (is_good) {
      ++at;
      continue;
    }
    log_warning(lane.store->traits().name + " lost or spoilt a " + std::string(meta_type_name(std::get<0>(at->first))) + ": it is put there again");
    at = lane.places.erase(at);
  }
  lane.places_at = now;
  return ok_status();
}

/// What is spoilt is removed, so that the same can be put under its name.
Result<bool> Publisher::is_place_good(Lane& lane, const Place& place, bool is_read, const CallContext& context) {
  HOLDFAST_ASSIGN(const Durability found, lane.store->probe(place.ref, context));
  if (found == Durability::kAbsent || !is_read) return found != Durability::kAbsent;
  const auto read = VerifyingReader(*lane.store).read_object(place.ref, place.digest, context);
  if (read) return true;
  const ErrorCode code = read.error().code();
  if (code != ErrorCode::kCorrupt && code != ErrorCode::kOutOfRange && code != ErrorCode::kNotFound) return read.error();
  if (lane.store->traits().can_remove) HOLDFAST_TRY(lane.store->remove(place.ref, context));
  return false;
}

void Publisher::look_again() {
  {
    const std::lock_guard lock(mutex_);
    for (auto& lane : lanes_) lane->dirty = lane->is_look_asked = true;
  }
  wake_.notify_all();
}

Status Publisher::put_missing(Lane& lane, MetaPlan& plan, const CallContext& context) {
  std::map<PlaceKey, Place> places;
  for (auto& meta : plan.metas) {
    const PlaceKey key{meta.type, plan.state.log.incarnation, meta.first, meta.count};
    const auto known = lane.places.find(key);
    if (known != lane.places.end() && meta.type != MetaType::kKeyring) {
      meta.digest = known->second.digest;
      meta.size_bytes = known->second.ref.size_bytes;
      meta.locator = known->second.ref.locator;
      places.insert(*known);
      continue;
    }
    HOLDFAST_ASSIGN(const Bytes object, make_object(plan, meta));
    meta.digest = sha256(object);
    meta.size_bytes = object.size();
    if (known != lane.places.end() && known->second.digest == meta.digest) {
      meta.locator = known->second.ref.locator;
      places.insert(*known);
      continue;
    }
    HOLDFAST_ASSIGN(const ObjectRef ref, lane.store->put("meta/" + meta.digest.hex(), object, context));
    meta.locator = ref.locator;
    // Believed once it is read back: a network that lost or changed it is not named in a head.
    HOLDFAST_TRY(fetch_meta(*lane.store, meta, context));
    places.insert_or_assign(key, Place{meta.digest, ref});
  }
  lane.places = std::move(places);
  return save_places(lane);
}

Result<Bytes> Publisher::make_head(const MetaPlan& plan) const {
  const auto& secrets = *parts_.secrets;
  Head head;
  head.log = plan.state.log;
  head.slot = plan.state.slot;
  head.log_size = plan.state.state.size;
  head.merkle_root = plan.state.state.merkle_root;
  head.time = parts_.clock.wall_now();
  head.genesis = secrets.genesis_bytes;
  head.certificate = plan.state.certificate;
  head.metas = plan.metas;
  head.others = parts_.catalog.others();
  Bytes out = encode_head(head, secrets.writer_seed.view());
  if (out.size() > kHeadMaxBytes) return Error(ErrorCode::kInternal, "the head grew over 1 MiB");
  return out;
}

/// The head that is there. One that this run saw stand and that is lost or spoilt since is written anew; before that, it may be ahead of this state folder, and nothing is written over what can't be read.
Result<HeadReader::OwnHead> Publisher::look_at_own_head(Lane& lane, const RepositoryCatalog::OwnState& published, const CallContext& context) {
  auto found = parts_.heads.check_own(*lane.store, published, context);
  if (found) return found;
  const ErrorCode code = found.error().code();
  const bool is_broken = code == ErrorCode::kNotFound || code == ErrorCode::kCorrupt || code == ErrorCode::kOutOfRange || code == ErrorCode::kUntrusted;
  if (!lane.checked || !is_broken) return found;
  log_warning("the head on " + lane.store->traits().name + " is written anew: " + found.error().message());
  return HeadReader::OwnHead{parts_.catalog.slot(), false};
}

Status Publisher::publish(Lane& lane, const CallContext& context) {
  const auto published = [&] {
    const std::lock_guard lock(mutex_);
    return lane.published;
  }();
  HOLDFAST_ASSIGN(const HeadReader::OwnHead before, look_at_own_head(lane, published, context));
  MetaPlan plan = this->plan();
  if (plan.state.slot != before.slot) return Error(ErrorCode::kUnavailable, "this writer's slot was changed meanwhile");
  HOLDFAST_TRY(check_places(lane, before, context));
  HOLDFAST_TRY(put_missing(lane, plan, context));
  HOLDFAST_ASSIGN(const Bytes head, make_head(plan));
  const auto& secrets = *parts_.secrets;
  const std::uint32_t slot = plan.state.slot;
  const SecretBytes seed = secrets.keys->head_seed(slot, lane.store->traits().name);
  HOLDFAST_ASSIGN(const std::string locator, lane.store->publish_head(secrets.genesis.repository, slot, seed.view(), head, context));
  if (!lane.checked) {
    // Another machine may have found the slot free at the same moment.
    HOLDFAST_ASSIGN(const HeadReader::OwnHead after, parts_.heads.check_own(*lane.store, plan.state, context));
    if (after.slot != slot) return Error(ErrorCode::kUnavailable, "slot " + std::to_string(slot) + " was taken by another writer meanwhile");
    lane.checked = true;
  }
  const std::lock_guard lock(mutex_);
  lane.published = plan.state;
  lane.is_look_asked = false;
  lane.locator = locator;
  return ok_status();
}

Status Publisher::flush(std::size_t count, const CallContext& context, const std::string& network) {
  const auto wanted = parts_.catalog.own_state();
  std::unique_lock lock(mutex_);
  std::vector<Lane*> lanes;
  for (auto& lane : lanes_) {
    if (network.empty() || lane->store->traits().name == network) lanes.push_back(lane.get());
  }
  count = std::min(count, lanes.size());
  std::vector<std::uint64_t> attempts;
  for (Lane* lane : lanes) {
    lane->dirty = lane->dirty || lane->published != wanted;
    ++lane->retries_asked;
    attempts.push_back(lane->attempts);
  }
  ++urgent_;
  wake_.notify_all();
  auto present = wanted;
  const auto shows = [&](const Lane& lane) {
    // The same log, longer, has all of it, and so has the present incarnation when another one began meanwhile; one that ended has not.
    if (lane.is_look_asked || lane.published.state.size == 0 || lane.published.slot != present.slot || lane.published.key_count < wanted.key_count) return false;
    return lane.published.log == wanted.log ? lane.published.state.size >= wanted.state.size : lane.published.log == present.log;
  };
  const auto done = [&] { return static_cast<std::size_t>(std::count_if(lanes.begin(), lanes.end(), [&](const Lane* lane) { return shows(*lane); })); };
  // A lane that failed in an attempt that began after this call is not waited for.
  const auto hopeless = [&] {
    std::size_t failed = 0;
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      if (!shows(*lanes[i]) && lanes[i]->failures > 0 && lanes[i]->attempts >= attempts[i] + 2) ++failed;
    }
    return done() + (lanes.size() - done() - failed) < count;
  };
  Status result;
  while (true) {
    present = parts_.catalog.own_state();
    if (done() >= count) break;
    if (hopeless()) result = Error(ErrorCode::kUnavailable, "the catalog is not published everywhere yet");
    if (result) result = check_context(context, parts_.clock, "waiting for the catalog to be published");
    if (!result) break;
    wake_.wait_for(lock, context.stop, 50ms, [&] { return done() >= count; });
  }
  --urgent_;
  if (result.has_value()) return result;
  std::string missing;
  for (const Lane* lane : lanes) {
    if (!shows(*lane)) missing += "; " + lane->store->traits().name + ": " + (lane->last_error.empty() ? "not done" : lane->last_error);
  }
  return Error(result.error().code(), result.error().message() + missing);
}

std::vector<Publisher::NetworkState> Publisher::states() const {
  const auto own = parts_.catalog.own_state();
  const std::lock_guard lock(mutex_);
  std::vector<NetworkState> out;
  for (const auto& lane : lanes_) {
    out.push_back({lane->store->traits().name, lane->locator, lane->published.state.size, lane->published == own,
                   lane->last_error, lane->failing_since});
  }
  return out;
}

}  // namespace holdfast
