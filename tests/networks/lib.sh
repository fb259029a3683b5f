# SPDX-License-Identifier: Apache-2.0
# lib.sh: what the network scripts share. Sourced, never run.
# A script defines do_install, do_start [ARGS], do_stop, do_env (and may define more verbs as do_VERB), then calls: main "$@".
# In all but do_install, D is the absolute path of the network's state folder.
set -euo pipefail
KIT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)      # this folder
HERE=$(cd "$(dirname "$0")" && pwd)                    # the folder of the script that is run
ROOT=$(realpath -m "${HOLDFAST_NETWORKS:-$HOME/.cache/holdfast-networks}")
BIN=$ROOT/bin
JOBS=${HOLDFAST_BUILD_JOBS:-2}
export GOTOOLCHAIN=local

die() { echo "${0##*/}: $*" >&2; exit 1; }
need() { local c; for c; do command -v "$c" >/dev/null || die "needs the command '$c'"; done; }
need_bin() { local b; for b; do [ -x "$BIN/$b" ] || die "$b is not installed: run '$0 install'"; done; }
now_ms() { date +%s%3N; }
random_hex() { head -c "$1" /dev/urandom | od -An -tx1 | tr -d ' \n'; }

# ---- installing -------------------------------------------------------------------------------------------------
go_module() { # go_module MODULE@VERSION: downloads it (checksum-verified) and prints its folder in the module cache
  local t dir; t=$(mktemp -d); printf 'module x\ngo 1.24\n' > "$t/go.mod"
  (cd "$t" && go mod download -json "$1" > out) || { cat "$t/out" >&2; rm -rf "$t"; die "go mod download $1 failed"; }
  dir=$(sed -n 's/^[[:space:]]*"Dir": "\(.*\)".*/\1/p' "$t/out"); rm -rf "$t"; echo "$dir"
}
go_build() { # go_build NAME FOLDER PACKAGE [FLAGS]: builds PACKAGE inside FOLDER into $BIN/NAME, which appears only when complete
  local name=$1 dir=$2 pkg=$3; shift 3; mkdir -p "$BIN"
  (cd "$dir" && nice -n 10 go build -p "$JOBS" -buildvcs=false "$@" -o "$BIN/.$name.new" "$pkg")
  mv "$BIN/.$name.new" "$BIN/$name"
}

# ---- settings: a state folder keeps the ports and sizes it was first started with --------------------------------
settings() { # settings NAME=DEFAULT ...: the first start takes NAME from the environment, else DEFAULT; later calls read it back
  local f=$D/settings kv n
  if [ -f "$f" ]; then . "$f"; return; fi
  for kv; do n=${kv%%=*}; declare -g "$n=${!n:-${kv#*=}}"; printf '%s=%q\n' "$n" "${!n}"; done > "$f"
}

is_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
free_ports() { # free_ports FIRST BLOCKS SIZE: the first port of a block that differs from folder to folder; the next one where somebody listens on one of its first three already
  local n i p; n=$(printf '%s' "$D" | cksum | cut -d' ' -f1)
  for ((i = 0; i < 50; i++)); do
    p=$(($1 + (n + i) % $2 * $3))
    is_taken "$p" || is_taken $((p + 1)) || is_taken $((p + 2)) || { echo "$p"; return; }
  done
  die "no free ports"
}

# ---- processes: only what a state folder recorded is ever signalled ----------------------------------------------
start_time() { # prints the kernel's start time of process $1; fails when it is gone or a zombie
  local l; l=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  l=${l##*) }; set -- $l; [ "$1" != Z ] && [ "$1" != X ] && echo "${20}"
}
pid_of() { cat "$D/$1.pid" 2>/dev/null || true; }
alive() { # alive NAME: the process recorded as NAME still runs; a reused number does not count
  local p; p=$(pid_of "$1"); [ -n "$p" ] && [ "$(start_time "$p")" = "$(cat "$D/$1.start" 2>/dev/null)" ]
}
spawn() { # [LISTEN=PORT] spawn NAME COMMAND...: starts it in its own process group unless it runs; log in $D/NAME.log, number in $D/NAME.pid
  local n=$1; shift; alive "$n" && return 0
  [ -z "${LISTEN:-}" ] || ! (exec 3<>"/dev/tcp/127.0.0.1/$LISTEN") 2>/dev/null || die "port $LISTEN is taken (another network that still runs?)"
  setsid "$@" >> "$D/$n.log" 2>&1 < /dev/null &
  echo $! > "$D/$n.pid"; start_time $! > "$D/$n.start" || die "$n ended at once: see $D/$n.log"
}
halt() { # halt NAME [SIGNAL] [SECONDS]: ends the process recorded as NAME, by SIGKILL when SIGNAL has not done it in time
  local p i; p=$(pid_of "$1")
  if alive "$1"; then
    kill -s "${2:-TERM}" "$p" 2>/dev/null || true
    for ((i = 0; i < ${3:-20} * 10; i++)); do alive "$1" || break; sleep 0.1; done
    ! alive "$1" || { kill -9 "$p" 2>/dev/null || true; sleep 0.2; }
  fi
  rm -f "$D/$1.pid" "$D/$1.start"
}
wait_for() { # wait_for SECONDS NAME COMMAND...: until COMMAND succeeds; fails when time is up or the process NAME ("-": none) is gone
  local end n=$2 t=$1; end=$(($(now_ms) + t * 1000)); shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$n" = - ] || alive "$n" || { tail -5 "$D/$n.log" >&2; die "$n has ended: see $D/$n.log"; }
    [ "$(now_ms)" -lt "$end" ] || { [ "$n" = - ] || tail -5 "$D/$n.log" >&2; die "gave up after $t s waiting for: $*"; }
    sleep 0.1
  done
  [ "$n" = - ] || alive "$n" || die "$n has ended: see $D/$n.log"
}
http_ok() { curl -fsS -m 5 -o /dev/null "$@"; }

usage() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
main() {
  local verb=${1:-}; [ $# -eq 0 ] || shift
  declare -F "do_$verb" >/dev/null || usage
  case $verb in
    install) # one install at a time; a script may call another's install
      [ -n "${HOLDFAST_INSTALLING:-}" ] || { mkdir -p "$ROOT"; exec 9> "$ROOT/.lock"; flock 9; export HOLDFAST_INSTALLING=1; }
      do_install ;;
    start) [ $# -ge 1 ] || usage; mkdir -p "$1"; D=$(cd "$1" && pwd); shift; local t; t=$(now_ms)
           do_start "$@"; echo "ready in $(($(now_ms) - t)) ms" >&2; do_env ;;
    stop|env) [ $# -ge 1 ] || usage; [ -d "$1" ] || die "no such folder: $1"; D=$(cd "$1" && pwd); shift; "do_$verb" "$@" ;;
    *) "do_$verb" "$@" ;;
  esac
}
