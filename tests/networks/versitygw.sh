#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# versitygw.sh install | start DIR | stop DIR | env DIR | kill DIR
# versitygw 1.8.0, an S3 server over a folder, on 127.0.0.1: buckets "plain", "versions" (versioning on) and "locked" (object lock). DIR must be on a file system with user xattrs.
# kill ends it as a lost machine would (SIGKILL); start brings it back.
# Environment at the first start: VERSITYGW_PORT (by the folder's name, free then).
. "$(dirname "$0")/lib.sh"
ACCESS=holdfast SECRET=not-a-secret-12
do_install() {
  [ -x "$BIN/versitygw" ] || need go
  [ -x "$BIN/versitygw" ] || go_build versitygw "$(go_module github.com/versity/versitygw@v1.8.0)" ./cmd/versitygw -mod=readonly -trimpath -ldflags='-s -w'
  echo "versitygw v1.8.0"
}
load() { settings VERSITYGW_PORT="$([ -f "$D/settings" ] || free_ports 27600 130 3)"; }
s3_put() { # s3_put PATH BODY [CURL OPTIONS]
  local path=$1 body=$2; shift 2
  curl -fsS -m 20 -o /dev/null -X PUT --aws-sigv4 "aws:amz:us-east-1:s3" --user "$ACCESS:$SECRET" -H "x-amz-content-sha256: $(printf '%s' "$body" | sha256sum | cut -d' ' -f1)" \
    -H "Content-Type: application/xml" --data-binary "$body" "$@" "http://127.0.0.1:$VERSITYGW_PORT/$path"
}
make_buckets() {
  s3_put plain ""; s3_put versions ""; s3_put locked "" -H "x-amz-bucket-object-lock-enabled: true"
  s3_put "versions?versioning=" '<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>'
}
do_start() {
  need_bin versitygw; load; mkdir -p "$D/data" "$D/versions"
  LISTEN=$VERSITYGW_PORT spawn versitygw "$BIN/versitygw" --port "127.0.0.1:$VERSITYGW_PORT" --access "$ACCESS" --secret "$SECRET" --health /health -q posix --versioning-dir "$D/versions" "$D/data"
  wait_for 30 versitygw http_ok "http://127.0.0.1:$VERSITYGW_PORT/health"
  [ -f "$D/buckets" ] || { make_buckets; touch "$D/buckets"; }
}
do_env() {
  load; echo "S3_ENDPOINT=http://127.0.0.1:$VERSITYGW_PORT"; echo "S3_ACCESS_KEY=$ACCESS"; echo "S3_SECRET_KEY=$SECRET"
  echo "S3_REGION=us-east-1"; echo "S3_PID=$(pid_of versitygw)"
}
do_stop() { halt versitygw; }
do_kill() { [ $# -eq 1 ] || usage; D=$(cd "$1" && pwd); halt versitygw KILL; }
main "$@"
