// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/bytes.h"
#include "core/format/byte_writer.h"

namespace holdfast::testing {

/// Writes archives as pg_dump of each version does (src/bin/pg_dump/pg_backup_archiver.c: WriteHead, WriteToc), so that the layouts of
/// servers that are not installed are read too.
class ArchiveWriter {
 public:
  ArchiveWriter(int minor, std::uint8_t format, std::uint8_t int_size = 4) : minor_(minor), format_(format), int_size_(int_size) {}

  Bytes bytes;
  void u8(unsigned value) { bytes.push_back(static_cast<std::uint8_t>(value)); }
  void number(std::int64_t value) {
    u8(value < 0 ? 1 : 0);
    const auto magnitude = static_cast<std::uint64_t>(value < 0 ? -value : value);
    for (unsigned i = 0; i < int_size_; ++i) u8(i < 8 ? static_cast<unsigned>(magnitude >> (8 * i)) & 0xffU : 0);
  }
  void text(std::string_view value) {
    number(static_cast<std::int64_t>(value.size()));
    append(bytes, as_bytes(value));
  }
  void header(std::int64_t entries) {
    append(bytes, as_bytes("PGDMP"));
    for (const unsigned byte : {1U, static_cast<unsigned>(minor_), 0U, unsigned{int_size_}, 8U, unsigned{format_}}) u8(byte);
    if (minor_ >= 15) {
      u8(1);
    } else {
      number(-1);
    }
    for (int i = 0; i < 7; ++i) number(1);
    for (const auto* name : {"db", "server", "dump"}) text(name);
    number(entries);
  }
  void entry(int id, bool has_data, std::string_view description, std::string_view file, std::string_view definition = "CREATE ...", std::uint64_t offset = 0) {
    number(id);
    number(has_data ? 1 : 0);
    text("0");
    text("12345");
    text("tag");
    text(description);
    if (minor_ >= 11) number(2);
    text(definition);
    text("");
    text(has_data && description != "BLOBS" ? "COPY t FROM stdin;\n" : "");
    number(-1);  // no schema
    text("");
    if (minor_ >= 14) text("heap");
    if (minor_ >= 16) number('r');
    text("owner");
    text("false");
    text("7");
    number(-1);  // end of dependencies
    if (format_ != 1) {
      text(file);
    } else {
      u8(!has_data ? 3 : offset != 0 ? 2 : 1);
      ByteWriter(bytes).u64(offset);
    }
  }
  void block(int id, std::string_view data) {
    u8(1);
    number(id);
    text(data);
    number(0);
  }

 private:
  int minor_;
  std::uint8_t format_;
  std::uint8_t int_size_;
};

}  // namespace holdfast::testing
