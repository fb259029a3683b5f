// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/catalog/catalog_view.h"

namespace holdfast {

// How CatalogView keeps its rows in a ViewStore. May change between versions: the mark then changes too, and the view is folded again.

Bytes view_mark_key();
Bytes view_mark_value(const RepositoryId& repository);

ViewStore::Put encode_cursor_row(const IncarnationId& id, std::uint64_t count);
ViewStore::Put encode_snapshot_row(const SnapshotRow& row);
ViewStore::Put encode_key_row(const KeyTableEntry& entry);
ViewStore::Put encode_database_row(const DatabaseRow& row);
ViewStore::Put encode_copy_row(const PackId& pack, const CopyRow& row);
ViewStore::Put encode_writer_row(const WriterRow& row);

/// Called with the row that decode_view_row found.
struct ViewRowVisitor {
  std::function<void(const IncarnationId&, std::uint64_t)> cursor;
  std::function<void(SnapshotRow)> snapshot;
  std::function<void(const KeyTableEntry&)> key;
  std::function<void(DatabaseRow)> database;
  std::function<void(const PackId&, CopyRow)> copy;
  std::function<void(WriterRow)> writer;
};
/// Errors: kCorrupt.
Status decode_view_row(ByteView key, ByteView value, const ViewRowVisitor& visitor);

}  // namespace holdfast
