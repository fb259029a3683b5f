// SPDX-License-Identifier: Apache-2.0
#include "adapters/http/curl_transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "core/base/clock.h"
#include "tests/support/scripted_server.h"
#include "tests/support/temporary_folder.h"

namespace holdfast::http {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;
using holdfast::testing::Peer;
using holdfast::testing::ScriptedServer;

std::shared_ptr<HttpTransport> transport() { return *make_curl_transport(); }

Request get(const std::string& url, std::uint64_t max_bytes = 1U << 20) {
  return {.url = url, .response_size_max_bytes = max_bytes};
}

/// Answers every request of a connection alike.
std::function<void(Peer&)> always(std::function<void(Peer&, const std::string&)> answer) {
  return [answer = std::move(answer)](Peer& peer) {
    for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head()) answer(peer, head);
  };
}

TEST(CurlTransport, Get_GivesStatusFieldsAndBody) {
  ScriptedServer server(always([](Peer& peer, const std::string& head) {
    EXPECT_THAT(head, HasSubstr("GET /a?b=c HTTP/1.1"));
    EXPECT_THAT(head, HasSubstr("User-Agent: holdfast"));
    EXPECT_THAT(head, HasSubstr("X-Mine: yes"));
    peer.reply(206, "hello", "X-Content-Length: 5\r\n");
  }));
  Request request = get(server.url() + "/a?b=c");
  request.headers = {{"X-Mine", "yes"}};
  const auto reply = send_and_collect(*transport(), request, {});
  ASSERT_TRUE(reply) << reply.error().message();
  EXPECT_EQ(reply->head.status, 206);
  EXPECT_EQ(reply->head.header("x-content-length"), "5");
  EXPECT_EQ(as_text(reply->body), "hello");
}

TEST(CurlTransport, Calls_ReuseOneConnection) {
  ScriptedServer server(always([](Peer& peer, const std::string&) { peer.reply(200, "x"); }));
  const auto http = transport();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(send_and_collect(*http, get(server.url()), {}));
  EXPECT_EQ(server.connections(), 1);
}

TEST(CurlTransport, PostOfMemoryAndOfForms_ArriveWhole) {
  const holdfast::testing::TemporaryFolder folder;
  const std::string file_text(3'000'000, 'f');
  std::ofstream(folder / "file", std::ios::binary) << file_text;
  ScriptedServer server(always([](Peer& peer, const std::string& head) {
    EXPECT_THAT(head, Not(HasSubstr("Expect")));
    const std::size_t at = head.find("Content-Length: ");
    ASSERT_NE(at, std::string::npos) << head;
    peer.reply(200, peer.read_body(std::stoul(head.substr(at + 16))));
  }));
  const auto http = transport();
  const std::string text(5'000'000, 'm');
  Request raw{.method = Method::kPost, .url = server.url(), .body = as_bytes(text), .response_size_max_bytes = 10'000'000};
  const auto echoed = send_and_collect(*http, raw, {});
  ASSERT_TRUE(echoed) << echoed.error().message();
  EXPECT_EQ(as_text(echoed->body), text);
  Request form{.method = Method::kPost, .url = server.url(), .response_size_max_bytes = 10'000'000};
  form.body = std::vector<Part>{{.name = "file", .file_name = "p0", .content = as_bytes(text)},
                                {.name = "other", .file_name = "p1", .content = folder / "file"}};
  const auto parts = send_and_collect(*http, form, {});
  ASSERT_TRUE(parts) << parts.error().message();
  EXPECT_THAT(as_text(parts->body), HasSubstr("name=\"file\"; filename=\"p0\""));
  EXPECT_NE(as_text(parts->body).find("\r\n\r\n" + text + "\r\n--"), std::string_view::npos);
  EXPECT_NE(as_text(parts->body).find("\r\n\r\n" + file_text + "\r\n--"), std::string_view::npos);
}

TEST(CurlTransport, MissingFile_IsInvalidArgument) {
  Request form{.method = Method::kPost, .url = "http://127.0.0.1:1", .response_size_max_bytes = 10};
  form.body = std::vector<Part>{{.name = "file", .file_name = "p0", .content = std::string("/no/such/file")}};
  EXPECT_EQ(transport()->send(form, {}, {}).error().code(), ErrorCode::kInvalidArgument);
}

TEST(CurlTransport, Trailers_AreRead) {
  ScriptedServer server(always([](Peer& peer, const std::string&) {
    peer.write("HTTP/1.1 200 OK\r\nTrailer: X-Stream-Error\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Stream-Error: lost a leaf\r\n\r\n");
  }));
  const auto reply = send_and_collect(*transport(), get(server.url()), {});
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->head.trailer("x-stream-error"), "lost a leaf");
  EXPECT_EQ(reply->head.header("x-stream-error"), "");
}

TEST(CurlTransport, BrokenReplies_HaveTheirClasses) {
  struct Broken {
    const char* text;
    ErrorCode code;
  };
  for (const Broken& broken : {Broken{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", ErrorCode::kUnavailable},
                               Broken{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", ErrorCode::kUnavailable},
                               Broken{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nno field\r\n\r\n", ErrorCode::kCorrupt},
                               Broken{"", ErrorCode::kUnavailable}}) {
    ScriptedServer server([&](Peer& peer) {
      (void)peer.read_head();
      peer.write(broken.text);
    });
    EXPECT_EQ(send_and_collect(*transport(), get(server.url()), {}).error().code(), broken.code) << broken.text;
  }
}

TEST(CurlTransport, ResetAndRefusal_AreUnavailable) {
  ScriptedServer server([](Peer& peer) {
    (void)peer.read_head();
    peer.reset();
  });
  EXPECT_EQ(send_and_collect(*transport(), get(server.url()), {}).error().code(), ErrorCode::kUnavailable);
  const auto refused = send_and_collect(*transport(), get("http://127.0.0.1:1/"), {});
  EXPECT_EQ(refused.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(refused.error().message(), HasSubstr("GET http://127.0.0.1:1/"));
}

TEST(CurlTransport, ReplyOverItsBound_IsCutOff) {
  ScriptedServer server(always([](Peer& peer, const std::string&) { peer.reply(200, std::string(1001, 'x')); }));
  EXPECT_EQ(send_and_collect(*transport(), get(server.url(), 1000), {}).error().code(), ErrorCode::kCorrupt);
  EXPECT_TRUE(send_and_collect(*transport(), get(server.url(), 1001), {}));
}

TEST(CurlTransport, EndlessHeaderFields_AreCutOff) {
  ScriptedServer server([](Peer& peer) {
    (void)peer.read_head();
    peer.write("HTTP/1.1 200 OK\r\n");
    const std::string field = "X-Long: " + std::string(50'000, 'x') + "\r\n";
    for (int i = 0; i < 1000; ++i) peer.write(field);
  });
  EXPECT_FALSE(send_and_collect(*transport(), get(server.url()), {}));
}

TEST(CurlTransport, Redirects_AreAnswersAndNotFollowed) {
  ScriptedServer other(always([](Peer& peer, const std::string&) { peer.reply(200, "stolen"); }));
  ScriptedServer server(always([&](Peer& peer, const std::string&) { peer.reply(301, "", "Location: " + other.url() + "\r\n"); }));
  const auto reply = send_and_collect(*transport(), get(server.url()), {});
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->head.status, 301);
  EXPECT_EQ(other.connections(), 0);
}

TEST(CurlTransport, SilentServer_MeetsTheDeadline) {
  ScriptedServer server([](Peer& peer) { peer.wait_for_close(); });
  const CallContext context{.deadline = system_clock().mono_now() + 100ms, .stop = {}};
  EXPECT_EQ(send_and_collect(*transport(), get(server.url()), context).error().code(), ErrorCode::kDeadlineExceeded);
}

TEST(CurlTransport, SilentServer_IsLeftAtOnceWhenCalledOff) {
  std::atomic<bool> asked = false;
  ScriptedServer server([&](Peer& peer) {
    (void)peer.read_head();
    asked = true;
    peer.wait_for_close();
  });
  std::stop_source stop;
  const MonoTime start = system_clock().mono_now();
  const std::jthread canceller([&] {
    while (!asked) std::this_thread::yield();
    stop.request_stop();
  });
  const CallContext context{.deadline = start + 60s, .stop = stop.get_token()};
  EXPECT_EQ(send_and_collect(*transport(), get(server.url()), context).error().code(), ErrorCode::kCancelled);
  // One that is not heard lasts until the deadline, a minute away.
  EXPECT_LT(system_clock().mono_now() - start, 30s);
}

TEST(CurlTransport, SinkError_IsWhatSendReturns) {
  ScriptedServer server(always([](Peer& peer, const std::string&) { peer.reply(200, "body"); }));
  const auto result = transport()->send(
      get(server.url()), [](const Response&, ByteView) -> Status { return Error(ErrorCode::kOutOfRange, "too short"); }, {});
  EXPECT_EQ(result.error().code(), ErrorCode::kOutOfRange);
}

TEST(CurlTransport, Credentials_AreSentAndNeverShown) {
  ScriptedServer server([](Peer& peer) {
    EXPECT_THAT(peer.read_head(), HasSubstr("Authorization: Basic dXNlcjpzZWNyZXQ="));  // user:secret
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");  // and then nothing of the ten bytes
  });
  const std::string url = "http://user:secret@" + server.url().substr(7) + "/x?token=secret";
  const auto failed = send_and_collect(*transport(), get(url), {});
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message(), Not(HasSubstr("secret")));
}

TEST(CurlTransport, FieldsWithLineBreaks_AreRefused) {
  Request request = get("http://127.0.0.1:1/");
  request.headers = {{"X-A", "b\r\nX-Evil: c"}};
  EXPECT_EQ(transport()->send(request, {}, {}).error().code(), ErrorCode::kInvalidArgument);
}

TEST(CurlTransport, OtherSchemes_AreRefused) {
  for (const char* url : {"file:///etc/passwd", "ftp://127.0.0.1/", "127.0.0.1", "", "http://"}) {
    EXPECT_EQ(transport()->send(get(url), {}, {}).error().code(), ErrorCode::kInvalidArgument) << url;
  }
}

TEST(CurlTransport, ManyThreads_GetTheirOwnReplies) {
  ScriptedServer server(always([](Peer& peer, const std::string& head) { peer.reply(200, head.substr(5, head.find(' ', 5) - 5)); }));
  const auto http = transport();
  std::vector<std::jthread> threads;
  for (int i = 0; i < 32; ++i) {
    threads.emplace_back([&, i] {
      for (int j = 0; j < 20; ++j) {
        const std::string text = std::to_string(i) + "-" + std::to_string(j);
        const auto reply = send_and_collect(*http, get(server.url() + "/" + text), {});
        ASSERT_TRUE(reply) << reply.error().message();
        EXPECT_EQ(as_text(reply->body), text);
      }
    });
  }
}

TEST(HttpText, Redaction_LeavesNoCredentialsAndNoQuery) {
  EXPECT_EQ(redacted("https://a:b@h:1/p?q=r#f"), "https://h:1/p");
  EXPECT_EQ(redacted("https://a:b@h?x=@y"), "https://h");
  EXPECT_EQ(redacted("nonsense"), "(no URL)");
}

TEST(HttpText, Loopback_IsKnownByItsNames) {
  for (const char* url : {"http://127.0.0.1:5001", "https://localhost/x", "http://[::1]:80/", "http://127.9.9.9", "http://u:p@127.0.0.1/"}) {
    EXPECT_TRUE(is_loopback(url)) << url;
  }
  for (const char* url : {"http://127.0.0.1.evil.org", "http://example.org", "http://localhost.evil.org", "127.0.0.1"}) {
    EXPECT_FALSE(is_loopback(url)) << url;
  }
}

TEST(HttpText, Statuses_HaveTheirClasses) {
  const std::pair<int, ErrorCode> expected[] = {
      {301, ErrorCode::kUnsupported},      {400, ErrorCode::kInvalidArgument}, {401, ErrorCode::kPermissionDenied},
      {404, ErrorCode::kNotFound},         {416, ErrorCode::kOutOfRange},      {429, ErrorCode::kUnavailable},
      {500, ErrorCode::kUnavailable},      {503, ErrorCode::kUnavailable},     {507, ErrorCode::kQuotaExceeded}};
  for (const auto& [status, code] : expected) EXPECT_EQ(status_error(status, "x", "").code(), code) << status;
  EXPECT_EQ(status_error(500, "doing", "a\nb\x1b").message(), "doing: status 500 (a b )");
}

TEST(HttpText, QueryEscaping_FollowsRfc3986) { EXPECT_EQ(query_escaped("a/b c&d=~\xff"), "a%2Fb%20c%26d%3D~%FF"); }

}  // namespace
}  // namespace holdfast::http
