// SPDX-License-Identifier: Apache-2.0
// The Sia adapter against a renterd that does what no honest one should: each case is one that renterd 1.1.1 was seen to do, or a server in front of it may.
#include "adapters/sia/sia_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/http/curl_transport.h"
#include "core/crypto/md5.h"
#include "tests/support/scripted_server.h"

namespace holdfast {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Peer;

constexpr const char* kSecret = "hunter2-hunter2";
std::shared_ptr<const SecretBytes> secret(const std::string& text) { return std::make_shared<const SecretBytes>(SecretBytes::copy_of(as_bytes(text))); }
constexpr const char* kNoObject = "transaction failed (attempt 1): object not found\n";

/// What a script sees of one request.
struct Request {
  std::string line;  ///< "GET /api/… HTTP/1.1"
  std::string head;
  std::string body;
  [[nodiscard]] bool is(const std::string& start) const { return line.starts_with(start); }
};

/// A scripted renterd that keeps count of what it is asked. What its script does not answer is answered as by a renterd that has nothing.
class FakeRenterd {
 public:
  using Script = std::function<bool(Peer&, const Request&)>;
  enum class After { kNextRequest, kClose };  ///< what a connection does once the script has answered
  explicit FakeRenterd(Script script, After after = After::kNextRequest)
      : script_(std::move(script)), after_(after), server_([this](Peer& peer) { serve(peer); }) {}

  std::shared_ptr<SiaStore> store(const std::string& api = {}) {
    return *SiaStore::make({.api = api.empty() ? server_.url() : api, .password = secret(kSecret)}, *http::make_curl_transport());
  }
  [[nodiscard]] std::string url() const { return server_.url(); }
  /// Method and path of all requests, without the query.
  std::vector<std::string> asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  std::vector<Request> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void serve(Peer& peer) {
    for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      Request request{.line = head.substr(0, head.find("\r\n")), .head = head, .body = {}};
      if (const std::size_t at = head.find("Content-Length: "); at != std::string::npos) request.body = peer.read_body(std::stoul(head.substr(at + 16)));
      {
        const std::lock_guard lock(mutex_);
        asked_.push_back(request.line.substr(0, request.line.find_first_of("?", request.line.find('/'))));
        requests_.push_back(request);
      }
      if (script_(peer, request)) {
        if (after_ == After::kClose) return;
        continue;
      }
      if (request.is("POST /api/bus/buckets")) {
        peer.reply(500, "failed to create bucket: transaction failed (attempt 1): bucket already exists\n");
      } else if (request.is("DELETE ")) {
        peer.reply(200, "");
      } else {
        peer.reply(404, kNoObject);
      }
    }
  }
  Script script_;
  After after_;
  std::mutex mutex_;
  std::vector<std::string> asked_;
  std::vector<Request> requests_;
  testing::ScriptedServer server_;
};

std::string object_json(std::string_view bytes, const std::string& health = "1") {
  return R"({"object":{"eTag":")" + *md5_hex(as_bytes(bytes)) + R"(","size":)" + std::to_string(bytes.size()) + R"(,"slabs":[{"slab":{"health":)" + health +
         R"(,"minShards":2,"shards":[{},{},{}]},"offset":0,"length":)" + std::to_string(bytes.size()) + "}]}}";
}

/// Answers a GET of the worker with `reply`, byte for byte.
FakeRenterd::Script reading(std::string reply) {
  return [reply = std::move(reply)](Peer& peer, const Request& request) {
    if (!request.is("GET /api/worker/objects/packs/00?bucket=holdfast ")) return false;
    peer.write(reply);
    return true;
  };
}

Status read_of(const std::string& reply, std::uint64_t offset = 0, std::uint64_t size_bytes = 8) {
  FakeRenterd renterd(reading(reply), FakeRenterd::After::kClose);
  Bytes out(8);
  Status status = renterd.store()->read({.locator = "packs/00", .size_bytes = offset + size_bytes}, offset, out, {});
  if (status) {
    EXPECT_EQ(as_text(out), "abcdefgh");
  }
  return status;
}
ErrorCode read_code(const std::string& reply, std::uint64_t offset = 0) {
  const Status status = read_of(reply, offset);
  EXPECT_FALSE(status) << reply;
  return status ? ErrorCode::kInternal : status.error().code();
}

TEST(SiaStore, BodyCutShort_IsUnavailable) {
  const std::string cut = "Content-Length: 8\r\nContent-Range: bytes 0-7/8\r\n\r\n";
  EXPECT_EQ(read_code("HTTP/1.1 206 Partial Content\r\n" + cut), ErrorCode::kUnavailable);
  EXPECT_EQ(read_code("HTTP/1.1 206 Partial Content\r\n" + cut + "abc"), ErrorCode::kUnavailable);
  EXPECT_EQ(read_code("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nabc"), ErrorCode::kUnavailable);
  EXPECT_EQ(read_code("HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\nContent-Range: bytes 0-2/8\r\n\r\nabc"), ErrorCode::kUnavailable);
}

TEST(SiaStore, RightRange_IsTakenAndAnotherIsNot) {
  const std::string partial = "HTTP/1.1 206 Partial Content\r\nContent-Length: 8\r\nContent-Range: bytes ";
  EXPECT_TRUE(read_of(partial + "4-11/99\r\n\r\nabcdefgh", 4));
  EXPECT_EQ(read_code(partial + "5-12/99\r\n\r\nabcdefgh", 4), ErrorCode::kUnavailable);
  EXPECT_EQ(read_code("HTTP/1.1 206 Partial Content\r\nContent-Length: 9\r\nContent-Range: bytes 0-8/9\r\n\r\nabcdefghi"), ErrorCode::kCorrupt);
}

TEST(SiaStore, ReplyThatIgnoresTheRange_IsNotTaken) {
  EXPECT_EQ(read_code("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nabcdefgh"), ErrorCode::kUnsupported);
  EXPECT_EQ(read_code("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nabcdefghijkl"), ErrorCode::kUnsupported);
}

TEST(SiaStore, Errors_AreClassedByWhatTheyMean) {
  const auto reply = [](const std::string& status, const std::string& text) {
    return "HTTP/1.1 " + status + "\r\nContent-Type: text/plain\r\nContent-Length: " + std::to_string(text.size()) + "\r\n\r\n" + text;
  };
  EXPECT_EQ(read_code(reply("400 Bad Request", "couldn't fetch object: invalid range\n")), ErrorCode::kOutOfRange);
  EXPECT_EQ(read_code(reply("404 Not Found", kNoObject)), ErrorCode::kNotFound);
  EXPECT_EQ(read_code(reply("404 Not Found", "<html>nothing here</html>")), ErrorCode::kUnavailable);
  EXPECT_EQ(read_code(reply("500 Internal Server Error", "<html><body>oops</body></html>")), ErrorCode::kUnavailable);
  EXPECT_EQ(read_code("HTTP/1.1 301 Moved\r\nLocation: http://evil.example/\r\nContent-Length: 0\r\n\r\n"), ErrorCode::kUnsupported);
}

TEST(SiaStore, RangePastTheKnownEnd_IsNotAskedFor) {
  FakeRenterd renterd([](Peer&, const Request&) { return false; });
  Bytes out(8);
  EXPECT_EQ(renterd.store()->read({.locator = "packs/00", .size_bytes = 7}, 0, out, {}).error().code(), ErrorCode::kOutOfRange);
  EXPECT_EQ(renterd.store()->read({.locator = "packs/00", .size_bytes = 7}, ~std::uint64_t{0}, out, {}).error().code(), ErrorCode::kOutOfRange);
  EXPECT_TRUE(renterd.asked().empty());
}

TEST(SiaStore, ZeroByteStore_IsCaughtAndTakenBack) {
  // What renterd does with a form's content type: it stores nothing and says that all is well.
  std::atomic<bool> stored = false;
  FakeRenterd renterd([&](Peer& peer, const Request& request) {
    if (request.is("PUT ")) {
      stored = true;
      peer.reply(200, "", "ETag: \"d41d8cd98f00b204e9800998ecf8427e\"\r\n");
      return true;
    }
    if (!request.is("GET ") || !stored) return false;
    peer.reply(200, R"({"object":{"eTag":"d41d8cd98f00b204e9800998ecf8427e","size":0}})");
    return true;
  });
  const auto put = renterd.store()->put("packs/00", as_bytes("not nothing"), {});
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(put.error().message(), HasSubstr("0 bytes that are not the 11"));
  EXPECT_THAT(renterd.asked(), Contains("DELETE /api/worker/objects/packs/00")) << "else the name would be taken for ever";
}

TEST(SiaStore, Put_SendsBytesAsTheyAreAndComparesTheEtag) {
  FakeRenterd renterd([&](Peer& peer, const Request& request) {
    if (!request.is("PUT ")) return false;
    peer.reply(200, "", "ETag: \"" + *md5_hex(as_bytes(request.body)) + "\"\r\n");
    return true;
  });
  const auto store = *SiaStore::make({.api = renterd.url() + "/api/", .password = secret(kSecret), .bucket = "b.1", .min_shards = 2, .total_shards = 6}, *http::make_curl_transport());
  const auto put = store->put("packs/00", as_bytes("some bytes"), {});
  ASSERT_TRUE(put) << put.error().message();
  EXPECT_EQ(put->size_bytes, 10U);
  EXPECT_THAT(renterd.asked(), ElementsAre("GET /api/bus/objects/packs/00", "POST /api/bus/buckets HTTP/1.1", "PUT /api/worker/objects/packs/00"));
  const Request sent = renterd.requests().back();
  EXPECT_THAT(sent.line, HasSubstr("?bucket=b.1&minshards=2&totalshards=6 "));
  EXPECT_THAT(sent.head, HasSubstr("Content-Type: application/octet-stream\r\n"));
  EXPECT_THAT(sent.head, Not(HasSubstr("x-www-form-urlencoded")));
  EXPECT_EQ(sent.body, "some bytes");
}

TEST(SiaStore, ReplyWithoutAnEtag_IsLookedUp) {
  std::atomic<bool> stored = false;
  FakeRenterd renterd([&](Peer& peer, const Request& request) {
    if (request.is("PUT ")) return stored = true, peer.reply(200, ""), true;
    if (!request.is("GET ") || !stored) return false;
    return peer.reply(200, object_json("some bytes")), true;
  });
  EXPECT_TRUE(renterd.store()->put("packs/00", as_bytes("some bytes"), {}));
  stored = false;
  EXPECT_EQ(renterd.store()->put("packs/00", as_bytes("more bytes"), {}).error().code(), ErrorCode::kCorrupt);
}

TEST(SiaStore, TakenName_IsKeptUnlessItIsLost) {
  std::string there;
  FakeRenterd renterd([&](Peer& peer, const Request& request) {
    if (request.is("GET ")) return peer.reply(200, there), true;
    if (request.is("PUT ")) return peer.reply(200, "", "ETag: \"" + *md5_hex(as_bytes(request.body)) + "\"\r\n"), true;
    return false;
  });
  const auto puts = [&] { return std::ranges::count(renterd.asked(), "PUT /api/worker/objects/packs/00"); };
  there = object_json("same bytes");
  EXPECT_TRUE(renterd.store()->put("packs/00", as_bytes("same bytes"), {}));
  EXPECT_EQ(renterd.store()->put("packs/00", as_bytes("more bytes"), {}).error().code(), ErrorCode::kAlreadyExists);
  there = object_json("");
  EXPECT_EQ(renterd.store()->put("packs/00", as_bytes("same bytes"), {}).error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(puts(), 0);
  there = object_json("same bytes", "-0.5");
  EXPECT_TRUE(renterd.store()->put("packs/00", as_bytes("same bytes"), {}));
  EXPECT_EQ(puts(), 1) << "what can't be read any more is put anew";
}

TEST(SiaStore, BucketThatWentAway_IsMadeAgain) {
  std::atomic<int> puts = 0;
  FakeRenterd renterd([&](Peer& peer, const Request& request) {
    if (request.is("POST ")) return peer.reply(200, ""), true;
    if (!request.is("PUT ")) return false;
    if (++puts == 2) {
      peer.reply(404, "bucket 'holdfast' not found; transaction failed (attempt 1): failed to fetch bucket: bucket not found\n");
    } else {
      peer.reply(200, "", "ETag: \"" + *md5_hex(as_bytes(request.body)) + "\"\r\n");
    }
    return true;
  });
  const auto store = renterd.store();
  EXPECT_TRUE(store->put("packs/00", as_bytes("a"), {}));
  EXPECT_EQ(store->put("packs/01", as_bytes("b"), {}).error().code(), ErrorCode::kUnavailable);
  EXPECT_TRUE(store->put("packs/01", as_bytes("b"), {}));
  EXPECT_EQ(std::ranges::count(renterd.asked(), "POST /api/bus/buckets HTTP/1.1"), 2);
}

TEST(SiaStore, MissingHead_IsProvedByRenterdOnly) {
  FakeRenterd empty([](Peer&, const Request&) { return false; });
  EXPECT_EQ(*empty.store()->resolve_head({}, 0, {}, {}), std::nullopt);
  FakeRenterd stranger([](Peer& peer, const Request&) { return peer.reply(404, "page not found"), true; });
  EXPECT_EQ(stranger.store()->resolve_head({}, 0, {}, {}).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(stranger.store()->probe({.locator = "packs/00", .size_bytes = 1}, {}).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(stranger.store()->remove({.locator = "packs/00", .size_bytes = 1}, {}).error().code(), ErrorCode::kUnavailable);
}

TEST(SiaStore, Password_IsSentAndNeverShown) {
  FakeRenterd renterd([](Peer& peer, const Request& request) {
    if (request.head.find("Authorization: Basic OmhlbGQ=") != std::string::npos) return false;  // base64 of ":held"
    return peer.reply(401, "Unauthorized\n"), true;
  });
  const auto refused = renterd.store()->probe({.locator = "packs/00", .size_bytes = 1}, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
  const auto health = renterd.store()->health({});
  EXPECT_FALSE(health->reachable);
  for (const std::string& text : {refused.error().message(), health->detail}) {
    EXPECT_THAT(text, HasSubstr("Unauthorized"));
    EXPECT_THAT(text, Not(HasSubstr("hunter2")));
    EXPECT_THAT(text, Not(HasSubstr("Basic")));
  }
  const auto store = *SiaStore::make({.api = renterd.url(), .password = secret("held")}, *http::make_curl_transport());
  EXPECT_EQ(*store->probe({.locator = "packs/00", .size_bytes = 1}, {}), Durability::kAbsent);
  const auto in_url = *SiaStore::make({.api = "http://:held@" + renterd.url().substr(7)}, *http::make_curl_transport());
  EXPECT_EQ(*in_url->probe({.locator = "packs/00", .size_bytes = 1}, {}), Durability::kAbsent);
}

TEST(SiaStore, Health_SaysWhatIsWrong) {
  FakeRenterd renterd([](Peer& peer, const Request& request) {
    const std::pair<const char*, const char*> replies[] = {
        {"GET /api/bus/state ", R"({"version":"v1.1.1","network":"mainnet"})"},
        {"GET /api/bus/setting/redundancy ", R"({"minShards":10,"totalShards":30})"},
        {"GET /api/bus/setting/contractset ", R"({"default":"autopilot"})"},
        {"GET /api/bus/contracts?contractset=autopilot ", "[{},{},{}]"},
        {"GET /api/bus/wallet ", R"({"spendable":"12340000000000000000000000"})"},
        {"GET /api/bus/consensus/state ", R"({"synced":false})"},
        {"GET /api/bus/setting/uploadpacking ", R"({"enabled":true})"},
        {"GET /api/bus/alerts?", R"({"alerts":[{"severity":"critical","message":"Slab migration failed"}]})"},
    };
    if (request.is("GET /api/bus/stats/objects?bucket=holdfast ")) return peer.reply(500, "couldn't get objects stats: bucket not found\n"), true;
    for (const auto& [start, reply] : replies) {
      if (request.is(start)) return peer.reply(200, reply), true;
    }
    return false;
  });
  const auto health = renterd.store()->health({});
  ASSERT_TRUE(health) << health.error().message();
  EXPECT_TRUE(health->reachable);
  EXPECT_EQ(health->used_bytes, 0U);
  EXPECT_EQ(health->detail,
            "renterd v1.1.1 on mainnet, 0 MiB on hosts, wallet 12.34 SC, redundancy 10 of 30; only 3 of the 30 contracts that an upload needs; NOT synced with the chain, so "
            "nothing can be uploaded; upload packing is on: the ends of objects wait on renterd's own disk; 1 alert (critical: Slab migration failed)");
}

TEST(SiaStore, Options_AreChecked) {
  const auto refused = [](SiaStore::Options options) {
    const auto made = SiaStore::make(options, nullptr);
    EXPECT_FALSE(made);
    return made ? std::string() : made.error().message();
  };
  EXPECT_THAT(refused({.api = "127.0.0.1:9980", .password = secret("x")}), HasSubstr("no http or https address"));
  EXPECT_THAT(refused({}), HasSubstr("set password_file"));
  EXPECT_THAT(refused({.password = secret("x"), .bucket = "a/b"}), HasSubstr("bucket's name"));
  EXPECT_THAT(refused({.password = secret("x"), .min_shards = 3, .total_shards = 3}), HasSubstr("3 of 3"));
  EXPECT_THAT(refused({.password = secret("x"), .min_shards = 3}), HasSubstr("go together"));
  const auto traits = [](const SiaStore::Options& options) { return (*SiaStore::make(options, nullptr))->traits(); };
  EXPECT_EQ(traits({.password = secret("x")}).site, "this-host");
  EXPECT_EQ(traits({.password = secret("x")}).object_size_liked_bytes, 0U) << "the redundancy is not known";
  EXPECT_EQ(traits({.api = "https://:x@renterd.example.org/"}).site, "https://renterd.example.org");
  EXPECT_EQ(traits({.password = secret("x"), .site = "cellar"}).site, "cellar");
  EXPECT_EQ(traits({.password = secret("x"), .min_shards = 10, .total_shards = 30}).object_size_liked_bytes, (40U << 20) - (2U << 20));
  EXPECT_EQ(traits({.password = secret("x"), .min_shards = 2, .total_shards = 3}).object_size_liked_bytes, (32U << 20) - (2U << 20));
}

}  // namespace
}  // namespace holdfast
