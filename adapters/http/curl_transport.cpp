// SPDX-License-Identifier: Apache-2.0
#include "adapters/http/curl_transport.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>

#include "core/base/clock.h"

namespace holdfast::http {

namespace {

constexpr std::size_t kHeadersMax = 200;        // of one reply
constexpr std::size_t kIdleLanesMax = 16;       // kept connections' handles; more calls at once make and drop their own
constexpr std::chrono::milliseconds kPollMax(1000);  // cancellation wakes the poll; this only bounds a missed wake-up

struct MultiDeleter {
  void operator()(CURLM* multi) const noexcept { curl_multi_cleanup(multi); }
};
struct EasyDeleter {
  void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};
struct MimeDeleter {
  void operator()(curl_mime* mime) const noexcept { curl_mime_free(mime); }
};
using List = std::unique_ptr<curl_slist, ListDeleter>;
using Mime = std::unique_ptr<curl_mime, MimeDeleter>;

/// A handle with its own connections; used by one call at a time.
struct Lane {
  std::unique_ptr<CURLM, MultiDeleter> multi;
  std::unique_ptr<CURL, EasyDeleter> easy;
};

/// Memory that curl reads as an upload and may rewind.
struct Upload {
  ByteView bytes;
  std::size_t done = 0;
};

/// One call's state, given to curl's callbacks.
struct Exchange {
  const Request& request;
  const BodySink& sink;
  CURL* easy = nullptr;
  Response response;
  bool head_known = false;
  Status stopped;  // why a callback ended the transfer
};

void read_fields(CURL* easy, unsigned int origin, std::vector<std::pair<std::string, std::string>>& out) {
  out.clear();
  curl_header* field = nullptr;
  while ((field = curl_easy_nextheader(easy, origin, -1, field)) != nullptr && out.size() < kHeadersMax) {
    std::string name(field->name);
    std::ranges::transform(name, name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    out.emplace_back(std::move(name), field->value);
  }
}

void learn_head(Exchange& exchange) {
  if (exchange.head_known) return;
  exchange.head_known = true;
  long status = 0;
  curl_easy_getinfo(exchange.easy, CURLINFO_RESPONSE_CODE, &status);
  exchange.response.status = static_cast<int>(status);
  read_fields(exchange.easy, CURLH_HEADER, exchange.response.headers);
}

Status take_body(Exchange& exchange, ByteView piece) {
  learn_head(exchange);
  exchange.response.body_size_bytes += piece.size();
  if (exchange.response.body_size_bytes > exchange.request.response_size_max_bytes) {
    return Error(ErrorCode::kCorrupt, "the reply is longer than the " +
                                          std::to_string(exchange.request.response_size_max_bytes) + " bytes expected");
  }
  return exchange.sink(exchange.response, piece);
}

// Called by C: nothing may escape.
std::size_t on_write(char* data, std::size_t size, std::size_t count, void* user) noexcept {
  auto& exchange = *static_cast<Exchange*>(user);
  try {
    Status status = take_body(exchange, {reinterpret_cast<const std::uint8_t*>(data), size * count});
    if (status) return size * count;
    exchange.stopped.keep_first(std::move(status));
  } catch (...) {
    exchange.stopped.keep_first(Error(ErrorCode::kInternal, "receiving a reply threw"));
  }
  return CURL_WRITEFUNC_ERROR;
}

std::size_t on_read(char* out, std::size_t size, std::size_t count, void* user) noexcept {
  auto& upload = *static_cast<Upload*>(user);
  const std::size_t step = std::min(size * count, upload.bytes.size() - upload.done);
  if (step > 0) std::memcpy(out, upload.bytes.data() + upload.done, step);
  upload.done += step;
  return step;
}

int on_seek(void* user, curl_off_t offset, int origin) noexcept {
  auto& upload = *static_cast<Upload*>(user);
  if (origin != SEEK_SET || offset < 0 || static_cast<std::size_t>(offset) > upload.bytes.size()) {
    return CURL_SEEKFUNC_FAIL;
  }
  upload.done = static_cast<std::size_t>(offset);
  return CURL_SEEKFUNC_OK;
}

ErrorCode code_of(CURLcode code) noexcept {
  switch (static_cast<int>(code)) {  // an int: curl's list grows with its versions
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_READ_ERROR:
    case CURLE_FILE_COULDNT_READ_FILE: return ErrorCode::kInvalidArgument;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CACERT_BADFILE: return ErrorCode::kPermissionDenied;
    case CURLE_BAD_FUNCTION_ARGUMENT:  // while a transfer runs: a field of the reply has no colon
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING: return ErrorCode::kCorrupt;
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
    case CURLE_NOT_BUILT_IN: return ErrorCode::kInternal;
    default: return ErrorCode::kUnavailable;
  }
}

const char* method_name(Method method) noexcept {
  switch (method) {
    case Method::kGet: return "GET";
    case Method::kHead: return "HEAD";
    case Method::kPost: return "POST";
    case Method::kPut: return "PUT";
    case Method::kPatch: return "PATCH";
    case Method::kDelete: return "DELETE";
  }
  return "GET";
}

/// Adds to `list`; the old one stays valid when memory is short.
bool add_line(List& list, const std::string& line) {
  curl_slist* longer = curl_slist_append(list.get(), line.c_str());
  if (longer == nullptr) return false;
  (void)list.release();
  list.reset(longer);
  return true;
}

/// libcurl keeps a copy of the secret until the handle is reset; ours is wiped.
bool sign(CURL* easy, const AwsSignature& signature) {
  const ByteView key = signature.secret_key->view();
  SecretBytes text(key.size() + 1);  // with a zero at its end
  std::ranges::copy(key, text.mutable_view().begin());
  return curl_easy_setopt(easy, CURLOPT_AWS_SIGV4, signature.scope.c_str()) == CURLE_OK && curl_easy_setopt(easy, CURLOPT_USERNAME, signature.access_key.c_str()) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_PASSWORD, as_text(text.view()).data()) == CURLE_OK;
}

class CurlTransport final : public HttpTransport {
 public:
  explicit CurlTransport(const CurlOptions& options) : options_(options) {}

  Result<Response> send(const Request& request, const BodySink& sink, const CallContext& context) override;

 private:
  Result<Lane> take_lane();
  void give_back(Lane lane);
  Status set_up(CURL* easy, Exchange& exchange, List& headers, Mime& mime, std::vector<Upload>& uploads) const;
  Status set_body(CURL* easy, const Request& request, Mime& mime, std::vector<Upload>& uploads) const;
  static Status run(const Lane& lane, Exchange& exchange, const char* error_text, const std::string& doing,
                    const CallContext& context);

  const CurlOptions options_;
  std::mutex mutex_;
  std::vector<Lane> idle_;  // the last used is used next: its connection is the freshest
};

Result<Lane> CurlTransport::take_lane() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      Lane lane = std::move(idle_.back());
      idle_.pop_back();
      return lane;
    }
  }
  Lane lane;
  lane.multi.reset(curl_multi_init());
  lane.easy.reset(curl_easy_init());
  if (!lane.multi || !lane.easy) return Error(ErrorCode::kInternal, "libcurl gave no handle");
  return lane;
}

void CurlTransport::give_back(Lane lane) {
  curl_easy_reset(lane.easy.get());  // options only; connections belong to the multi handle
  const std::lock_guard lock(mutex_);
  if (idle_.size() < kIdleLanesMax) idle_.push_back(std::move(lane));
}

Status CurlTransport::set_body(CURL* easy, const Request& request, Mime& mime, std::vector<Upload>& uploads) const {
  if (request.method == Method::kHead) curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  if (const auto* parts = std::get_if<std::vector<Part>>(&request.body)) {
    mime.reset(curl_mime_init(easy));
    uploads.reserve(parts->size());  // curl keeps pointers into it
    bool good = mime != nullptr;
    for (const Part& part : *parts) {
      if (!good) break;
      curl_mimepart* target = curl_mime_addpart(mime.get());
      good = target != nullptr && curl_mime_name(target, part.name.c_str()) == CURLE_OK;
      if (!good) break;
      if (const auto* path = std::get_if<std::string>(&part.content)) {
        if (curl_mime_filedata(target, path->c_str()) != CURLE_OK) {
          return Error(ErrorCode::kInvalidArgument, "the file " + *path + " can't be read");
        }
      } else {
        uploads.push_back({std::get<ByteView>(part.content)});
        good = curl_mime_data_cb(target, static_cast<curl_off_t>(uploads.back().bytes.size()), on_read, on_seek,
                                 nullptr, &uploads.back()) == CURLE_OK;
      }
      good = good && curl_mime_filename(target, part.file_name.c_str()) == CURLE_OK &&
             curl_mime_type(target, part.content_type.c_str()) == CURLE_OK;
    }
    if (!good) return Error(ErrorCode::kInternal, "libcurl had no memory for a form");
    curl_easy_setopt(easy, CURLOPT_MIMEPOST, mime.get());
  } else if (request.method == Method::kPost || request.method == Method::kPut || request.method == Method::kPatch) {
    static constexpr char kNothing = 0;  // a null pointer would make curl ask a read callback
    const ByteView bytes = std::holds_alternative<ByteView>(request.body) ? std::get<ByteView>(request.body) : ByteView();
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(bytes.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, bytes.empty() ? static_cast<const void*>(&kNothing) : bytes.data());
  }
  if (request.method != Method::kGet && request.method != Method::kHead) {
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method_name(request.method));
  }
  return ok_status();
}

Status CurlTransport::set_up(CURL* easy, Exchange& exchange, List& headers, Mime& mime,
                             std::vector<Upload>& uploads) const {
  const Request& request = exchange.request;
  if (origin_of(request.url).empty()) return Error(ErrorCode::kInvalidArgument, "not an http or https address");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect_timeout.count()));
  curl_easy_setopt(easy, CURLOPT_USERAGENT, options_.user_agent.c_str());
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 256L * 1024L);
  curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 1024L * 1024L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  if (is_loopback(request.url)) curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &exchange);
  // Expect: 100-continue costs a round trip, or a second where a server does not know it. A field that is left out is signed all the same, so there the wait is what is left out.
  bool good = true;
  if (request.signature) {
    curl_easy_setopt(easy, CURLOPT_EXPECT_100_TIMEOUT_MS, 1L);
    good = sign(easy, *request.signature);
  } else {
    good = add_line(headers, "Expect:");
  }
  for (const auto& [name, value] : request.headers) {
    if ((name + value).find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      return Error(ErrorCode::kInvalidArgument, "a header field with a line break in it");
    }
    good = good && add_line(headers, name + ": " + value);
  }
  if (!good) return Error(ErrorCode::kInternal, "libcurl had no memory for header fields");
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.get());
  return set_body(easy, request, mime, uploads);
}

Status CurlTransport::run(const Lane& lane, Exchange& exchange, const char* error_text, const std::string& doing,
                          const CallContext& context) {
  CURLM* multi = lane.multi.get();
  Clock& clock = system_clock();
  // The only call of curl's that another thread may make.
  const std::stop_callback wake(context.stop, [multi] { curl_multi_wakeup(multi); });
  while (true) {
    HOLDFAST_TRY(check_context(context, clock, doing));
    int running = 0;
    CURLMcode failed = curl_multi_perform(multi, &running);
    if (failed == CURLM_OK && running > 0) {
      auto wait = kPollMax;
      if (context.deadline != MonoTime::max()) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(context.deadline - clock.mono_now());
        wait = std::clamp(left, std::chrono::milliseconds(0), kPollMax);
      }
      failed = curl_multi_poll(multi, nullptr, 0, static_cast<int>(wait.count()), nullptr);
    }
    if (failed != CURLM_OK) return Error(ErrorCode::kInternal, doing + ": " + curl_multi_strerror(failed));
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      if (code == CURLE_OK) return ok_status();
      if (!exchange.stopped) return std::move(exchange.stopped).error().with_context(doing);
      const std::string text = *error_text != '\0' ? error_text : curl_easy_strerror(code);
      return Error(code_of(code), doing + ": " + text);
    }
    if (running == 0) return Error(ErrorCode::kInternal, doing + ": libcurl ended without a result");
  }
}

Result<Response> CurlTransport::send(const Request& request, const BodySink& sink, const CallContext& context) {
  HOLDFAST_CHECK(request.response_size_max_bytes > 0);
  const std::string doing = std::string(method_name(request.method)) + " " + redacted(request.url);
  HOLDFAST_TRY(check_context(context, system_clock(), doing));
  HOLDFAST_ASSIGN(Lane lane, take_lane());
  Exchange exchange{.request = request, .sink = sink, .easy = lane.easy.get(), .response = {}, .head_known = false, .stopped = {}};
  // What curl points to until the handle is reset.
  List headers;
  Mime mime;
  std::vector<Upload> uploads;
  std::array<char, CURL_ERROR_SIZE> error_text{};
  Status status = set_up(lane.easy.get(), exchange, headers, mime, uploads);
  if (!status) {
    curl_easy_reset(lane.easy.get());
    return std::move(status).error().with_context(doing);
  }
  curl_easy_setopt(lane.easy.get(), CURLOPT_ERRORBUFFER, error_text.data());
  curl_multi_add_handle(lane.multi.get(), lane.easy.get());
  status = run(lane, exchange, error_text.data(), doing, context);
  if (status) {
    learn_head(exchange);
    read_fields(lane.easy.get(), CURLH_TRAILER, exchange.response.trailers);
  }
  // Ends what is still under way; a connection in the middle of an exchange is closed by it, a finished one is kept.
  curl_multi_remove_handle(lane.multi.get(), lane.easy.get());
  curl_easy_setopt(lane.easy.get(), CURLOPT_MIMEPOST, nullptr);
  mime.reset();
  give_back(std::move(lane));
  if (!status) return std::move(status).error();
  return std::move(exchange.response);
}

}  // namespace

Result<std::shared_ptr<HttpTransport>> make_curl_transport(const CurlOptions& options) {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started != CURLE_OK) return Error(ErrorCode::kInternal, std::string("libcurl can't start: ") + curl_easy_strerror(started));
  return std::shared_ptr<HttpTransport>(std::make_shared<CurlTransport>(options));
}

}  // namespace holdfast::http
