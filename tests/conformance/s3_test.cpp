// SPDX-License-Identifier: Apache-2.0
// The S3 adapter against a real server: the contract, buckets that keep versions, object locks, and what is wrong on the other side.
#include "adapters/s3/s3_store.h"

#include <gmock/gmock.h>

#include "adapters/http/curl_transport.h"
#include "core/crypto/hash.h"
#include "core/store/network_stack.h"
#include "tests/support/conformance_run.h"
#include "tests/support/network_script.h"
#include "tests/support/not_tested.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using testing::NetworkScript;
using testing::SeededRandom;

CallContext within(std::chrono::milliseconds time) { return with_timeout({}, system_clock(), time); }

/// A real server of S3, and stores of its buckets.
class S3Network : public ::testing::Test {
 protected:
  S3Store::Options options(const std::string& bucket) const {
    S3Store::Options options{.name = "s3", .type = "s3"};
    options.endpoint = server_->get("S3_ENDPOINT");
    options.bucket = bucket;
    options.region = server_->get("S3_REGION");
    options.access_key = server_->get("S3_ACCESS_KEY");
    options.secret_key = secret(server_->get("S3_SECRET_KEY"));
    return options;
  }
  static std::shared_ptr<const SecretBytes> secret(const std::string& text) { return std::make_shared<const SecretBytes>(SecretBytes::copy_of(as_bytes(text))); }
  static std::shared_ptr<S3Store> make(const S3Store::Options& options) { return *S3Store::make(options, *http::make_curl_transport()); }
  std::shared_ptr<S3Store> store(const std::string& bucket) const { return make(options(bucket)); }
  /// A call behind the adapter's back; its status.
  int call(http::Method method, const std::string& path, const std::string& body = {}) const {
    http::Request request{.method = method, .url = server_->get("S3_ENDPOINT") + "/" + path, .response_size_max_bytes = 1U << 20U};
    request.headers = {{"x-amz-content-sha256", sha256(as_bytes(body)).hex()}};
    if (method == http::Method::kPut) {
      request.headers.emplace_back("Content-Type", "application/octet-stream");
      request.body = as_bytes(body);
    }
    request.signature = http::AwsSignature{"aws:amz:us-east-1:s3", server_->get("S3_ACCESS_KEY"), secret(server_->get("S3_SECRET_KEY"))};
    return http::send_and_collect(**http::make_curl_transport(), request, within(20s))->head.status;
  }

  std::unique_ptr<NetworkScript> server_;
  SeededRandom random_{static_cast<std::uint64_t>(system_clock().wall_now())};
};

class S3 : public S3Network {
 protected:
  void SetUp() override {
    server_ = NetworkScript::start("versitygw.sh");
    if (!server_) HOLDFAST_NOT_TESTED << "versitygw can't be installed here, so nothing is tested against a real S3 server";
  }
};

TEST_F(S3, PlainBucket_HoldsTheContract) { testing::expect_conformance(*store("plain"), 2); }

TEST_F(S3, BucketThatKeepsVersions_HoldsTheContract) { testing::expect_conformance(*store("versions"), 2); }

TEST_F(S3, PrefixAndUploadsInParts_HoldTheContract) {
  S3Store::Options how = options("plain");
  how.prefix = "some/Folder_1/";
  how.part_size_bytes = 5U << 20U;  // S3's least; the suite's large object is larger
  testing::expect_conformance(*make(how), 2);
  EXPECT_EQ(call(http::Method::kGet, "plain?list-type=2&prefix=packs%2F"), 200);
}

TEST_F(S3, QuotasNeedACount_WhichHealthGivesThen) {
  S3Store::Options how = options("plain");
  how.prefix = "counted/";
  how.counts_used = true;
  EXPECT_FALSE(store("plain")->health(within(20s))->used_bytes);
  ASSERT_TRUE(make(how)->put("packs/01", random_.bytes(100'000), within(20s)));
  ASSERT_TRUE(store("plain")->put("packs/02", random_.bytes(7), within(20s)));  // elsewhere
  const auto network = make(how);
  EXPECT_EQ(network->health(within(20s))->used_bytes, 100'000U);
  const auto ref = network->put("packs/03", random_.bytes(500), within(20s));
  EXPECT_EQ(network->health(within(20s))->used_bytes, 100'500U);
  ASSERT_TRUE(network->remove(*ref, within(20s)));
  EXPECT_EQ(network->health(within(20s))->used_bytes, 100'000U);
}

TEST_F(S3, VersionThatWasPut_StaysReadableWhenItsKeyIsOverwrittenOrDeleted) {
  const auto network = store("versions");
  const Bytes object = random_.bytes(100'000);
  const auto ref = network->put("packs/01", object, within(20s));
  ASSERT_TRUE(ref) << ref.error().message();
  EXPECT_THAT(ref->locator, HasSubstr("?versionId="));
  ASSERT_EQ(call(http::Method::kPut, "versions/packs/01", "something else"), 200);
  ASSERT_EQ(call(http::Method::kDelete, "versions/packs/01"), 204);
  Bytes back(object.size());
  ASSERT_TRUE(network->read(*ref, 0, back, within(20s)));
  EXPECT_EQ(back, object);
  EXPECT_EQ(*network->probe(*ref, within(20s)), Durability::kDurable);
  // Removing it removes that version, not what lies over it.
  ASSERT_TRUE(network->remove(*ref, within(20s)));
  EXPECT_EQ(*network->probe(*ref, within(20s)), Durability::kAbsent);
  EXPECT_EQ(network->read(*ref, 0, back, within(20s)).error().code(), ErrorCode::kNotFound);
}

TEST_F(S3, LockedObject_CanBeReadAndNotRemoved) {
  S3Store::Options how = options("locked");
  how.object_lock_days = 1;
  const auto network = make(how);
  EXPECT_FALSE(network->traits().erases);
  const Bytes object = random_.bytes(70'000);
  const auto ref = network->put("packs/01", object, within(20s));
  ASSERT_TRUE(ref) << ref.error().message();
  const Status removed = network->remove(*ref, within(20s));
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code(), ErrorCode::kPermissionDenied) << removed.error().message();
  // Not even its owner, past the adapter; and a delete marker over it hides nothing.
  ASSERT_EQ(call(http::Method::kDelete, "locked/packs/01"), 204);
  Bytes back(object.size());
  ASSERT_TRUE(network->read(*ref, 0, back, within(20s)));
  EXPECT_EQ(back, object);
}

TEST_F(S3, LockedUploadInParts_IsLockedToo) {
  S3Store::Options how = options("locked");
  how.object_lock_days = 1;
  how.part_size_bytes = 5U << 20U;
  const auto network = make(how);
  const Bytes object = random_.bytes((5U << 20U) + 1'000);
  const auto ref = network->put("packs/02", object, within(60s));
  ASSERT_TRUE(ref) << ref.error().message();
  EXPECT_EQ(network->remove(*ref, within(20s)).error().code(), ErrorCode::kPermissionDenied);
}

TEST_F(S3, WrongKeysAndMissingBuckets_AreSaidAndNeverAbsence) {
  const auto right = store("plain");
  const auto ref = right->put("packs/01", random_.bytes(1'000), within(20s));
  ASSERT_TRUE(ref);
  Bytes out(10);
  S3Store::Options wrong_secret = options("plain");
  wrong_secret.secret_key = secret("another-secret");
  S3Store::Options wrong_key = options("plain");
  wrong_key.access_key = "nobody";
  for (const auto& how : {wrong_secret, wrong_key}) {
    const Status got = make(how)->read(*ref, 0, out, within(20s));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code(), ErrorCode::kPermissionDenied) << got.error().message();
    const auto probed = make(how)->probe(*ref, within(20s));
    ASSERT_FALSE(probed) << "that it may not look is no proof of absence";
    EXPECT_NE(probed.error().code(), ErrorCode::kNotFound);
    EXPECT_FALSE(make(how)->health(within(20s))->reachable);
  }
  const auto nowhere = store("no-such-bucket");
  EXPECT_EQ(nowhere->read(*ref, 0, out, within(20s)).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(nowhere->probe(*ref, within(20s)).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(nowhere->put("packs/02", out, within(20s)).error().code(), ErrorCode::kUnavailable);
  RepositoryId repository;
  EXPECT_EQ(nowhere->resolve_head(repository, 1, {}, within(20s)).error().code(), ErrorCode::kUnavailable) << "its heads are not proved absent";
  EXPECT_THAT(nowhere->health(within(20s))->detail, HasSubstr("no bucket no-such-bucket"));
}

TEST_F(S3, DeadServer_IsUnavailableAndGoesOnWhenItIsBack) {
  const auto network = store("plain");
  const Bytes object = random_.bytes(300'000);
  const auto ref = network->put("packs/01", object, within(20s));
  ASSERT_TRUE(ref);
  server_->run("kill");
  Bytes back(object.size());
  EXPECT_EQ(network->read(*ref, 0, back, within(20s)).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(network->put("packs/02", object, within(20s)).error().code(), ErrorCode::kUnavailable);
  EXPECT_FALSE(network->health(within(20s))->reachable);
  server_->run("start");
  ASSERT_TRUE(network->read(*ref, 0, back, within(20s)));
  EXPECT_EQ(back, object);
}

/// A satellite, eight storage nodes of which an object's pieces lie on five, and Storj's own gateway. Any three pieces give it back.
class Storj : public S3Network {
 protected:
  void SetUp() override {
    server_ = NetworkScript::start("storj.sh");
    if (!server_) HOLDFAST_NOT_TESTED << "Storj's satellite, nodes and gateway can't be installed here, so nothing is tested against a real Storj network";
  }
  std::shared_ptr<S3Store> storj() const {
    S3Store::Options how = options("plain");
    how.name = how.type = "storj";
    return make(how);
  }
  void stop_node(int node) const {
    const http::Request request{.method = http::Method::kPost, .url = server_->get("STORJ_ADMIN") + "/node/stop?i=" + std::to_string(node), .response_size_max_bytes = 1U << 16U};
    ASSERT_EQ(http::send_and_collect(**http::make_curl_transport(), request, within(60s))->head.status, 200);
  }
};

TEST_F(Storj, Gateway_HoldsTheContract) {
  testing::expect_conformance(*storj(), 2);
  S3Store::Options parts = options("plain");
  parts.prefix = "in-parts/";
  parts.part_size_bytes = 5U << 20U;
  testing::expect_conformance(*make(parts), 2);
}

TEST_F(Storj, LostNodes_CostNothingUntilTooManyAreGone_AndNeverGiveWrongBytes) {
  const auto network = storj();
  std::vector<std::pair<ObjectRef, Bytes>> objects;
  for (int i = 0; i < 6; ++i) {
    const Bytes object = random_.bytes(200'000);
    const auto ref = network->put("packs/0" + std::to_string(i), object, within(60s));
    ASSERT_TRUE(ref) << ref.error().message();
    objects.emplace_back(*ref, object);
  }
  // As the program reads, with repetitions: a gateway whose nodes have just gone answers 500 now and then.
  const auto reading = stack_network(network, system_clock(), system_random()).store;
  const auto readable = [&] {
    int count = 0;
    for (const auto& [ref, object] : objects) {
      Bytes back(object.size());
      const Status got = reading->read(ref, 0, back, within(60s));
      if (got) {
        EXPECT_EQ(back, object);
        ++count;
      } else {
        EXPECT_EQ(got.error().code(), ErrorCode::kUnavailable) << got.error().message();
      }
    }
    return count;
  };
  stop_node(0);
  EXPECT_EQ(readable(), 6);
  EXPECT_TRUE(network->put("packs/10", random_.bytes(200'000), within(60s)));
  for (int node = 1; node < 6; ++node) stop_node(node);
  EXPECT_EQ(readable(), 0) << "two nodes can't give back what needs three";
  const auto put = network->put("packs/11", random_.bytes(200'000), within(60s));
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().code(), ErrorCode::kUnavailable) << put.error().message();
  server_->run("kill");
  EXPECT_EQ(network->probe(objects[0].first, within(20s)).error().code(), ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace holdfast
