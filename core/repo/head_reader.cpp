// SPDX-License-Identifier: Apache-2.0
#include "core/repo/head_reader.h"

#include <algorithm>

#include "core/base/log.h"
#include "core/catalog/log_segment.h"
#include "core/crypto/hash.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kMetaMaxBytes = 1ULL << 30;
constexpr std::uint32_t kSlotMax = 4096;  // a bound for networks that answer every slot

/// Keeps an error that may pass rather than one that will not, else the first.
void keep_worst(Status& problem, Error error) {
  const auto may_pass = [](const Error& each) { return retry_advice(each.code()) == RetryAdvice::kSameSource; };
  if (problem || (may_pass(error) && !may_pass(problem.error()))) problem = std::move(error);
}

}  // namespace

Result<Bytes> fetch_meta(ObjectReader& store, const MetaObject& meta, const CallContext& context) {
  if (meta.size_bytes > kMetaMaxBytes) return Error(ErrorCode::kCorrupt, "a " + std::string(meta_type_name(meta.type)) + " of more than 1 GiB");
  Bytes object(meta.size_bytes);
  const auto doing = [&] { return "reading a " + std::string(meta_type_name(meta.type)) + " (" + meta.locator + ")"; };
  auto status = store.read({meta.locator, meta.size_bytes}, 0, object, context);
  if (!status) return std::move(status).error().with_context(doing()).on_network(store.traits().name);
  if (sha256(object) != meta.digest) {
    return Error(ErrorCode::kCorrupt, doing() + ": the network gave other bytes than the head promises").on_network(store.traits().name);
  }
  return object;
}

Result<LogSegment> fetch_segment(ObjectReader& store, const VerifiedHead& head, const MetaObject& meta, Bytes& object, const CallContext& context) {
  HOLDFAST_ASSIGN(object, fetch_meta(store, meta, context));
  HOLDFAST_ASSIGN(LogSegment segment, decode_log_segment(object));
  if (segment.log != head.head.log || segment.first != meta.first || segment.entries.size() != meta.count) {
    return Error(ErrorCode::kCorrupt, "a log segment is another one than the head says");
  }
  HOLDFAST_TRY(verify_log_segment(segment, head.certificate.writer_key));
  return segment;
}

Result<std::vector<SignedEntry>> fetch_entries(ObjectReader& store, const VerifiedHead& head, std::uint64_t first, const CallContext& context) {
  std::vector<SignedEntry> out;
  for (const auto& meta : head.head.metas) {
    if (meta.type != MetaType::kLogSegment || meta.first + meta.count <= first) continue;
    Bytes object;
    HOLDFAST_ASSIGN(LogSegment segment, fetch_segment(store, head, meta, object, context));
    const std::uint64_t skip = first > segment.first ? first - segment.first : 0;
    for (std::uint64_t i = skip; i < segment.entries.size(); ++i) out.push_back(std::move(segment.entries[i]));
  }
  return out;
}

Result<std::uint32_t> find_free_slot(const NetworkSet& networks, const std::string& needed, const RepositoryKeys& keys, const std::set<std::uint32_t>& taken,
                                     const WriterId& own, const CallContext& context) {
  std::vector<std::shared_ptr<ObjectStore>> asked;
  for (const auto& store : networks.all()) {
    if (store->traits().has_mutable_names) asked.push_back(store);
  }
  const auto is_taken_on = [&](ObjectStore& store, std::uint32_t slot) -> Result<bool> {
    const SecretBytes seed = keys.head_seed(slot, store.traits().name);
    HOLDFAST_ASSIGN(const auto found, store.resolve_head(keys.repository(), slot, seed.view(), context));
    if (!found) return false;
    const auto head = decode_head(*found);
    return !head || head->head.log.writer != own;
  };
  for (std::uint32_t slot = 0; slot < kSlotMax; ++slot) {
    bool is_taken = taken.contains(slot);
    for (std::size_t i = 0; i < asked.size() && !is_taken;) {
      const std::string& name = asked[i]->traits().name;
      auto there = is_taken_on(*asked[i], slot);
      if (there) {
        is_taken = *there;
        ++i;
        continue;
      }
      if (name == needed) return std::move(there).error().on_network(name);
      log_warning(name + " can't be asked which slots are taken: " + there.error().message());
      asked.erase(asked.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (!is_taken) return slot;
  }
  return Error(ErrorCode::kConflict, "all slots for writers are taken");
}

void HeadReader::note(const std::string& network, std::string problem) {
  const std::lock_guard lock(mutex_);
  if (problem.empty()) {
    problems_.erase(network);
    return;
  }
  log_warning(network + ": " + problem);
  problems_[network] = std::move(problem);
}

std::map<std::string, std::string> HeadReader::problems() const {
  const std::lock_guard lock(mutex_);
  return problems_;
}

Result<std::optional<VerifiedHead>> HeadReader::resolve(ObjectStore& store, std::uint32_t slot, const CallContext& context) {
  const SecretBytes seed = secrets_->keys->head_seed(slot, store.traits().name);
  auto found = store.resolve_head(secrets_->genesis.repository, slot, seed.view(), context);
  if (!found) return std::move(found).error().on_network(store.traits().name);
  if (!found->has_value()) return std::optional<VerifiedHead>();
  auto head = decode_head(**found);
  if (!head) return std::move(head).error().on_network(store.traits().name);
  if (head->genesis != secrets_->genesis) {
    return Error(ErrorCode::kUntrusted, "the head in slot " + std::to_string(slot) + " is of another repository")
        .on_network(store.traits().name);
  }
  if (head->head.slot != slot) {
    return Error(ErrorCode::kUntrusted, "the network serves the head of slot " + std::to_string(head->head.slot) +
                                            " in slot " + std::to_string(slot))
        .on_network(store.traits().name);
  }
  const std::lock_guard lock(mutex_);
  auto& newest = newest_[{store.traits().name, slot}];
  newest = std::max(newest, head->head.time);
  return std::optional(std::move(*head));
}

bool HeadReader::refresh(const CallContext& context) {
  bool learnt = false;
  for (const auto& store : networks_.all()) {
    if (!store->traits().has_mutable_names) continue;
    learnt = refresh_from(*store, context).learnt || learnt;
  }
  return learnt;
}

void HeadReader::know_head(const std::string& network, VerifiedHead head) {
  const std::lock_guard lock(mutex_);
  known_heads_.emplace_back(network, std::move(head));
}

/// The newest head of each other writer's log on a network.
std::vector<VerifiedHead> HeadReader::find_heads(ObjectStore& store, const CallContext& context, Refreshed& out) {
  const std::uint32_t own_slot = catalog_.slot();
  std::uint32_t highest = own_slot;
  for (const auto& writer : catalog_.view().writers()) highest = std::max(highest, writer.slot);
  std::vector<VerifiedHead> heads;
  for (std::uint32_t slot = 0; slot <= kSlotMax; ++slot) {
    if (slot == own_slot) continue;
    auto head = resolve(store, slot, context);
    if (!head) {
      keep_worst(out.problem, std::move(head).error());
      if (slot >= highest) break;
      continue;
    }
    if (!head->has_value()) {
      if (slot > highest) break;
      continue;
    }
    out.any_head = true;
    if ((*head)->head.log.writer == secrets_->writer) continue;  // from before the slot was changed
    for (const auto& other : (*head)->head.others) highest = std::max(highest, std::min(other.slot, kSlotMax));
    heads.push_back(std::move(**head));
  }
  const std::lock_guard lock(mutex_);
  for (const auto& [network, known] : known_heads_) {
    if (network != store.traits().name) continue;
    out.any_head = true;
    const auto shown = std::find_if(heads.begin(), heads.end(), [&](const auto& head) { return head.head.log == known.head.log; });
    if (shown == heads.end()) {
      heads.push_back(known);
    } else if (shown->head.log_size < known.head.log_size) {
      *shown = known;
    }
  }
  for (const auto& head : heads) {
    LongestLog& told = longest_[head.head.log.incarnation];
    told = {head.head.log, std::max(told.size, head.head.log_size)};
  }
  return heads;
}

HeadReader::Refreshed HeadReader::refresh_from(ObjectStore& store, const CallContext& context) {
  const std::lock_guard refreshing(refresh_mutex_);
  Refreshed out;
  std::vector<Reading> readings;
  for (const auto& head : find_heads(store, context, out)) {
    auto reading = plan(head, store.traits().name);
    if (reading) {
      readings.push_back(std::move(*reading));
    } else {
      keep_worst(out.problem, std::move(reading).error());
    }
  }
  std::size_t rounds = 0;
  std::uint64_t wanted = 0;
  for (const auto& reading : readings) {
    rounds = std::max({rounds, reading.tables.size(), reading.segments.size()});
    wanted += reading.tables.size() + reading.segments.size();
  }
  read_ = 0;
  wanted_ = wanted;
  std::uint64_t failed = 0;
  const auto keep = [&](Status status) {
    ++read_;
    if (status) return;
    ++failed;
    keep_worst(out.problem, std::move(status).error());
  };
  // The newest of all logs first, and keys before what they open: a snapshot that is listed can be opened. Without a key it is listed all the same.
  for (std::size_t round = 0; round < rounds && !context.stop.stop_requested(); ++round) {
    for (const auto& reading : readings) {
      if (round < reading.tables.size()) keep(read_table(store, reading, reading.tables[round], context, out.learnt));
      if (round < reading.segments.size()) keep(read_segment(store, reading, reading.segments[round], context, out.learnt));
    }
    const auto opened = out.learnt ? catalog_.open_fields() : ok_status();
    if (!opened) keep_worst(out.problem, opened.error());
  }
  if (context.stop.stop_requested()) return out;
  std::string problem = out.problem ? std::string() : out.problem.error().message();
  if (failed > 1) problem += "; and " + std::to_string(failed - 1) + " other parts of the catalog";
  note(store.traits().name, std::move(problem));
  return out;
}

std::vector<std::string> HeadReader::gaps() const {
  std::map<IncarnationId, LongestLog> longest;
  {
    const std::lock_guard lock(mutex_);
    longest = longest_;
  }
  std::vector<std::string> out;
  for (const auto& [incarnation, told] : longest) {
    std::string ranges;
    for (const LogRange& range : catalog_.missing(told.log, told.size)) {
      ranges += (ranges.empty() ? "" : ", ") + std::to_string(range.first) + " to " + std::to_string(range.end() - 1);
    }
    if (ranges.empty()) continue;
    out.push_back("of the log of writer " + told.log.writer.hex() + " (" + std::to_string(told.size) + " entries) are missing " + ranges);
  }
  return out;
}

Result<HeadReader::Reading> HeadReader::plan(const VerifiedHead& head, const std::string& network) {
  Reading out{head, {}, {}};
  HOLDFAST_ASSIGN(const LogState known, catalog_.known(head.head.log));
  const bool is_known = known.size >= head.head.log_size;
  if (is_known) {
    HOLDFAST_ASSIGN(const Digest root, known.size == 0 ? Result<Digest>(merkle_root_of_hashes({})) : catalog_.known_root(head.head.log, head.head.log_size));
    if (root != head.head.merkle_root) {
      return Error(ErrorCode::kConflict, "the log of writer " + head.head.log.writer.hex() + " is forked: this network shows another history");
    }
    if (known.size > head.head.log_size) log_info(network + " serves an older head of slot " + std::to_string(head.head.slot));
  }
  const std::vector<LogRange> missing = catalog_.missing(head.head.log, head.head.log_size);
  const auto lacks = [&](const MetaObject& meta) {
    return std::any_of(missing.begin(), missing.end(), [&](const LogRange& range) { return meta.first < range.end() && range.first < meta.first + meta.count; });
  };
  for (auto meta = head.head.metas.rbegin(); meta != head.head.metas.rend(); ++meta) {
    if (meta->type == MetaType::kLogSegment && lacks(*meta)) out.segments.push_back(*meta);
    const std::lock_guard lock(mutex_);
    if (meta->type == MetaType::kKeyTable && !tables_taken_.contains(meta->digest)) out.tables.push_back(*meta);
  }
  // What parts of another head have filled meanwhile.
  if (!is_known && missing.empty()) HOLDFAST_TRY(catalog_.join_parts(head));
  return out;
}

/// Takes the segment, and with it the whole log when nothing else of that is missing.
Status HeadReader::read_segment(ObjectStore& store, const Reading& reading, const MetaObject& meta, const CallContext& context, bool& learnt) {
  const VerifiedHead& head = reading.head;
  Bytes object;
  auto segment = fetch_segment(store, head, meta, object, context);
  if (!segment) {
    return std::move(segment).error().with_context("entries " + std::to_string(meta.first) + " to " + std::to_string(meta.first + meta.count - 1) + " of " +
                                                   std::to_string(head.head.log_size) + " in the log of writer " + head.head.log.writer.hex() + " are missing");
  }
  HOLDFAST_ASSIGN(const LogState known, catalog_.known(head.head.log));
  const bool is_next = meta.first <= known.size && meta.first + meta.count == head.head.log_size;
  if (is_next) {
    const std::span<const SignedEntry> entries = segment->entries;
    HOLDFAST_TRY(catalog_.take_entries(head, entries.subspan(known.size - meta.first)));
    learnt = true;
    return ok_status();
  }
  HOLDFAST_TRY(catalog_.take_part(meta.digest, object, *segment));
  learnt = true;
  return catalog_.missing(head.head.log, head.head.log_size).empty() ? catalog_.join_parts(head) : ok_status();
}

Status HeadReader::read_table(ObjectStore& store, const Reading& reading, const MetaObject& meta, const CallContext& context, bool& learnt) {
  HOLDFAST_ASSIGN(const Bytes object, fetch_meta(store, meta, context));
  HOLDFAST_ASSIGN(const auto keys, decode_key_table(object, secrets_->genesis.repository));
  HOLDFAST_TRY(catalog_.take_keys(reading.head.head.log.writer, keys));
  const std::lock_guard lock(mutex_);
  tables_taken_.emplace(meta.digest, true);
  learnt = true;
  return ok_status();
}

Status HeadReader::take_key_tables(ObjectStore& store, const VerifiedHead& head, const CallContext& context, bool& learnt) {
  const Reading reading{head, {}, {}};
  Status problem;
  for (const auto& meta : head.head.metas) {
    if (meta.type != MetaType::kKeyTable) continue;
    {
      const std::lock_guard lock(mutex_);
      if (tables_taken_.contains(meta.digest)) continue;
    }
    auto taken = read_table(store, reading, meta, context, learnt);
    if (!taken) keep_worst(problem, std::move(taken).error());
  }
  return problem;
}

Result<HeadReader::OwnHead> HeadReader::check_own(ObjectStore& store, const RepositoryCatalog::OwnState& published, const CallContext& context) {
  OwnHead out{catalog_.slot(), false};
  HOLDFAST_ASSIGN(auto head, resolve(store, out.slot, context));
  if (head && head->head.log.writer != secrets_->writer) {
    HOLDFAST_TRY(leave_slot(store, out.slot, head->head.log.writer, context));
    out.slot = catalog_.slot();
    HOLDFAST_ASSIGN(head, resolve(store, out.slot, context));
    if (head && head->head.log.writer != secrets_->writer) {
      return Error(ErrorCode::kUnavailable, "slot " + std::to_string(out.slot) + " was taken by another writer meanwhile").on_network(store.traits().name);
    }
  }
  if (!head) return out;
  out.is_there = true;
  const LogState shown{head->head.log_size, head->head.merkle_root};
  if (head->head.log == published.log && shown == published.state) return out;
  HOLDFAST_TRY(take_own_keys(store, *head, context));
  {
    const std::lock_guard lock(mutex_);
    if (adopted_.contains({head->head.log.incarnation, shown.merkle_root})) return out;
  }
  HOLDFAST_ASSIGN(const bool is_covered, catalog_.covers(head->head.log, shown));
  if (is_covered) return out;
  HOLDFAST_TRY(adopt_ahead(store, *head, context));
  return out;
}

/// The next head names the key tables of this folder alone: a key that only the present one has must not be dropped with it.
Status HeadReader::take_own_keys(ObjectStore& store, const VerifiedHead& head, const CallContext& context) {
  std::uint64_t count = 0;
  for (const auto& meta : head.head.metas) count += meta.type == MetaType::kKeyTable ? meta.count : 0;
  if (count <= catalog_.own_state().key_count && !catalog_.lacks_keys()) return ok_status();
  bool learnt = false;
  HOLDFAST_TRY(take_key_tables(store, head, context, learnt));
  return learnt ? catalog_.open_fields() : ok_status();
}

/// Two machines that joined at once, or over networks that did not show them to each other, have one slot: who finds the other's head there goes to another one.
Status HeadReader::leave_slot(ObjectStore& store, std::uint32_t slot, const WriterId& other, const CallContext& context) {
  const std::lock_guard moving(slot_mutex_);
  if (catalog_.slot() != slot) return ok_status();  // another network's thread was faster
  std::set<std::uint32_t> taken{slot};
  for (const auto& writer : catalog_.view().writers()) taken.insert(writer.slot);
  HOLDFAST_ASSIGN(const std::uint32_t next, find_free_slot(networks_, store.traits().name, *secrets_->keys, taken, secrets_->writer, context));
  log_warning(store.traits().name + ": slot " + std::to_string(slot) + " belongs to another writer (" + other.hex() + "): this machine goes on in slot " + std::to_string(next));
  return catalog_.move_to_slot(next);
}

Status HeadReader::adopt_ahead(ObjectStore& store, const VerifiedHead& head, const CallContext& context) {
  log_warning(store.traits().name + " has a log of this writer that is ahead of this state folder (it was copied, or rolled back): a new incarnation begins");
  HOLDFAST_ASSIGN(const auto entries, fetch_entries(store, head, 0, context));
  MerkleAccumulator tree;
  for (const auto& entry : entries) tree.add(merkle_leaf_hash(entry.sealed));
  if (tree.root() != head.head.merkle_root) return Error(ErrorCode::kCorrupt, "the segments of a head do not give its tree").on_network(store.traits().name);
  bool learnt = false;
  HOLDFAST_TRY(take_key_tables(store, head, context, learnt));
  HOLDFAST_TRY(catalog_.start_incarnation(head, entries));
  const std::lock_guard lock(mutex_);
  adopted_.emplace(head.head.log.incarnation, head.head.merkle_root);
  return ok_status();
}

}  // namespace holdfast
