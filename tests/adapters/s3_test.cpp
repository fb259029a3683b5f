// SPDX-License-Identifier: Apache-2.0
// S3's texts, and replies that no honest server gives. Signatures, versions and locks are tested against a real server (tests/conformance/s3_test.cpp).
#include "adapters/s3/s3_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/http/curl_transport.h"
#include "core/crypto/hash.h"
#include "tests/support/scripted_server.h"

namespace holdfast::s3 {
namespace {

using namespace std::chrono_literals;
using holdfast::testing::Peer;
using holdfast::testing::ScriptedServer;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(S3Wire, Failures_GiveTheServersWord) {
  // docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, "REST error responses".
  const std::string text =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>\n  <Code>NoSuchKey</Code>\n  <Message>The resource you requested does not exist</Message>\n"
      "  <Resource>/mybucket/myfoto.jpg</Resource>\n  <RequestId>4442587FB7D0A2F9</RequestId>\n</Error>";
  EXPECT_EQ(parse_failure(as_bytes(text)).code, "NoSuchKey");
  const Error error = reply_error(404, "reading x", as_bytes(text));
  EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  EXPECT_THAT(error.message(), HasSubstr("NoSuchKey: The resource you requested does not exist"));
}

TEST(S3Wire, Errors_AreClassedByTheirCodesBeforeTheirStatus) {
  const auto code_of = [](int status, const std::string& code) { return reply_error(status, "x", as_bytes("<Error><Code>" + code + "</Code></Error>")).code(); };
  EXPECT_EQ(code_of(404, "NoSuchBucket"), ErrorCode::kUnavailable);
  EXPECT_EQ(code_of(404, "XAdminUserNotFound"), ErrorCode::kPermissionDenied);
  EXPECT_EQ(code_of(403, "SignatureDoesNotMatch"), ErrorCode::kPermissionDenied);
  EXPECT_EQ(code_of(400, "AuthorizationHeaderMalformed"), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of(400, "XAmzContentSHA256Mismatch"), ErrorCode::kUnavailable);
  EXPECT_EQ(code_of(416, "InvalidRange"), ErrorCode::kOutOfRange);
  EXPECT_EQ(code_of(503, "SlowDown"), ErrorCode::kUnavailable);
  EXPECT_EQ(code_of(500, "InternalError"), ErrorCode::kUnavailable);
  EXPECT_EQ(code_of(404, "SomethingElse"), ErrorCode::kUnavailable);
  EXPECT_EQ(reply_error(404, "x", as_bytes("<html><body>404 Not Found</body></html>")).code(), ErrorCode::kUnavailable) << "a proxy's word proves no absence";
  EXPECT_EQ(reply_error(404, "x", {}).code(), ErrorCode::kUnavailable);
}

TEST(S3Wire, HostileTexts_AreShownAsFarAsTheyArePrintable) {
  const std::string text = "<Code>" + std::string(1'000, 'A') + "</Code><Message>\x01\x1b[31m&lt;&amp;\n" + std::string(10'000, 'b') + "</Message>";
  const Failure failure = parse_failure(as_bytes(text));
  EXPECT_EQ(failure.code, "");
  EXPECT_LE(failure.message.size(), 300U);
  EXPECT_THAT(failure.message, HasSubstr("[31m<& b"));
  EXPECT_EQ(parse_failure(as_bytes("<Code>A</Kode>")).code, "");
  EXPECT_EQ(parse_failure(as_bytes("<Code><b></Code>")).code, "");
  EXPECT_FALSE(parse_upload_id({}));
  EXPECT_FALSE(parse_upload_id(as_bytes("<UploadId></UploadId>")));
  EXPECT_EQ(*parse_upload_id(as_bytes("<a><UploadId>x&amp;y</UploadId></a>")), "x&y");
}

TEST(S3Wire, Listings_AreSummedPageByPage) {
  // docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html, example responses.
  const std::string page =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>bucket</Name><NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</NextContinuationToken>"
      "<KeyCount>2</KeyCount><MaxKeys>2</MaxKeys><IsTruncated>true</IsTruncated><Contents><Key>happyface.jpg</Key><Size>11</Size></Contents><Contents><Key>a</Key><Size>434234</Size></Contents></ListBucketResult>";
  const auto listing = parse_listing(as_bytes(page));
  ASSERT_TRUE(listing);
  EXPECT_EQ(listing->size_bytes, 434'245U);
  EXPECT_EQ(listing->next_token, "1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=");
  EXPECT_EQ(parse_listing(as_bytes("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"))->size_bytes, 0U);
  for (const std::string text : {"", "<html/>", "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>", "<ListBucketResult><Contents><Size>x</Size></Contents></ListBucketResult>",
                                 "<ListBucketResult><Contents><Key>a</Key></Contents><Contents><Size>5</Size></Contents></ListBucketResult>",
                                 "<ListBucketResult><Contents><Size>18446744073709551615</Size></Contents><Contents><Size>1</Size></Contents></ListBucketResult>"}) {
    EXPECT_FALSE(parse_listing(as_bytes(text))) << text;
  }
}

TEST(S3Wire, PathsKeepTheirSlashesAlone) {
  EXPECT_EQ(path_escaped("packs/0af"), "packs/0af");
  EXPECT_EQ(path_escaped("a b/c+d(e)*,$&=:@'#?%"), "a%20b/c%2Bd%28e%29%2A%2C%24%26%3D%3A%40%27%23%3F%25");
}

TEST(S3Wire, TimestampsAreUtc) {
  EXPECT_EQ(timestamp(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(timestamp(1'795'682'048), "2026-11-26T08:34:08Z");  // date -u -d @1795682048 +%FT%TZ
}

TEST(S3Wire, Locators_AreObjectsOrHeadsAndNothingElse) {
  EXPECT_EQ(parse_locator("packs/01")->key, "packs/01");
  EXPECT_EQ(parse_locator("packs/01?versionId=a-B_c.1~")->version, "a-B_c.1~");
  EXPECT_EQ(parse_locator("packs/01?versionId=a")->text(), "packs/01?versionId=a");
  EXPECT_TRUE(parse_locator("heads/00112233445566778899aabbccddeeff/7"));
  for (const std::string text : {"", "/", "packs//a", "../x", "packs/01?versionId=", "packs/01?versionId=a b", "packs/01?acl=", "heads/0011/7", "heads/00112233445566778899aabbccddeeff/",
                                 "heads/00112233445566778899aabbccddeeff/x", "PACKS/01"}) {
    EXPECT_FALSE(parse_locator(text)) << text;
  }
}

std::shared_ptr<S3Store> store(const ScriptedServer& server, std::uint64_t part_size_bytes = 64U << 20U) {
  S3Store::Options options{.name = "bucket", .type = "s3"};
  options.endpoint = server.url();
  options.bucket = "backups";
  options.access_key = "me";
  options.secret_key = std::make_shared<const SecretBytes>(SecretBytes::copy_of(as_bytes("top-secret")));
  options.part_size_bytes = part_size_bytes;
  return *S3Store::make(options, *http::make_curl_transport());
}

CallContext soon() { return with_timeout({}, system_clock(), 10s); }

/// Answers requests by their first line.
using Answer = std::function<void(Peer&, const std::string& head)>;
std::function<void(Peer&)> answering(Answer answer) {
  return [answer = std::move(answer)](Peer& peer) {
    for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      const std::size_t length = head.find("Content-Length: ");
      if (length != std::string::npos) (void)peer.read_body(std::stoul(head.substr(length + 16)));
      answer(peer, head);
    }
  };
}

TEST(S3Replies, BucketThatIsGone_ProvesNothingOfWhatItHeld) {
  const ScriptedServer server(answering([](Peer& peer, const std::string&) { peer.write("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"); }));
  const auto network = store(server);
  EXPECT_EQ(network->probe({"packs/01", 5}, soon()).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(network->put("packs/01", as_bytes("hello"), soon()).error().code(), ErrorCode::kUnavailable);
}

TEST(S3Replies, TruncatedAndOtherRanges_AreNoSuccess) {
  std::atomic<int> call{0};
  const ScriptedServer server(answering([&](Peer& peer, const std::string&) {
    switch (call++) {
      case 0: peer.reply(206, "01234", "Content-Range: bytes 0-4/10\r\n"); break;           // the object got shorter
      case 1: peer.reply(206, "0123456789", "Content-Range: bytes 10-19/100\r\n"); break;   // another range
      case 2: peer.reply(200, "0123456789"); break;                                          // no range at all
      case 3: peer.reply(206, "0123456789abcdef", "Content-Range: bytes 0-9/10\r\n"); break;
      case 4: peer.reply(500, "<html>oops</html>"); break;
      case 5: peer.reply(301, "", "Location: http://127.0.0.1:1/\r\n"); break;
      default:
        peer.write("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-9/10\r\nContent-Length: 10\r\n\r\n0123");
        peer.hang_up();
    }
  }));
  const auto network = store(server);
  Bytes out(10);
  const ObjectRef ref{"packs/01", 10};
  EXPECT_EQ(network->read(ref, 0, out, soon()).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(network->read(ref, 0, out, soon()).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(network->read(ref, 0, out, soon()).error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(network->read(ref, 0, out, soon()).error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(network->read(ref, 0, out, soon()).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(network->read(ref, 0, out, soon()).error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(network->read(ref, 0, out, soon()).error().code(), ErrorCode::kUnavailable);
}

TEST(S3Replies, RangePastTheEnd_IsNeverAsked) {
  const ScriptedServer server(answering([](Peer& peer, const std::string&) { peer.reply(500, ""); }));
  Bytes out(10);
  EXPECT_EQ(store(server)->read({"packs/01", 15}, 6, out, soon()).error().code(), ErrorCode::kOutOfRange);
  EXPECT_EQ(store(server)->read({"packs/01", 15}, ~std::uint64_t{0}, out, soon()).error().code(), ErrorCode::kOutOfRange);
  EXPECT_EQ(server.connections(), 0);
}

TEST(S3Replies, ServerWithoutConditions_IsAskedWithoutThem) {
  std::atomic<int> puts{0};
  std::atomic<int> conditional{0};
  const ScriptedServer server(answering([&](Peer& peer, const std::string& head) {
    if (head.starts_with("HEAD /backups/packs")) return peer.write("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    if (head.starts_with("HEAD")) return peer.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    ++puts;
    if (head.find("If-None-Match") == std::string::npos) return peer.reply(200, "");
    ++conditional;
    peer.reply(501, "<Error><Code>NotImplemented</Code></Error>");
  }));
  const auto network = store(server);
  EXPECT_TRUE(network->put("packs/01", as_bytes("hello"), soon()));
  EXPECT_TRUE(network->put("packs/02", as_bytes("hello"), soon()));
  EXPECT_EQ(puts, 3);
  EXPECT_EQ(conditional, 1);
}

TEST(S3Replies, FasterWriter_IsNoticed) {
  std::atomic<int> looks{0};
  const std::string hash = sha256(as_bytes("hello")).hex();
  const ScriptedServer server(answering([&](Peer& peer, const std::string& head) {
    if (head.starts_with("PUT")) return peer.reply(412, "<Error><Code>PreconditionFailed</Code></Error>");
    if (head.starts_with("HEAD /backups ")) return peer.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    if (looks++ % 2 == 0) return peer.write("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nx-amz-meta-holdfast-sha256: " + hash + "\r\nx-amz-version-id: v7\r\n\r\n");
  }));
  const auto same = store(server)->put("packs/01", as_bytes("hello"), soon());
  ASSERT_TRUE(same) << same.error().message();
  EXPECT_EQ(same->locator, "packs/01?versionId=v7");
  EXPECT_EQ(store(server)->put("packs/01", as_bytes("other"), soon()).error().code(), ErrorCode::kAlreadyExists);
}

TEST(S3Replies, ErrorInsideASuccess_FailsTheUploadInParts_WhichIsGivenUp) {
  std::atomic<int> given_up{0};
  const ScriptedServer server(answering([&](Peer& peer, const std::string& head) {
    if (head.starts_with("HEAD /backups ")) return peer.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    if (head.starts_with("HEAD")) return peer.write("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    if (head.starts_with("POST /backups/packs/01?uploads=")) return peer.reply(200, "<UploadId>u+1</UploadId>");
    if (head.starts_with("PUT")) return peer.reply(200, "", "ETag: \"abc\"\r\n");
    if (head.starts_with("DELETE /backups/packs/01?uploadId=u%2B1 ")) ++given_up;
    if (head.starts_with("DELETE")) return peer.write("HTTP/1.1 204 No Content\r\n\r\n");
    peer.reply(200, "<Error><Code>InternalError</Code><Message>We encountered an internal error. Please try again.</Message></Error>");
  }));
  const auto put = store(server, 10)->put("packs/01", as_bytes("more than ten bytes"), soon());
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(put.error().message(), HasSubstr("InternalError"));
  EXPECT_THAT(put.error().message(), Not(HasSubstr("top-secret")));
  EXPECT_EQ(given_up, 1);
}

TEST(S3Replies, Requests_AreSignedAndNeverShowTheSecret) {
  std::mutex mutex;
  std::string seen;
  const ScriptedServer server(answering([&](Peer& peer, const std::string& head) {
    {
      const std::lock_guard lock(mutex);
      seen += head;
    }
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  }));
  (void)store(server)->probe({"packs/01", 5}, soon());
  const std::lock_guard lock(mutex);
  EXPECT_THAT(seen, HasSubstr("Authorization: AWS4-HMAC-SHA256 Credential=me/"));
  EXPECT_THAT(seen, HasSubstr("/us-east-1/s3/aws4_request"));
  EXPECT_THAT(seen, HasSubstr("x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
  EXPECT_THAT(seen, Not(HasSubstr("top-secret")));
}

}  // namespace
}  // namespace holdfast::s3
