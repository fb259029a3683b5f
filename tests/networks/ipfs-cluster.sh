#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ipfs-cluster.sh install | start DIR [NODES] | stop DIR | env DIR | kill DIR NAME
# A private IPFS Cluster (CRDT, 2 peers by default) on 127.0.0.1: one peer over each Kubo node of ipfs.sh (kept in DIR/ipfs), each with the Pinning Service API.
# kill ends one process as a lost machine would (SIGKILL): peer0, peer1 …, or node0, node1 … for the Kubo nodes; start brings back what is missing.
# Environment at the first start: CLUSTER_BASE_PORT (by the folder's name, free then; peer i: REST +10i, Pinning Service +10i+1, its peers +10i+2, Kubo proxy +10i+3),
# CLUSTER_REPL (0: every peer pins), CLUSTER_PIN_TIMEOUT (20s: how long a peer looks for blocks that nobody has). At install: CLUSTER_VERSION (v1.1.0).
. "$(dirname "$0")/lib.sh"
SERVICE=$BIN/ipfs-cluster-service
do_install() {
  "$HERE/ipfs.sh" install
  [ -x "$SERVICE" ] || need go
  [ -x "$SERVICE" ] || go_build ipfs-cluster-service "$(go_module "github.com/ipfs-cluster/ipfs-cluster@${CLUSTER_VERSION:-v1.1.0}")" \
    ./cmd/ipfs-cluster-service -mod=readonly -trimpath -ldflags='-s -w'
  "$SERVICE" --version
}
load() {
  settings CLUSTER_NODES="${1:-2}" CLUSTER_BASE_PORT="$([ -f "$D/settings" ] || free_ports 28500 80 50)" CLUSTER_REPL=0 CLUSTER_PIN_TIMEOUT=20s
}
port() { echo $((CLUSTER_BASE_PORT + 10 * $1 + $2)); }
rest() { curl -fsS -m 5 "http://127.0.0.1:$(port "$1" 0)/$2"; }
kubo_port() { sed -n 's/^IPFS_BASE_PORT=//p' "$D/ipfs/settings"; }
# A peer that is killed forgets the pins of its last seconds until the others tell it again (rebroadcast_interval, a minute by default).
configure() { # the defaults listen on every interface and use mDNS; all peers share one CLUSTER_SECRET
  local kubo=/ip4/127.0.0.1/tcp/$(($(kubo_port) + 10 * $1 + 1)) config=$D/peer$1/service.json
  listen() { echo "/ip4/127.0.0.1/tcp/$(port "$1" "$2")"; }
  mkdir -p "$D/peer$1"
  CLUSTER_SECRET=$(cat "$D/secret") IPFS_CLUSTER_PATH=$D/peer$1 "$SERVICE" init --consensus crdt > "$D/peer$1.init" 2>&1 || { cat "$D/peer$1.init" >&2; die "ipfs-cluster-service init failed"; }
  jq --arg name "peer$1" --arg rest "$(listen "$1" 0)" --arg service "$(listen "$1" 1)" --arg peers "$(listen "$1" 2)" --arg proxy "$(listen "$1" 3)" --arg kubo "$kubo" \
    --arg password "$(cat "$D/password")" --arg timeout "$CLUSTER_PIN_TIMEOUT" --argjson repl "$CLUSTER_REPL" '
    .cluster += {peername: $name, listen_multiaddress: [$peers], mdns_interval: "0s", enable_relay_hop: false, monitor_ping_interval: "1s"}
    | if $repl > 0 then .cluster += {replication_factor_min: 1, replication_factor_max: $repl} else . end
    | .api.ipfsproxy += {listen_multiaddress: $proxy, node_multiaddress: $kubo}
    | .api.restapi += {http_listen_multiaddress: $rest}
    | .api.pinsvcapi += {http_listen_multiaddress: $service, basic_auth_credentials: {backup: $password}}
    | .consensus.crdt += {rebroadcast_interval: "2s"}
    | .ipfs_connector.ipfshttp += {node_multiaddress: $kubo, pin_timeout: $timeout, connect_swarms_delay: "5s"}' "$config" > "$config.new"
  mv "$config.new" "$config"
}
joined() { [ "$(rest "$1" peers | grep -o '"peername":"peer' | wc -l)" -ge "$CLUSTER_NODES" ]; }
token() { # Basic gives a JWT, which is what a pinning service's clients send
  curl -fsS -m 5 -X POST -u "backup:$(cat "$D/password")" "http://127.0.0.1:$(port 0 1)/token" | jq -r .token
}
do_start() {
  need_bin ipfs ipfs-cluster-service; need curl jq; load "$@"; local i j boot
  "$HERE/ipfs.sh" start "$D/ipfs" "$CLUSTER_NODES" > "$D/ipfs.log" 2>&1 || { cat "$D/ipfs.log" >&2; die "Kubo does not start"; }
  [ -f "$D/secret" ] || random_hex 32 > "$D/secret"
  [ -f "$D/password" ] || (umask 077; random_hex 16 > "$D/password")
  for ((i = 0; i < CLUSTER_NODES; i++)); do
    [ -f "$D/peer$i/ready" ] || { rm -rf "$D/peer$i"; configure "$i"; touch "$D/peer$i/ready"; }
    boot=()
    for ((j = 0; j < CLUSTER_NODES; j++)); do [ "$j" = "$i" ] || [ ! -f "$D/peer$j.address" ] || boot+=(--bootstrap "$(cat "$D/peer$j.address")"); done
    LISTEN=$(port "$i" 0) IPFS_CLUSTER_PATH=$D/peer$i spawn "peer$i" "$SERVICE" daemon "${boot[@]}"
    wait_for 60 "peer$i" rest "$i" id
    rest "$i" id | jq -r '.addresses[] | select(startswith("/ip4/127.0.0.1/tcp/"))' | sed -n 1p > "$D/peer$i.address"
  done
  # "pinned" speaks only of the peers that the answering one knows.
  for ((i = 0; i < CLUSTER_NODES; i++)); do wait_for 60 "peer$i" joined "$i"; done
  [ -f "$D/token" ] || (umask 077; token > "$D/token.new"; mv "$D/token.new" "$D/token")
}
do_env() {
  load; local i; "$HERE/ipfs.sh" env "$D/ipfs"
  for ((i = 0; i < CLUSTER_NODES; i++)); do
    echo "PINNING_ENDPOINT_$i=http://127.0.0.1:$(port "$i" 1)"; echo "CLUSTER_REST_$i=http://127.0.0.1:$(port "$i" 0)"; echo "CLUSTER_PID_$i=$(pid_of "peer$i")"
  done
  echo "PINNING_TOKEN_FILE=$D/token"; echo "PINNING_BASIC=backup:$(cat "$D/password")"
}
do_stop() { load; local i; for ((i = 0; i < CLUSTER_NODES; i++)); do halt "peer$i"; done; [ ! -d "$D/ipfs" ] || "$HERE/ipfs.sh" stop "$D/ipfs"; }
do_kill() {
  [ $# -eq 2 ] || usage; D=$(cd "$1" && pwd); load
  case $2 in
    node*) "$HERE/ipfs.sh" kill "$D/ipfs" "${2#node}" ;;
    *) alive "$2" || die "no process $2 runs in $D"; halt "$2" KILL ;;
  esac
}
main "$@"
