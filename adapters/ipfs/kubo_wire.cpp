// SPDX-License-Identifier: Apache-2.0
#include "adapters/ipfs/kubo_wire.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

#include "adapters/http/http_transport.h"
#include "adapters/ipfs/ipfs_names.h"

namespace holdfast::ipfs {

namespace {

using Json = nlohmann::json;

Error unreadable(const std::string& what) { return {ErrorCode::kCorrupt, "the node's reply " + what}; }

Result<Json> parse_object(std::string_view text) {
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded() || !json.is_object()) return unreadable("is no JSON object");
  return json;
}

Result<std::uint64_t> number_of(const Json& json, const char* member) {
  const auto found = json.find(member);
  if (found == json.end() || !found->is_number_unsigned()) return unreadable(std::string("has no number ") + member);
  return found->get<std::uint64_t>();
}

Result<std::string> text_of(const Json& json, const std::string& member) {
  const auto found = json.find(member);
  if (found == json.end() || !found->is_string()) return unreadable("has no text " + member);
  return found->get<std::string>();
}

/// Calls `use` with each line that is not empty.
template <typename Use>
void each_line(std::string_view text, const Use& use) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (end > 0) use(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

}  // namespace

Result<Added> parse_added(ByteView reply) {
  std::string_view last;
  each_line(as_text(reply), [&](std::string_view line) { last = line; });
  HOLDFAST_ASSIGN(const Json json, parse_object(last));
  Added added;
  HOLDFAST_ASSIGN(added.cid, text_of(json, "Hash"));
  HOLDFAST_ASSIGN(const std::string size, text_of(json, "Size"));  // a text, though it is a number
  const auto parsed = std::from_chars(size.data(), size.data() + size.size(), added.dag_size_bytes);
  if (parsed.ec != std::errc() || parsed.ptr != size.data() + size.size()) return unreadable("has no size");
  if (!is_cid(added.cid)) return unreadable("names another kind of CID than was asked for");
  return added;
}

Result<FileStat> parse_file_stat(ByteView reply) {
  HOLDFAST_ASSIGN(const Json json, parse_object(as_text(reply)));
  FileStat stat;
  HOLDFAST_ASSIGN(stat.size_bytes, number_of(json, "Size"));
  const auto local = json.find("Local");  // absent where leaves are missing
  stat.local = local != json.end() && local->is_boolean() && local->get<bool>();
  return stat;
}

Result<RepoStat> parse_repo_stat(ByteView reply) {
  HOLDFAST_ASSIGN(const Json json, parse_object(as_text(reply)));
  RepoStat stat;
  HOLDFAST_ASSIGN(stat.used_bytes, number_of(json, "RepoSize"));
  HOLDFAST_ASSIGN(stat.limit_bytes, number_of(json, "StorageMax"));
  return stat;
}

Result<std::string> parse_text(ByteView reply, const std::string& member) {
  HOLDFAST_ASSIGN(const Json json, parse_object(as_text(reply)));
  return text_of(json, member);
}

Result<std::map<std::string, std::string>> parse_keys(ByteView reply) {
  HOLDFAST_ASSIGN(const Json json, parse_object(as_text(reply)));
  const auto list = json.find("Keys");
  if (list == json.end() || !list->is_array()) return unreadable("has no list of keys");
  std::map<std::string, std::string> keys;
  for (const Json& key : *list) {
    if (!key.is_object()) return unreadable("has a key that is no object");
    HOLDFAST_ASSIGN(const std::string name, text_of(key, "Name"));
    HOLDFAST_ASSIGN(keys[name], text_of(key, "Id"));
  }
  return keys;
}

std::vector<std::string> parse_refs(ByteView reply) {
  std::vector<std::string> refs;
  each_line(as_text(reply), [&](std::string_view line) {
    const Result<Json> json = parse_object(line);
    if (!json) return;
    Result<std::string> cid = text_of(*json, "Ref");
    if (cid && is_cid(*cid)) refs.push_back(std::move(*cid));
  });
  return refs;
}

Result<NodeId> parse_node_id(ByteView reply) {
  HOLDFAST_ASSIGN(const Json json, parse_object(as_text(reply)));
  NodeId node;
  HOLDFAST_ASSIGN(node.id, text_of(json, "ID"));
  const auto addresses = json.find("Addresses");  // null where the node listens on none
  if (addresses == json.end() || !addresses->is_array()) return node;
  for (const Json& address : *addresses) {
    if (address.is_string()) node.addresses.push_back(address.get<std::string>());
  }
  return node;
}

Result<std::size_t> parse_peer_count(ByteView reply) {
  HOLDFAST_ASSIGN(const Json json, parse_object(as_text(reply)));
  const auto peers = json.find("Peers");  // null or absent where there are none
  return peers != json.end() && peers->is_array() ? peers->size() : std::size_t{0};
}

std::size_t count_other_providers(ByteView reply, const std::string& own_id) {
  constexpr int kProvider = 4;  // a routing query event's type, of several kinds that findprovs writes
  std::set<std::string> others;
  each_line(as_text(reply), [&](std::string_view line) {
    const Result<Json> json = parse_object(line);
    if (!json || json->value("Type", Json()) != kProvider) return;
    const auto responses = json->find("Responses");
    if (responses == json->end() || !responses->is_array()) return;
    for (const Json& one : *responses) {
      const Result<std::string> id = one.is_object() ? text_of(one, "ID") : unreadable("");
      if (id && *id != own_id) others.insert(*id);
    }
  });
  return others.size();
}

std::string error_message(ByteView reply) {
  Result<std::string> message = parse_text(reply, "Message");
  std::string text = message ? std::move(*message) : std::string(as_text(reply));
  constexpr std::size_t kShownMaxBytes = 300;
  if (text.size() > kShownMaxBytes) text.resize(kShownMaxBytes);
  for (char& c : text) {
    if (c < ' ' || c > '~') c = ' ';
  }
  return text;
}

KuboError classify(std::string_view message) noexcept {
  const auto says = [&](std::string_view part) { return message.find(part) != std::string_view::npos; };
  if (says("not found locally") || says("could not find") || says("merkledag: not found") ||
      says("failed to fetch all nodes")) {  // a leaf is lost
    return KuboError::kNotLocal;
  }
  if (says("not pinned")) return KuboError::kNotPinned;
  if (says("could not resolve name")) return KuboError::kNameUnknown;
  if (says("already exists")) return KuboError::kKeyExists;
  if (says("no space left") || says("maximum storage limit")) return KuboError::kNoSpace;
  if (says("Protocol Buffers") || says("protobuf") || says("proto:") || says("unmarshal") || says("hash did not match") ||
      says("mismatch in content") || says("corrupt")) {
    return KuboError::kBadBlock;
  }
  if (says("context deadline exceeded")) return KuboError::kTimeout;
  return KuboError::kOther;
}

Error reply_error(int status, const std::string& doing, ByteView reply) {
  const std::string message = error_message(reply);
  Error error = http::status_error(status, doing, message);
  switch (classify(message)) {
    case KuboError::kOther:
    case KuboError::kNotPinned:
    case KuboError::kKeyExists: return error;
    case KuboError::kTimeout: return std::move(error).with_code(ErrorCode::kUnavailable);
    case KuboError::kNotLocal:
    case KuboError::kNameUnknown: return std::move(error).with_code(ErrorCode::kNotFound);
    case KuboError::kNoSpace: return std::move(error).with_code(ErrorCode::kQuotaExceeded);
    case KuboError::kBadBlock: return std::move(error).with_code(ErrorCode::kCorrupt);
  }
  return error;
}

}  // namespace holdfast::ipfs
