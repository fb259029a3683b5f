# lib.sh: what the end-to-end tests share. Sourced first by each tests/e2e/*.test.
# A test works in $T (removed at the end, with every mount and process that was started here), runs $HOLDFAST, and ends with exit 0 (good), 77 (skipped, loudly) or anything else.
set -euo pipefail
E2E=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$E2E/../.." && pwd)
HOLDFAST=${HOLDFAST:-$ROOT/build/release/holdfast}
T=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-e2e.XXXXXX")
chmod 755 "$T"
PIDS=()
MOUNTS=()
AT_END=()

say() { printf '%s -- %s\n' "$(date -u +%H:%M:%S)" "$*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
skip() { echo "SKIPPED: $*" >&2; exit 77; }
finish() {
  local code=$? pid folder command
  set +e
  for command in "${AT_END[@]+"${AT_END[@]}"}"; do eval "$command"; done
  for folder in "${MOUNTS[@]+"${MOUNTS[@]}"}"; do is_mounted "$folder" && umount -l "$folder"; done
  for pid in "${PIDS[@]+"${PIDS[@]}"}"; do kill "$pid" 2> /dev/null; done
  sleep 0.2
  for pid in "${PIDS[@]+"${PIDS[@]}"}"; do kill -9 "$pid" 2> /dev/null; done
  if [ "$code" -ne 0 ] && [ "$code" -ne 77 ]; then
    for log in "$T"/*/holdfast.log "$T"/holdfast.log; do [ -f "$log" ] && { echo "== $log"; tail -n 40 "$log"; }; done
  fi
  [ -n "${KEEP:-}" ] || rm -rf "$T"
  exit "$code"
}
trap finish EXIT
trap 'echo "FAILED at ${BASH_SOURCE[0]##*/}:$LINENO: $BASH_COMMAND" >&2' ERR

# is_mounted DIR: also where only its owner may look in.
is_mounted() { grep -qF " $1 fuse." /proc/mounts; }
need_fuse() { [ -c /dev/fuse ] && [ "$(id -u)" -eq 0 ] || skip "needs /dev/fuse and root"; }

# use_repository NAME [CONFIG TEXT]: environment of one state folder; the configuration goes to $T/NAME/holdfast.toml.
use_repository() {
  local name=$1 text=${2:-}
  mkdir -p "$T/$name"
  export HOLDFAST_STATE=$T/$name/state HOLDFAST_CACHE=$T/$name/cache HOLDFAST_CONFIG=$T/$name/holdfast.toml
  [ -f "$HOLDFAST_CONFIG" ] && [ -z "$text" ] || printf '%s\n' "$text" > "$HOLDFAST_CONFIG"
  [ -f "$T/passphrase" ] || echo "correct horse battery staple $RANDOM" > "$T/passphrase"
  export HOLDFAST_PASSPHRASE_FILE=$T/passphrase
}
hf() { "$HOLDFAST" "$@"; }
# init_repository [INIT OPTIONS]: makes it (a cheap KDF: the test's time is for other things), keeps the sheet as JSON in $T/sheet.json, and the code in $T/code.
init_repository() {
  hf init --json --iterations 100000 "$@" > "$T/sheet.json"
  jq -r .recovery_code "$T/sheet.json" > "$T/code"
}
# mount_repository DIR [OPTIONS]
mount_repository() {
  local folder=$1; shift
  mkdir -p "$folder"
  MOUNTS+=("$folder")
  hf mount "$@" "$folder"
  mountpoint -q "$folder" || fail "nothing is mounted on $folder"
}
# expect_exit CODE COMMAND…: runs it, output in $T/out and $T/err, and fails unless it exits so.
expect_exit() {
  local want=$1 got=0; shift
  "$@" > "$T/out" 2> "$T/err" || got=$?
  [ "$got" -eq "$want" ] || { cat "$T/out" "$T/err" >&2; fail "exit $got instead of $want: $*"; }
}
# until_no_network_misses [SECONDS]: wait exits 3 where the quorum holds and a network missed, as one does for a while that was away.
until_no_network_misses() {
  local end=$((SECONDS + ${1:-180})) code
  while [ $SECONDS -lt $end ]; do
    code=0; hf wait --for safe --timeout 20s > "$T/wait.out" 2>&1 || code=$?
    [ $code -ne 0 ] || return 0
    [ $code -eq 3 ] || [ $code -eq 8 ] || break
    sleep 0.5
  done
  cat "$T/wait.out" >&2
  fail "some network is still missed (exit $code)"
}
latest_id() { hf list "$1" --json | jq -r '.[0].id'; }
