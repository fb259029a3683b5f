// SPDX-License-Identifier: Apache-2.0
#include "core/store/store_decorator.h"

#include <filesystem>

namespace holdfast {

std::string_view store_verb_name(StoreVerb verb) noexcept {
  switch (verb) {
    case StoreVerb::kRead: return "read";
    case StoreVerb::kProbe: return "probe";
    case StoreVerb::kHealth: return "health";
    case StoreVerb::kPut: return "put";
    case StoreVerb::kRemove: return "remove";
    case StoreVerb::kPublishHead: return "publish_head";
    case StoreVerb::kResolveHead: return "resolve_head";
    case StoreVerb::kFetchHead: return "fetch_head";
  }
  return "read";
}

template <typename T, typename Call>
Result<T> StoreDecorator::wrapped(const StoreCall& what, const CallContext& context, const Call& call) {
  std::optional<T> value;
  HOLDFAST_TRY(around(what, context, [&](const CallContext& inner_context) -> Status {
    value.reset();
    HOLDFAST_ASSIGN(T got, call(inner_context));
    value.emplace(std::move(got));
    return ok_status();
  }));
  // around() must not report success without a successful attempt: there would be nothing to return.
  HOLDFAST_CHECK(value.has_value());
  return *std::move(value);
}

Status StoreDecorator::read(const ObjectRef& ref, std::uint64_t offset, MutableByteView out,
                            const CallContext& context) {
  return around({StoreVerb::kRead, out.size()}, context,
                [&](const CallContext& c) { return inner_->read(ref, offset, out, c); });
}

Status StoreDecorator::read_elsewhere(const ObjectRef& ref, std::uint64_t offset, MutableByteView out,
                                      const CallContext& context) {
  auto* elsewhere = dynamic_cast<AlternateReader*>(inner_.get());
  if (elsewhere == nullptr) {
    return Error(ErrorCode::kUnsupported, "network " + traits().name + " has one place to read from").on_network(traits().name);
  }
  return around({StoreVerb::kRead, out.size()}, context,
                [&](const CallContext& c) { return elsewhere->read_elsewhere(ref, offset, out, c); });
}

Result<Durability> StoreDecorator::probe(const ObjectRef& ref, const CallContext& context) {
  return wrapped<Durability>({StoreVerb::kProbe}, context,
                             [&](const CallContext& c) { return inner_->probe(ref, c); });
}

Result<StoreHealth> StoreDecorator::health(const CallContext& context) {
  return wrapped<StoreHealth>({StoreVerb::kHealth}, context,
                              [&](const CallContext& c) { return inner_->health(c); });
}

Result<ObjectRef> StoreDecorator::put(const ObjectName& name, ByteView object, const CallContext& context) {
  return wrapped<ObjectRef>({StoreVerb::kPut, object.size()}, context,
                            [&](const CallContext& c) { return inner_->put(name, object, c); });
}

Result<ObjectRef> StoreDecorator::put_file(const ObjectName& name, const std::string& path,
                                           const CallContext& context) {
  std::error_code failed;
  const std::uintmax_t size_bytes = std::filesystem::file_size(path, failed);
  return wrapped<ObjectRef>({StoreVerb::kPut, failed ? 0 : size_bytes}, context,
                            [&](const CallContext& c) { return inner_->put_file(name, path, c); });
}

Status StoreDecorator::remove(const ObjectRef& ref, const CallContext& context) {
  return around({StoreVerb::kRemove}, context, [&](const CallContext& c) { return inner_->remove(ref, c); });
}

Result<std::string> StoreDecorator::publish_head(const RepositoryId& repository, std::uint32_t slot,
                                                 ByteView key_seed, ByteView head, const CallContext& context) {
  return wrapped<std::string>({StoreVerb::kPublishHead, head.size()}, context, [&](const CallContext& c) {
    return inner_->publish_head(repository, slot, key_seed, head, c);
  });
}

Result<std::optional<Bytes>> StoreDecorator::resolve_head(const RepositoryId& repository, std::uint32_t slot,
                                                          ByteView key_seed, const CallContext& context) {
  return wrapped<std::optional<Bytes>>({StoreVerb::kResolveHead}, context, [&](const CallContext& c) {
    return inner_->resolve_head(repository, slot, key_seed, c);
  });
}

Result<Bytes> StoreDecorator::fetch_head(const std::string& locator, const CallContext& context) {
  return wrapped<Bytes>({StoreVerb::kFetchHead}, context,
                        [&](const CallContext& c) { return inner_->fetch_head(locator, c); });
}

}  // namespace holdfast
