#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# storj.sh install | start DIR | stop DIR | env DIR | kill DIR
# A private Storj network on 127.0.0.1: PostgreSQL, a satellite with eight storage nodes in one process (storj/stplanet, from storj.io/storj v1.104.5), and the S3 gateway
# (storj/stgw, from storj.io/gateway v1.4.1). storj.io/storj is AGPL-3.0: a program of its own, never linked to ours. Nothing that was stored survives a stop.
# kill ends the gateway as a lost machine would (SIGKILL); start brings it back, with what was stored.
# Environment at the first start: STORJ_PORT (by the folder's name, free then: PostgreSQL, +1 the nodes' switchboard, +2 S3), STORJ_NODES (8), STORJ_RS (3/4/5/7: min/repair/success/total).
. "$(dirname "$0")/lib.sh"
ACCESS=storjaccesskey SECRET=storjsecretkey12
PGBIN=${PG_BIN:-$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)}
do_install() {
  local n
  for n in stplanet stgw; do
    # Built anew when the little that is ours of it has changed.
    [ ! -x "$BIN/$n" ] || ! cmp -s "$HERE/storj/$n/main.go" "$ROOT/src/$n/main.go" || continue
    need go
    rm -rf "$ROOT/src/$n"; mkdir -p "$ROOT/src"; cp -r "$HERE/storj/$n" "$ROOT/src/$n"; go_build "$n" "$ROOT/src/$n" . -mod=readonly -ldflags='-s -w -checklinkname=0'
  done
  [ -x "$PGBIN/postgres" ] || die "needs the PostgreSQL server (Debian: postgresql-15)"
  echo "stplanet (storj.io/storj v1.104.5), stgw (storj.io/gateway v1.4.1)"
}
load() { settings STORJ_PORT="$([ -f "$D/settings" ] || free_ports 23000 130 3)" STORJ_NODES=8 STORJ_RS=3/4/5/7; }
as_postgres() { # the server refuses to run as root; the folder and those above it must then be open to the user postgres
  if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; else "$@"; fi
}
start_postgres() {
  chmod 755 "$D"; mkdir -p "$D/pg"
  if [ ! -f "$D/pg/PG_VERSION" ]; then
    [ "$(id -u)" != 0 ] || chown postgres "$D/pg"
    (cd / && as_postgres "$PGBIN/initdb" -D "$D/pg" -U postgres -A trust --no-sync > "$D/initdb.log" 2>&1) || { tail -3 "$D/initdb.log" >&2; die "initdb failed (is $D open to the user postgres?)"; }
  fi
  local as=(); [ "$(id -u)" != 0 ] || as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
  LISTEN=$STORJ_PORT spawn postgres "${as[@]}" "$PGBIN/postgres" -D "$D/pg" -p "$STORJ_PORT" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
    -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=300
  wait_for 30 postgres "$PGBIN/pg_isready" -h 127.0.0.1 -p "$STORJ_PORT" -U postgres -q
  "$PGBIN/psql" -h 127.0.0.1 -p "$STORJ_PORT" -U postgres -qAtc "create database storj" 2>/dev/null || true
}
make_bucket() {
  curl -fsS -m 20 -o /dev/null -X PUT --aws-sigv4 "aws:amz:us-east-1:s3" --user "$ACCESS:$SECRET" -H "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" \
    "http://127.0.0.1:$((STORJ_PORT + 2))/plain"
}
do_start() {
  need_bin stplanet stgw; load; start_postgres
  alive planet || rm -f "$D/planet/access" "$D/bucket"   # a new planet is a new network
  # quic-go v0.40 panics under the crypto/tls of Go 1.26.
  LISTEN=$((STORJ_PORT + 1)) STORJ_TEST_DISABLEQUIC=1 spawn planet "$BIN/stplanet" -db "postgres://postgres@127.0.0.1:$STORJ_PORT/storj?sslmode=disable" \
    -nodes "$STORJ_NODES" -rs "$STORJ_RS" -dir "$D/planet" -http "127.0.0.1:$((STORJ_PORT + 1))"
  wait_for 120 planet http_ok "http://127.0.0.1:$((STORJ_PORT + 1))/healthz"
  mkdir -p "$D/gw"; LISTEN=$((STORJ_PORT + 2)) STGW_ACCESS_KEY=$ACCESS STGW_SECRET_KEY=$SECRET spawn gateway "$BIN/stgw" -access "$(cat "$D/planet/access")" -addr "127.0.0.1:$((STORJ_PORT + 2))" -dir "$D/gw"
  wait_for 30 gateway http_ok "http://127.0.0.1:$((STORJ_PORT + 2))/minio/health/live"
  [ -f "$D/bucket" ] || { wait_for 20 gateway make_bucket; touch "$D/bucket"; }
}
do_env() {
  load; echo "S3_ENDPOINT=http://127.0.0.1:$((STORJ_PORT + 2))"; echo "S3_ACCESS_KEY=$ACCESS"; echo "S3_SECRET_KEY=$SECRET"; echo "S3_REGION=us-east-1"
  echo "STORJ_ADMIN=http://127.0.0.1:$((STORJ_PORT + 1))"; echo "S3_PID=$(pid_of gateway)"
}
do_stop() { halt gateway; halt planet; halt postgres INT; }
do_kill() { [ $# -eq 1 ] || usage; D=$(cd "$1" && pwd); halt gateway KILL; }
main "$@"
