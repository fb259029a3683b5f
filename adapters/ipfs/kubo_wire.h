// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.h"

/// Pure codecs of Kubo's RPC replies (docs.ipfs.tech/reference/kubo/rpc, seen with 0.32.1): bytes in, values out, no I/O.
/// What does not parse is kCorrupt.
namespace holdfast::ipfs {

struct Added {
  std::string cid;
  std::uint64_t dag_size_bytes = 0;  ///< with the nodes above the leaves
};
/// The last line of `add`'s NDJSON. Errors: kCorrupt, also for a CID that this adapter does not make.
Result<Added> parse_added(ByteView reply);

struct FileStat {
  std::uint64_t size_bytes = 0;
  bool local = false;  ///< every block is on the node
};
Result<FileStat> parse_file_stat(ByteView reply);

struct RepoStat {
  std::uint64_t used_bytes = 0;
  std::uint64_t limit_bytes = 0;
};
Result<RepoStat> parse_repo_stat(ByteView reply);

/// A text member of a JSON object. Errors: kCorrupt when absent.
Result<std::string> parse_text(ByteView reply, const std::string& member);

/// Names of keys and their IPNS names.
Result<std::map<std::string, std::string>> parse_keys(ByteView reply);

/// The CIDs that `refs` lists, one JSON object a line; lines with an error are left out.
std::vector<std::string> parse_refs(ByteView reply);

struct NodeId {
  std::string id;
  std::vector<std::string> addresses;  ///< multiaddresses, each with the id at its end
};
Result<NodeId> parse_node_id(ByteView reply);

/// How many peers `swarm/peers` lists.
Result<std::size_t> parse_peer_count(ByteView reply);

/// How many nodes other than `own_id` `routing/findprovs` names, in one JSON object a line; lines that are none are left out.
std::size_t count_other_providers(ByteView reply, const std::string& own_id);

/// The Message of an error reply, or the reply itself where it is plain text; printable, at most 300 bytes.
std::string error_message(ByteView reply);

/// What Kubo's errors mean: nearly all come with status 500 and can be told apart by their text only.
enum class KuboError : std::uint8_t { kOther, kTimeout, kNotLocal, kNotPinned, kNameUnknown, kKeyExists, kNoSpace, kBadBlock };
KuboError classify(std::string_view message) noexcept;

/// The Error of a reply that is no success.
Error reply_error(int status, const std::string& doing, ByteView reply);

}  // namespace holdfast::ipfs
