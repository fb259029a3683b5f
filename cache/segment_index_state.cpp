// SPDX-License-Identifier: Apache-2.0
#include "cache/segment_index_state.h"

#include <algorithm>
#include <set>

#include "core/base/log.h"

namespace holdfast {
namespace {

bool is_table(std::string_view name) { return name.ends_with(".ids") || name.ends_with(".fps"); }

}  // namespace

Status SegmentIndex::State::usable() const {
  if (damaged) return Error(ErrorCode::kCorrupt, "the chunk index is damaged and must be made again");
  return ok_status();
}

Error SegmentIndex::State::note(Error error) {
  if (error.code() != ErrorCode::kCorrupt) return error;
  const std::lock_guard lock(manifest_mutex_);
  if (!damaged.exchange(true)) {
    log_error(error.message());
    // Without a manifest the next open() sees the damage too.
    const Status removed = cache::remove_file(folder.path + "/" + std::string(IndexManifest::kName));
    if (!removed) log_error(removed.error().message());
  }
  return error;
}

Status SegmentIndex::State::take_lock() {
  HOLDFAST_TRY(cache::ensure_folder(folder.path));
  lock_file.reset();
  HOLDFAST_ASSIGN(cache::File file, cache::File::open(folder.path + "/owner.lock", cache::File::Mode::kCreate));
  HOLDFAST_TRY(file.try_lock());
  lock_file.emplace(std::move(file));
  return ok_status();
}

Status SegmentIndex::State::load() {
  HOLDFAST_TRY(take_lock());
  HOLDFAST_ASSIGN(const auto manifest, IndexManifest::read(folder));
  if (manifest) return load_segments(*manifest);
  HOLDFAST_ASSIGN(const auto names, cache::list_folder(folder.path));
  if (std::any_of(names.begin(), names.end(), is_table)) {
    return Error(ErrorCode::kCorrupt, "the chunk index in " + folder.path + " has segments and no manifest");
  }
  return IndexManifest().write(folder);
}

Status SegmentIndex::State::load_segments(const IndexManifest& manifest) {
  auto segments = std::make_shared<IndexSegments>();
  std::set<std::string> wanted;
  for (const auto& item : manifest.segments) {
    HOLDFAST_ASSIGN(auto segment, IndexSegment::open(folder, item.segment));
    if (segment->by_id->count() != item.id_count || segment->by_fp->count() != item.fp_count) {
      return Error(ErrorCode::kCorrupt, "a segment of the chunk index is not the one of the manifest");
    }
    segment->durable = true;
    segments->push_back(std::move(segment));
    for (const auto kind : {TableKind::kById, TableKind::kByFingerprint}) wanted.insert(folder.table_path(item.segment, kind));
  }
  HOLDFAST_ASSIGN(const auto names, cache::list_folder(folder.path));
  for (const auto& name : names) {
    const std::string path = folder.path + "/" + name;
    // Left by a crash: never synced, or merged into another.
    if (is_table(name) && !wanted.contains(path)) HOLDFAST_TRY(cache::remove_file(path));
  }
  position = manifest.position;
  next_segment_ = manifest.next_segment;
  set_view({std::make_shared<IndexMemtable>(), std::move(segments)});
  return ok_status();
}

Status SegmentIndex::State::remove_all_files() const {
  // The manifest first: tables without it are never taken for an index.
  HOLDFAST_TRY(cache::remove_file(folder.path + "/" + std::string(IndexManifest::kName)));
  HOLDFAST_TRY(cache::sync_folder(folder.path));
  HOLDFAST_ASSIGN(const auto names, cache::list_folder(folder.path));
  for (const auto& name : names) {
    if (is_table(name)) HOLDFAST_TRY(cache::remove_file(folder.path + "/" + name));
  }
  return ok_status();
}

Status SegmentIndex::State::start_over() {
  stop_merging();
  set_view({});
  position = 0;
  retired_.clear();
  damaged = true;  // until the folder is as new
  Status status = take_lock();
  if (status) status = remove_all_files();
  if (status) status = IndexManifest().write(folder);
  if (status) damaged = false;
  start_merging();
  return status;
}

Status SegmentIndex::State::flush() {
  const View before = view();
  if (before.memtable->count() == 0) return ok_status();
  auto written = IndexSegment::write(folder, next_segment_++, *before.memtable);
  if (!written && written.error().code() == ErrorCode::kNotFound) {
    return note(Error(ErrorCode::kCorrupt, "the folder of the chunk index is gone"));
  }
  if (!written) return note(std::move(written).error());
  {
    // The merging thread changes the list too.
    const std::unique_lock lock(view_mutex_);
    auto segments = std::make_shared<IndexSegments>(*view_.segments);
    segments->insert(segments->begin(), std::move(*written));
    view_ = {std::make_shared<IndexMemtable>(), std::move(segments)};
  }
  {
    const std::lock_guard lock(merge_mutex_);
    merge_wanted_ = true;
  }
  merge_work_.notify_one();
  return ok_status();
}

Status SegmentIndex::State::commit(std::uint64_t new_position) {
  const std::lock_guard lock(manifest_mutex_);
  HOLDFAST_TRY(usable());
  bool synced = false;
  const View all = view();
  for (const auto& segment : *all.segments) {
    if (segment->durable) continue;
    HOLDFAST_TRY(segment->make_durable(folder));
    segment->durable = true;
    synced = true;
  }
  if (synced) HOLDFAST_TRY(cache::sync_folder(folder.path));
  HOLDFAST_TRY(write_manifest(new_position));
  position = new_position;
  return ok_status();
}

Status SegmentIndex::State::write_manifest(std::uint64_t new_position) {
  IndexManifest manifest;
  manifest.position = new_position;
  manifest.next_segment = next_segment_;
  const View all = view();  // kept: a flush may put another in its place meanwhile
  for (const auto& segment : *all.segments) {
    // What is not durable came after the position: the journal gives it again.
    if (segment->durable) manifest.segments.push_back({segment->number, segment->by_id->count(), segment->by_fp->count()});
  }
  HOLDFAST_TRY(manifest.write(folder));
  for (const auto number : retired_) {
    const Status removed = IndexSegment::remove_files(folder, number);
    if (!removed) log_warning(removed.error().message());  // the next open() removes it
  }
  retired_.clear();
  return ok_status();
}

}  // namespace holdfast
