// SPDX-License-Identifier: Apache-2.0
#include "core/repo/databases.h"

#include <algorithm>
#include <set>

#include "core/catalog/framed_file.h"
#include "core/format/byte_reader.h"
#include "core/format/byte_writer.h"

namespace holdfast {
namespace {

constexpr ObjectKind kDomainsObject{"HFDOMNS1", "list of domains"};
constexpr std::string_view kThisHost = "this-host";

}  // namespace

Bytes encode_database_record(const DatabaseRecord& record) {
  Bytes out;
  ByteWriter(out).u8(static_cast<std::uint8_t>(JournalKind::kDatabase)).id(record.id).u32(record.uid).u32(record.gid).text(record.policy);
  return out;
}

Result<DatabaseRecord> decode_database_record(ByteView payload) {
  ByteReader in(payload, "journal record of a database");
  HOLDFAST_ASSIGN(const std::uint8_t kind, in.u8());
  if (kind != static_cast<std::uint8_t>(JournalKind::kDatabase)) return in.corrupt("another kind");
  DatabaseRecord record;
  HOLDFAST_ASSIGN(record.id, in.id<DatabaseId>());
  HOLDFAST_ASSIGN(record.uid, in.u32());
  HOLDFAST_ASSIGN(record.gid, in.u32());
  HOLDFAST_ASSIGN(const std::string_view policy, in.text());
  record.policy = policy;
  HOLDFAST_TRY(in.expect_end());
  return record;
}

Result<std::unique_ptr<DomainRules>> DomainRules::open(std::string path, const NetworkSet& networks) {
  std::unique_ptr<DomainRules> rules(new DomainRules(std::move(path), networks));
  const auto bytes = read_whole_file(rules->path_);
  if (!bytes && bytes.error().code() == ErrorCode::kNotFound) return rules;
  if (!bytes) return bytes.error();
  ByteReader in(*bytes, kDomainsObject.name);
  HOLDFAST_TRY(in.prelude(kDomainsObject));
  HOLDFAST_ASSIGN(const std::size_t count, in.count(9));
  for (std::size_t i = 0; i < count; ++i) {
    HOLDFAST_ASSIGN(const std::uint32_t domain, in.u32());
    Rule rule;
    HOLDFAST_ASSIGN(rule.quorum, in.u32());
    HOLDFAST_ASSIGN(const std::size_t names, in.count(1));
    for (std::size_t k = 0; k < names; ++k) {
      HOLDFAST_ASSIGN(const std::string_view name, in.text());
      rule.networks.emplace_back(name);
    }
    rules->rules_.insert_or_assign(domain, std::move(rule));
  }
  std::size_t databases = 0;
  if (!in.at_end()) {
    HOLDFAST_ASSIGN(databases, in.count(DatabaseId::size + 1));
  }
  for (std::size_t i = 0; i < databases; ++i) {
    HOLDFAST_ASSIGN(const DatabaseId id, in.id<DatabaseId>());
    HOLDFAST_ASSIGN(const std::size_t domains, in.count(4));
    for (std::size_t k = 0; k < domains; ++k) {
      HOLDFAST_ASSIGN(const std::uint32_t domain, in.u32());
      rules->databases_[id].push_back(domain);
    }
  }
  std::size_t codes = 0;
  if (!in.at_end()) {
    HOLDFAST_ASSIGN(codes, in.count(6));
  }
  for (std::size_t i = 0; i < codes; ++i) {
    HOLDFAST_ASSIGN(const std::uint32_t domain, in.u32());
    ErasureCode code;
    HOLDFAST_ASSIGN(code.k, in.u8());
    HOLDFAST_ASSIGN(code.n, in.u8());
    if (!code.is_valid() || !rules->rules_.contains(domain)) return in.corrupt("a code of a domain that can't be");
    rules->rules_.at(domain).code = code;
  }
  HOLDFAST_TRY(in.expect_end());
  return rules;
}

Bytes DomainRules::encode() const {
  Bytes out;
  ByteWriter writer(out);
  writer.prelude(kDomainsObject).varint(rules_.size());
  for (const auto& [domain, rule] : rules_) {
    writer.u32(domain).u32(rule.quorum).varint(rule.networks.size());
    for (const auto& name : rule.networks) writer.text(name);
  }
  writer.varint(databases_.size());
  for (const auto& [id, domains] : databases_) {
    writer.id(id).varint(domains.size());
    for (const std::uint32_t domain : domains) writer.u32(domain);
  }
  writer.varint(static_cast<std::uint64_t>(std::ranges::count_if(rules_, [](const auto& each) { return each.second.code.has_value(); })));
  for (const auto& [domain, rule] : rules_) {
    if (rule.code) writer.u32(domain).u8(rule.code->k).u8(rule.code->n);
  }
  return out;
}

Status DomainRules::add(std::uint32_t domain, const std::vector<std::string>& networks, std::uint32_t quorum, const std::optional<ErasureCode>& code) {
  const std::lock_guard lock(mutex_);
  const auto found = rules_.find(domain);
  if (found != rules_.end() && found->second.quorum >= quorum) return ok_status();
  Rule& rule = rules_[domain];
  rule.networks = networks;
  rule.code = code;
  rule.quorum = std::max(rule.quorum, quorum);
  return replace_file(path_, encode());
}

Status DomainRules::note_database(const DatabaseId& database, std::uint32_t domain) {
  const std::lock_guard lock(mutex_);
  auto& domains = databases_[database];
  if (!domains.empty() && domains.back() == domain) return ok_status();
  std::erase(domains, domain);
  domains.push_back(domain);
  return replace_file(path_, encode());
}

std::vector<std::uint32_t> DomainRules::domains_of(const DatabaseId& database) const {
  const std::lock_guard lock(mutex_);
  const auto found = databases_.find(database);
  return found == databases_.end() ? std::vector<std::uint32_t>() : found->second;
}

/// mutex_ held. The present rules of all databases that have packs in `domain`.
std::vector<const DomainRules::Rule*> DomainRules::successors(std::uint32_t domain) const {
  std::vector<const Rule*> out;
  for (const auto& [id, domains] : databases_) {
    if (std::find(domains.begin(), domains.end(), domain) == domains.end()) continue;
    if (const auto found = rules_.find(domains.back()); found != rules_.end()) out.push_back(&found->second);
  }
  return out;
}

std::vector<std::string> DomainRules::networks(std::uint32_t domain) const {
  const std::lock_guard lock(mutex_);
  const auto found = rules_.find(domain);
  if (found == rules_.end()) return {};
  std::vector<std::string> out = found->second.networks;
  const auto next = successors(domain);
  if (next.empty()) return out;
  // A pack may hold chunks of several databases: it goes nowhere that one of them doesn't allow.
  for (const auto& name : next.front()->networks) {
    const bool all_name_it = std::all_of(next.begin(), next.end(), [&](const Rule* rule) {
      return std::find(rule->networks.begin(), rule->networks.end(), name) != rule->networks.end();
    });
    if (all_name_it && std::find(out.begin(), out.end(), name) == out.end()) out.push_back(name);
  }
  return out;
}

std::vector<std::string> DomainRules::takers(std::uint32_t domain) const {
  if (domain != 0) return networks(domain);
  const std::lock_guard lock(mutex_);
  std::vector<std::string> out;
  bool is_first = true;
  for (const auto& [id, domains] : databases_) {
    const auto found = domains.empty() ? rules_.end() : rules_.find(domains.back());
    if (found == rules_.end()) continue;
    if (std::exchange(is_first, false)) out = found->second.networks;
    std::erase_if(out, [&](const std::string& name) { return std::ranges::find(found->second.networks, name) == found->second.networks.end(); });
  }
  return out;
}

std::string DomainRules::site_of(const std::string& network) const {
  const auto store = networks_.find(network);
  return store == nullptr ? std::string(kThisHost) : store->traits().site;
}

std::uint32_t DomainRules::quorum_of(const Rule& rule) const {
  if (rule.quorum > 0) return rule.quorum;
  std::set<std::string> sites;
  for (const auto& network : rule.networks) sites.insert(site_of(network));
  return static_cast<std::uint32_t>(std::clamp<std::size_t>(sites.size(), 1, 2));
}

std::uint32_t DomainRules::quorum(std::uint32_t domain) const {
  const std::lock_guard lock(mutex_);
  const auto found = rules_.find(domain);
  std::uint32_t out = found == rules_.end() ? 1 : quorum_of(found->second);
  for (const Rule* rule : successors(domain)) out = std::max(out, quorum_of(*rule));
  return out;
}

std::size_t DomainRules::count_elsewhere(const std::vector<std::string>& networks) const {
  return static_cast<std::size_t>(std::ranges::count_if(networks, [&](const auto& name) { return site_of(name) != kThisHost; }));
}

bool DomainRules::is_elsewhere(const std::vector<std::string>& networks) const { return count_elsewhere(networks) > 0; }

std::optional<ErasureCode> DomainRules::code(std::uint32_t domain) const {
  const std::lock_guard lock(mutex_);
  const auto found = rules_.find(domain);
  return found == rules_.end() ? std::nullopt : found->second.code;
}

namespace {

/// k - 1 shards give nothing back; each one more does what one whole copy does.
std::uint32_t holders(const std::optional<ErasureCode>& code, std::uint32_t quorum) {
  return code ? std::min<std::uint32_t>(code->n, code->k - 1U + quorum) : quorum;
}

}  // namespace

std::uint32_t DomainRules::holders_needed(std::uint32_t domain) const { return holders(code(domain), quorum(domain)); }

std::size_t DomainRules::holders_wanted(std::uint32_t domain) const {
  const std::size_t all = networks(domain).size();
  const auto cut = code(domain);
  return cut ? std::min<std::size_t>(cut->n, all) : all;
}

bool DomainRules::is_safe_in(std::uint32_t domain, const std::optional<ErasureCode>& code, const std::vector<std::string>& networks) const {
  return networks.size() >= holders(code, quorum(domain)) && count_elsewhere(networks) >= (code ? code->k : 1U);
}

bool DomainRules::is_safe(std::uint32_t domain, const std::vector<std::string>& networks) const {
  return is_safe_in(domain, code(domain), networks);
}

bool DomainRules::outlive_one(const std::vector<NetworkCopy>& held, std::size_t known) const {
  if (held.empty()) return false;
  std::vector<std::string> names;
  for (const NetworkCopy& copy : held) names.push_back(copy.network);
  const auto code = held.front().shard ? std::optional(held.front().shard->plan.code) : std::nullopt;
  return names.size() >= std::min<std::size_t>(holders(code, 2), known) && count_elsewhere(names) >= (code ? code->k : 1U);
}

bool DomainRules::can_be_safe(std::uint32_t domain) const { return is_safe(domain, networks(domain)); }

}  // namespace holdfast
