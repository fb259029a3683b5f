// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/ids.h"
#include "core/base/random_source.h"
#include "core/base/secret_bytes.h"
#include "core/index/chunk_index.h"
#include "core/store/object_store.h"

namespace holdfast {

/// Where the bytes of a numbered pack are to be looked for.
enum class PackState : std::uint8_t {
  kStaged = 1,  ///< closed, its file is in the staging folder
  kRemote = 2,  ///< only on networks (dropped here, or never was here)
  kLost = 3,    ///< nowhere: chunks in it are not to be reused (a known chunk in it is stored again)
};

struct PackRow {
  PackNumber number = 0;
  PackId id;
  std::uint64_t size_bytes = 0;
  std::uint32_t domain = 0;  ///< 0 where it is not known (another writer's pack)
  PackState state = PackState::kStaged;
};

/// What the pack numbers of this machine's index stand for: an append-only file of sealed rows (core/stage/README.md). Open packs have a number and
/// no row yet. Safe from any thread.
class PackTable {
 public:
  /// Opens `path`, or makes it. A torn row at the very end is cut off. Errors: kCorrupt (damage elsewhere: remove the file, and the
  /// index with it, and rebuild both), kNoSpace, kInternal.
  static Result<std::unique_ptr<PackTable>> open(std::string path, SecretBytes key, RandomSource& random);
  ~PackTable();

  [[nodiscard]] std::optional<PackRow> find(PackNumber number) const;
  [[nodiscard]] std::optional<PackRow> find(const PackId& id) const;
  /// Calls `visit` with every row, by number.
  void for_each(const std::function<void(const PackRow&)>& visit) const;
  [[nodiscard]] std::size_t count() const;

  /// The next number, never given before (also not by a table that was opened earlier: see reserve_up_to). Not durable: a number that no
  /// row and no journal record mentions may be given again after a restart.
  PackNumber take_number();
  /// Makes take_number() give numbers above `number`: called for each number that a replayed journal mentions.
  void reserve_up_to(PackNumber number);

  /// Adds a row, durable when it returns, with the packs that its differences lean on. Errors: kAlreadyExists (number or id has a row), kNoSpace, kInternal.
  Status add(const PackRow& row, const std::vector<PackNumber>& leans_on = {});
  /// Adds to what is known of a pack that has a row. Durable when it returns. Errors: kNotFound, kNoSpace, kInternal.
  Status note_leans_on(PackNumber number, const std::vector<PackNumber>& packs);
  [[nodiscard]] std::vector<PackNumber> leans_on(PackNumber number) const;
  /// A row for a pack that this machine did not write, or the row that it has. Durable when it returns.
  Result<PackNumber> adopt(const PackId& id, std::uint64_t size_bytes, std::uint32_t domain, PackState state);
  /// Many at once with one sync (recovery): numbers in the order of `rows`, whose own number is ignored.
  Result<std::vector<PackNumber>> adopt_all(const std::vector<PackRow>& rows);
  /// Durable when it returns. Errors: kNotFound, kNoSpace, kInternal.
  Status set_state(PackNumber number, PackState state);

  /// Remembers that `network` took the pack and gave `ref`, before that is checked and recorded in the catalog: so that a
  /// crash in between doesn't pay for the upload twice. Kept until forget_puts.
  Status note_put(PackNumber number, const std::string& network, const ObjectRef& ref);
  [[nodiscard]] std::optional<ObjectRef> noted_put(PackNumber number, const std::string& network) const;
  /// In memory only: a note that comes back after a crash is probed, so it does no harm.
  void forget_put(PackNumber number, const std::string& network);

 private:
  PackTable();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast
