// SPDX-License-Identifier: Apache-2.0
#include "core/catalog/log_file.h"

#include "core/format/byte_writer.h"

namespace holdfast {
namespace {

constexpr ObjectKind kLogFileObject{"HFLOGFL1", "log file"};

Bytes header_of(const LogIdentity& log) {
  Bytes header;
  ByteWriter(header).prelude(kLogFileObject).id(log.repository).id(log.writer).id(log.incarnation);
  return header;
}

Result<SignedEntry> decode_frame(ByteView payload) {
  if (payload.size() < Signature::size) return Error(ErrorCode::kCorrupt, "a log file's frame that is no entry");
  SignedEntry entry;
  const auto sealed = payload.first(payload.size() - Signature::size);
  entry.sealed.assign(sealed.begin(), sealed.end());
  HOLDFAST_ASSIGN(entry.signature, Signature::from(payload.last(Signature::size)));
  return entry;
}

}  // namespace

std::string LogFile::path_in(const std::string& directory, const IncarnationId& incarnation) {
  return directory + "/" + incarnation.hex() + ".hfl";
}

Result<std::unique_ptr<LogFile>> LogFile::open(const std::string& directory, const LogIdentity& log) {
  std::unique_ptr<LogFile> out(new LogFile(log));
  const auto visit = [&](std::uint64_t, ByteView payload) -> Status {
    HOLDFAST_ASSIGN(const SignedEntry entry, decode_frame(payload));
    out->tree_.add(merkle_leaf_hash(entry.sealed));
    return ok_status();
  };
  HOLDFAST_ASSIGN(out->file_, FramedFile::open(path_in(directory, log.incarnation), header_of(log), visit));
  return out;
}

Result<std::vector<SignedEntry>> LogFile::salvage(const std::string& directory, const LogIdentity& log) {
  HOLDFAST_ASSIGN(const auto frames, FramedFile::salvage(path_in(directory, log.incarnation), header_of(log).size()));
  std::vector<SignedEntry> out;
  for (const auto& frame : frames) {
    auto entry = decode_frame(frame);
    if (entry) out.push_back(std::move(*entry));
  }
  return out;
}

Result<std::uint64_t> LogFile::append(std::span<const SignedEntry> entries) {
  const std::lock_guard lock(mutex_);
  return append_locked(entries);
}

Status LogFile::append_checked(std::span<const SignedEntry> entries, const LogState& expected) {
  const std::lock_guard lock(mutex_);
  MerkleAccumulator tree = tree_;
  for (const auto& entry : entries) tree.add(merkle_leaf_hash(entry.sealed));
  if (tree.count() != expected.size || tree.root() != expected.merkle_root) {
    return Error(ErrorCode::kConflict, "the log of writer " + log_.writer.hex() + " does not continue what was seen of it before (a fork)");
  }
  HOLDFAST_TRY(append_locked(entries));
  return ok_status();
}

Result<std::uint64_t> LogFile::append_locked(std::span<const SignedEntry> entries) {
  const std::uint64_t first = tree_.count();
  std::vector<Bytes> payloads;
  payloads.reserve(entries.size());
  for (const auto& entry : entries) {
    Bytes payload = entry.sealed;
    holdfast::append(payload, entry.signature.view());
    payloads.push_back(std::move(payload));
  }
  HOLDFAST_TRY(file_->append(payloads));
  for (const auto& entry : entries) tree_.add(merkle_leaf_hash(entry.sealed));
  return first;
}

Result<std::vector<SignedEntry>> LogFile::read(std::uint64_t first, std::uint64_t count) const {
  HOLDFAST_ASSIGN(const auto payloads, file_->read(first, count));
  std::vector<SignedEntry> out;
  out.reserve(payloads.size());
  for (const auto& payload : payloads) {
    HOLDFAST_ASSIGN(auto entry, decode_frame(payload));
    out.push_back(std::move(entry));
  }
  return out;
}

LogState LogFile::state() const {
  const std::lock_guard lock(mutex_);
  return {tree_.count(), tree_.root()};
}

Result<Digest> LogFile::root_at(std::uint64_t size) const {
  constexpr std::uint64_t kBatch = 1024;
  if (size > state().size) return Error(ErrorCode::kOutOfRange, "the log was never so long");
  MerkleAccumulator tree;
  for (std::uint64_t first = 0; first < size; first += kBatch) {
    HOLDFAST_ASSIGN(const auto entries, read(first, std::min(kBatch, size - first)));
    for (const auto& entry : entries) tree.add(merkle_leaf_hash(entry.sealed));
  }
  return tree.root();
}

Result<std::unique_ptr<OwnLog>> OwnLog::open(const std::string& directory, const LogIdentity& log, ByteView k_cat,
                                             ByteView writer_seed, RandomSource& random) {
  std::unique_ptr<OwnLog> out(new OwnLog(log, k_cat, writer_seed, random));
  HOLDFAST_ASSIGN(out->file_, LogFile::open(directory, log));
  return out;
}

Result<std::uint64_t> OwnLog::append(std::span<const LogEntry> entries) {
  const std::lock_guard lock(file_->mutex_);  // the numbers are sealed in
  std::uint64_t number = file_->tree_.count();
  std::vector<SignedEntry> out;
  out.reserve(entries.size());
  for (const auto& entry : entries) {
    SignedEntry one;
    HOLDFAST_ASSIGN(one.sealed, cipher_.seal(number, encode_log_entry(entry), random_));
    one.signature = sign_log_entry(cipher_.log(), number, merkle_leaf_hash(one.sealed), seed_.view());
    out.push_back(std::move(one));
    ++number;
  }
  return file_->append_locked(out);
}

}  // namespace holdfast
