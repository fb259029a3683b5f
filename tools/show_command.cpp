// SPDX-License-Identifier: Apache-2.0
#include <map>

#include "tools/json_output.h"
#include "tools/session.h"
#include "tools/units.h"

namespace holdfast {

namespace {

/// Objects are printed as they come: a snapshot of a terabyte leans on some 65,000 packs.
constexpr std::size_t kPrintAtBytes = 64 * 1024;
constexpr std::size_t kNameWidth = 18;

struct Share {
  std::uint64_t packs = 0;
  std::uint64_t bytes = 0;
  std::uint64_t bad = 0;  ///< packs that were missing or corrupt there when it was looked at last: not among `packs`
};

struct Shares {
  std::map<std::string, Share> networks;
  Share staging;
  Share all;
};

Shares count_shares(const Repository& repository, const SnapshotLocations& locations) {
  Shares out;
  const auto add = [](Share& share, std::uint64_t bytes) {
    ++share.packs;
    share.bytes += bytes;
  };
  for (const auto& pack : locations.packs) {
    add(out.all, pack.size_bytes);
    if (pack.is_staged) add(out.staging, pack.size_bytes);
    if (!pack.id) continue;
    for (const PackCopy& copy : repository.pack_copies(*pack.id)) {
      Share& share = out.networks[copy.network];
      if (copy.is_bad()) {
        ++share.bad;
      } else {
        add(share, copy.size_bytes);
      }
    }
  }
  return out;
}

nlohmann::json share_json(const Share& share) { return {{"packs", share.packs}, {"bytes", share.bytes}}; }

/// Prints in pieces of kPrintAtBytes.
class Printer {
 public:
  explicit Printer(const Io& io) : io_(io) {}
  ~Printer() { io_.print(text_); }
  Printer(const Printer&) = delete;
  Printer& operator=(const Printer&) = delete;
  void add(std::string_view text) {
    text_ += text;
    if (text_.size() < kPrintAtBytes) return;
    io_.print(text_);
    text_.clear();
  }

 private:
  const Io& io_;
  std::string text_;
};

void print_objects(const Repository& repository, const SnapshotLocations& locations, const std::string& network,
                   Printer& out) {
  std::string_view before = "\n";
  for (const auto& pack : locations.packs) {
    if (!pack.id) continue;
    for (const PackCopy& copy : repository.pack_copies(*pack.id)) {
      if (copy.network != network) continue;
      const nlohmann::json object = {{"pack", pack.id->hex()},          {"locator", copy.locator},
                                     {"bytes", copy.size_bytes},        {"chunks", pack.chunks},
                                     {"chunk_bytes", pack.chunk_bytes}, {"state", std::string(copy.state)}};
      out.add(before);
      out.add("        " + json_line(object));
      before = ",\n";
    }
  }
}

/// One document, whose last key is `locations`; its objects, a line each, are printed as they are found.
void print_json(const Session& session, const SnapshotInfo& snapshot, const SnapshotLocations& locations,
                const Shares& shares) {
  nlohmann::json document = snapshot_json(snapshot);
  document["leans_on"] = share_json(shares.all);
  document["staging"] = share_json(shares.staging);
  document["locations_complete"] = locations.problems.empty();
  document["problems"] = locations.problems;
  std::string head = json_text(document);
  head.resize(head.rfind("\n}"));
  Printer out(session.io);
  out.add(head + ",\n  \"locations\": [");
  std::string_view before = "\n";
  for (const auto& [network, share] : shares.networks) {
    nlohmann::json about = share_json(share);
    about["network"] = network;
    about["bad"] = share.bad;
    std::string opened = json_line(about);
    opened.pop_back();
    out.add(before);
    out.add("    " + opened + ",\"objects\": [");
    print_objects(session.repository, locations, network, out);
    out.add("\n      ]}");
    before = ",\n";
  }
  out.add(shares.networks.empty() ? "]\n}\n" : "\n  ]\n}\n");
}

std::string shown(std::string name) {
  name.resize(std::max(name.size() + 1, kNameWidth), ' ');
  return name;
}

void print_text(const Session& session, const SnapshotInfo& snapshot, const SnapshotLocations& locations,
                const Shares& shares) {
  std::string text;
  const nlohmann::json document = snapshot_json(snapshot);
  for (const auto& [key, value] : document.items()) {
    text += shown(key) + (value.is_string() ? value.get<std::string>() : value.dump()) + "\n";
  }
  std::string name = "locations";
  const auto add = [&](const std::string& place, const Share& share) {
    text += shown(name) + place + ": " + std::to_string(share.packs) + " of " + std::to_string(shares.all.packs) +
            " packs, " + size_text(share.bytes) +
            (share.bad > 0 ? "; " + std::to_string(share.bad) + " missing or corrupt" : "") + "\n";
    name.clear();
  };
  for (const auto& [network, share] : shares.networks) add(network, share);
  if (shares.staging.packs > 0) add("staging", shares.staging);
  session.io.print(text);
  for (const std::string& problem : locations.problems) session.io.complain("holdfast: locations: " + problem + "\n");
}

}  // namespace

Result<int> run_show_command(Session& session) {
  const SnapshotPath parts = split_snapshot_path(session.invocation.operands.front());
  HOLDFAST_ASSIGN(const SnapshotInfo snapshot, session.repository.resolve(parts.snapshot));
  Result<SnapshotLocations> locations = session.repository.locations(snapshot.id, session.context());
  if (!locations) {
    if (session.io.stop.stop_requested()) return std::move(locations).error();
    // What is known without a key is shown all the same.
    SnapshotLocations none;
    none.problems.push_back(locations.error().message());
    locations = std::move(none);
  }
  const Shares shares = count_shares(session.repository, *locations);
  if (session.io.json) {
    print_json(session, snapshot, *locations, shares);
  } else {
    print_text(session, snapshot, *locations, shares);
  }
  return 0;
}

}  // namespace holdfast
