// SPDX-License-Identifier: Apache-2.0
#include "core/repo/policy_text.h"

#include <algorithm>
#include <charconv>

#include "core/catalog/genesis.h"
#include "core/erasure/erasure_code.h"
#include "core/repo/cron.h"

namespace holdfast {
namespace {

std::string toml_of(std::string_view text) {
  std::string out = "\"";
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') {
      out += '\\';
      out += letter;
    } else if (letter == '\n') {
      out += "\\n";
    } else {
      out += letter;
    }
  }
  return out + "\"";
}

std::string toml_of(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const auto& text : texts) out += (out.size() > 1 ? ", " : "") + toml_of(text);
  return out + "]";
}

/// Reads what encode_policy writes.
class LineReader {
 public:
  explicit LineReader(std::string_view line) : rest_(line) {}
  Result<std::string> key() {
    const auto equals = rest_.find(" = ");
    if (equals == std::string_view::npos) return Error(ErrorCode::kCorrupt, "a stored policy has a line without \" = \"");
    std::string key(rest_.substr(0, equals));
    rest_.remove_prefix(equals + 3);
    return key;
  }
  Result<std::string> text() {
    if (rest_.empty() || rest_.front() != '"') return bad();
    std::string out;
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == '"') {
        rest_.remove_prefix(i + 1);
        return out;
      }
      if (rest_[i] != '\\') {
        out += rest_[i];
        continue;
      }
      if (++i == rest_.size()) break;
      out += rest_[i] == 'n' ? '\n' : rest_[i];
    }
    return bad();
  }
  Result<std::vector<std::string>> texts() {
    if (rest_.empty() || rest_.front() != '[') return bad();
    rest_.remove_prefix(1);
    std::vector<std::string> out;
    while (!rest_.empty() && rest_.front() != ']') {
      if (rest_.starts_with(", ")) rest_.remove_prefix(2);
      HOLDFAST_ASSIGN(auto one, text());
      out.push_back(std::move(one));
    }
    return rest_.empty() ? Result<std::vector<std::string>>(bad()) : Result<std::vector<std::string>>(std::move(out));
  }
  template <typename Number>
  Status number(Number& out) {
    const auto parsed = std::from_chars(rest_.data(), rest_.data() + rest_.size(), out);
    if (parsed.ec != std::errc() || parsed.ptr != rest_.data() + rest_.size()) return bad();
    return ok_status();
  }
  Status seconds(std::chrono::seconds& out) {
    std::int64_t count = 0;
    HOLDFAST_TRY(number(count));
    out = std::chrono::seconds(count);
    return ok_status();
  }

 private:
  static Error bad() { return Error(ErrorCode::kCorrupt, "a stored policy has a value that does not parse"); }
  std::string_view rest_;
};

template <typename Target, typename Value>
Status assign(Target& target, Result<Value> value) {
  if (!value) return std::move(value).error();
  target = std::move(*value);
  return ok_status();
}

Status decode_line(std::string_view line, NamedPolicy& out) {
  LineReader in(line);
  HOLDFAST_ASSIGN(const std::string key, in.key());
  DatabasePolicy& policy = out.policy;
  if (key == "name") return assign(out.name, in.text());
  if (key == "strategy") return assign(policy.strategy, in.text());
  if (key == "networks") return assign(policy.networks, in.texts());
  if (key == "write_quorum") return in.number(policy.write_quorum);
  if (key == "erasure") return assign(policy.erasure, in.text());
  if (key == "seal_after_idle") return in.seconds(policy.seal_after_idle);
  if (key == "seal_wait") return in.seconds(policy.seal_wait);
  if (key == "max_age") return in.seconds(policy.max_age);
  if (key == "schedule") return assign(policy.schedule, in.text());
  if (key == "tags") return assign(policy.tags, in.texts());
  if (key == "owner") return assign(policy.owner, in.text());
  if (key == "mode") return in.number(policy.mode);
  if (key == "chunk_min") return in.number(policy.chunk_sizes.min_bytes);
  if (key == "chunk_target") return in.number(policy.chunk_sizes.target_bytes);
  if (key == "chunk_max") return in.number(policy.chunk_sizes.max_bytes);
  if (key == "zstd_level") return in.number(policy.zstd_level);
  return ok_status();
}

}  // namespace

std::string encode_policy(const std::string& name, const DatabasePolicy& policy) {
  std::string out;
  const auto line = [&](std::string_view key, const std::string& value) { out += std::string(key) + " = " + value + "\n"; };
  line("name", toml_of(name));
  line("strategy", toml_of(policy.strategy));
  line("networks", toml_of(policy.networks));
  line("write_quorum", std::to_string(policy.write_quorum));
  if (!policy.erasure.empty()) line("erasure", toml_of(policy.erasure));
  line("seal_after_idle", std::to_string(policy.seal_after_idle.count()));
  line("seal_wait", std::to_string(policy.seal_wait.count()));
  line("max_age", std::to_string(policy.max_age.count()));
  line("schedule", toml_of(policy.schedule));
  line("tags", toml_of(policy.tags));
  line("owner", toml_of(policy.owner));
  line("mode", std::to_string(policy.mode));
  line("chunk_min", std::to_string(policy.chunk_sizes.min_bytes));
  line("chunk_target", std::to_string(policy.chunk_sizes.target_bytes));
  line("chunk_max", std::to_string(policy.chunk_sizes.max_bytes));
  line("zstd_level", std::to_string(policy.zstd_level));
  return out;
}

Result<NamedPolicy> decode_policy(std::string_view text) {
  NamedPolicy out;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (!line.empty()) HOLDFAST_TRY(decode_line(line, out));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  if (!check_database_name(out.name)) return Error(ErrorCode::kCorrupt, "a stored policy without a database's name");
  return out;
}

Status check_database_name(std::string_view name) {
  const auto refuse = [&](std::string_view why) {
    return Error(ErrorCode::kInvalidArgument, "no database can be called \"" + std::string(name) + "\": " + std::string(why));
  };
  if (name.empty()) return refuse("the name is empty");
  if (name.size() > 255) return refuse("the name is longer than 255 bytes");
  if (name.front() == '.') return refuse("it starts with a dot");
  for (const char letter : name) {
    if (letter == '@' || letter == ':' || letter == '/') return refuse("it has one of @ : /");
    if (static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f) return refuse("it has a control character");
  }
  return ok_status();
}

Status check_policy(const DatabasePolicy& policy) {
  if (policy.strategy != "incremental" && policy.strategy != "full" && policy.strategy != "realtime" && policy.strategy != "compliance") {
    return Error(ErrorCode::kInvalidArgument, "strategy is one of incremental, full, realtime, compliance; not \"" + policy.strategy + "\"");
  }
  if (!policy.erasure.empty()) HOLDFAST_TRY(ErasureCode::parse(policy.erasure));
  if (policy.seal_after_idle.count() < 0 || policy.seal_wait.count() < 0 || policy.max_age.count() < 0) {
    return Error(ErrorCode::kInvalidArgument, "seal_after_idle, seal_wait and max_age are not negative");
  }
  if (std::any_of(policy.tags.begin(), policy.tags.end(), [](const auto& tag) { return tag.size() > kCatalogTextMaxBytes; })) {
    return Error(ErrorCode::kInvalidArgument, "a tag has at most " + std::to_string(kCatalogTextMaxBytes) + " bytes");
  }
  if (policy.mode > 07777) return Error(ErrorCode::kInvalidArgument, "mode has permission bits only");
  if (policy.zstd_level < -7 || policy.zstd_level > 19 || policy.zstd_level == 0) {
    return Error(ErrorCode::kInvalidArgument, "zstd_level is 1 to 19, or -1 to -7; not " + std::to_string(policy.zstd_level));
  }
  if (!policy.schedule.empty()) HOLDFAST_TRY(CronSchedule::parse(policy.schedule));
  const auto& sizes = policy.chunk_sizes;
  const bool power = sizes.target_bytes != 0 && (sizes.target_bytes & (sizes.target_bytes - 1)) == 0;
  if (!power || sizes.min_bytes < 256 || sizes.min_bytes > sizes.target_bytes || sizes.target_bytes > sizes.max_bytes || sizes.max_bytes > 4'194'304) {
    return Error(ErrorCode::kInvalidArgument, "chunk sizes are 256 bytes <= min <= target (a power of two) <= max <= 4 MiB");
  }
  return ok_status();
}

}  // namespace holdfast
