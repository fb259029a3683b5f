// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "adapters/http/http_transport.h"

namespace holdfast::http {

struct CurlOptions {
  std::chrono::milliseconds connect_timeout{10'000};  ///< until a connection stands, within the call's deadline
  std::string user_agent = "holdfast/0.1";
};

/// libcurl (7.85 or newer). Connections are kept and used again; each call has one to itself. TLS is always verified, from
/// version 1.2 on. Redirects are answers, not followed. Proxies come from the environment as curl reads it, except for loopback hosts, which are
/// spoken to directly. Make it after a fork, not before. Errors: kInternal when libcurl can't start.
Result<std::shared_ptr<HttpTransport>> make_curl_transport(const CurlOptions& options = {});

}  // namespace holdfast::http
