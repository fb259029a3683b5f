// SPDX-License-Identifier: Apache-2.0
#include "core/base/log.h"
#include "core/repo/repository_impl.h"
#include "core/tree/content.h"

namespace holdfast {
namespace {

constexpr std::chrono::seconds kLookAgain{2};

}  // namespace

bool RepositoryImpl::has_no_differences(const Database& database) {
  const std::lock_guard lock(database.mutex);
  return stands_alone(database.policy);
}

/// A feature table that was lost is filled from the live trees' sealed chunks, as far as they are at hand: what isn't could not be leaned on either.
void RepositoryImpl::run_features(const std::stop_token& stop) {
  if (!bases_ || stores_.features->stats().entries > 0) return;
  const CallContext context{MonoTime::max(), stop};
  // Chunks are found through the index, and trees are there when the catalog is.
  while (rebuilder_->is_running() || is_taking_over()) {
    if (!options_.clock->sleep_until(options_.clock->mono_now() + kLookAgain, stop)) return;
  }
  std::uint64_t learned = 0;
  for (const auto& database : all_databases()) {
    const Inode top = database->live->base_root();
    const auto* directory = std::get_if<DirectoryContent>(&top.content);
    if (directory == nullptr || has_no_differences(*database)) continue;
    const Status walked = walk_tree(
        *rebuilding_source_, TreeRoot(directory->root), database->live->base_links(),
        [&](const std::string&, const Inode& inode) { return learn_features(*database, inode, learned, context); }, context);
    if (!walked && !stop.stop_requested()) log_warning("finding out what the chunks of " + database->name + " are like: " + walked.error().message());
  }
  if (learned == 0) return;
  stores_.features->keep();
  log_info("the feature table was empty: " + std::to_string(learned) + " chunks can be leaned on again");
}

Status RepositoryImpl::learn_features(const Database& database, const Inode& inode, std::uint64_t& learned, const CallContext& context) {
  HOLDFAST_ASSIGN(const auto extents, ContentReader(*rebuilding_source_).extents(inode.content, 0, inode.size_bytes, context));
  std::optional<Fingerprint> before;
  for (const auto& part : extents) {
    HOLDFAST_TRY(check_context(context, *options_.clock, "looking at a file's chunks"));
    if (part.extent.chunk && bases_->relearn(database.options.domain, *part.extent.chunk, before)) ++learned;
    before = part.extent.chunk ? std::optional(part.extent.chunk->fp) : std::nullopt;
  }
  return ok_status();
}

}  // namespace holdfast
