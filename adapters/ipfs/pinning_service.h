// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>

#include "adapters/http/http_transport.h"
#include "adapters/ipfs/pinning_wire.h"

namespace holdfast::ipfs {

/// One service that pins what it is asked to, over the Pinning Service API 1.0. Asks once: no repetition, no waiting. Safe from any thread.
/// Errors of all calls: kUnavailable (also where what answers is no pinning service, or has an error of its own), kPermissionDenied (the token), kQuotaExceeded (funds or space of the account), kInvalidArgument
/// (it does not take the request), kUnsupported (a redirect: those are not followed, as the token goes to no other place), kDeadlineExceeded, kCancelled. No message has the token.
class PinningService {
 public:
  struct Options {
    std::string name;                                 ///< for messages
    std::string endpoint;                             ///< the API's base: <endpoint>/pins
    std::shared_ptr<const SecretBytes> token = {};    ///< nullptr: none is sent
  };
  /// Errors: kInvalidArgument (no http or https address, user information in it, a token that no header can carry).
  static Result<std::shared_ptr<PinningService>> make(Options options, std::shared_ptr<http::HttpTransport> transport);

  [[nodiscard]] const std::string& name() const noexcept { return options_.name; }
  [[nodiscard]] bool is_on_loopback() const { return http::is_loopback(options_.endpoint); }

  /// All pins of exactly this CID, whatever their status. Pins of other CIDs in the answer are left out.
  Result<std::vector<Pin>> find(const std::string& cid, const CallContext& context);
  /// Pins with exactly this name, at most a page of them; what the service lists besides is left out.
  Result<std::vector<Pin>> find_named(const std::string& name, const CallContext& context);
  /// Asks for a pin. Errors: also kCorrupt (it answers for another CID).
  Result<Pin> ask(const std::string& cid, const std::string& name, const std::vector<std::string>& origins, const CallContext& context);
  /// Where a pin that was asked for has got to; nullopt when the service does not know the request (any more). Errors: as ask.
  Result<std::optional<Pin>> look(const Pin& pin, const CallContext& context);
  /// An unknown request is success.
  Status remove(const std::string& request_id, const CallContext& context);
  /// Whether it answers as a service that knows us; how many pins it has.
  Result<std::uint64_t> count(const CallContext& context);

 private:
  PinningService(Options options, std::shared_ptr<http::HttpTransport> transport) : options_(std::move(options)), transport_(std::move(transport)) {}
  Result<http::CollectedResponse> send(http::Method method, const std::string& path, ByteView body, const CallContext& context);
  /// The body of a reply with one of the successes. Errors: see the class.
  Result<Bytes> call(http::Method method, const std::string& path, ByteView body, const CallContext& context);
  Result<PinList> list(const std::string& query, const CallContext& context);
  Error refusal(const http::CollectedResponse& reply, const std::string& doing) const;
  [[nodiscard]] Error named(Error error) const;

  Options options_;
  std::shared_ptr<http::HttpTransport> transport_;
};

}  // namespace holdfast::ipfs
