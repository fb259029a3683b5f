#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ipfs.sh install | start DIR [NODES] | stop DIR | env DIR | kill DIR NODE
# A private network of Kubo nodes on 127.0.0.1 (2 by default): swarm key, no bootstrap, no mDNS, no NAT; DHT among these nodes only.
# kill ends one node as a lost machine would (SIGKILL); start brings back what is missing.
# Environment at the first start: IPFS_BASE_PORT (by the folder's name, free then; node i: API +10i+1, gateway +10i+2, swarm +10i+3), IPFS_ROUTING (dht),
# IPFS_GC (false), IPFS_STORAGE_MAX (10GB), IPFS_REPROVIDE (12h). At install: KUBO_VERSION (v0.32.1).
. "$(dirname "$0")/lib.sh"
do_install() {
  [ -x "$BIN/ipfs" ] || need go
  [ -x "$BIN/ipfs" ] || go_build ipfs "$(go_module "github.com/ipfs/kubo@${KUBO_VERSION:-v0.32.1}")" ./cmd/ipfs -mod=readonly -trimpath -ldflags='-s -w'
  "$BIN/ipfs" version
}
load() { settings IPFS_NODES="${1:-2}" IPFS_BASE_PORT="$([ -f "$D/settings" ] || free_ports 20100 90 30)" IPFS_ROUTING=dht IPFS_GC=false IPFS_STORAGE_MAX=10GB IPFS_REPROVIDE=12h; }
port() { echo $((IPFS_BASE_PORT + 10 * $1 + $2)); }
api() { curl -fsS -m 20 -X POST "http://127.0.0.1:$(port "$1" 1)/api/v0/$2"; }
configure() { # configure NODE: a new repository with fixed loopback ports ("profile test" alone would take random ones)
  export IPFS_PATH=$D/node$1; mkdir -p "$IPFS_PATH"
  "$BIN/ipfs" init --empty-repo --profile test >/dev/null; cp "$D/swarm.key" "$IPFS_PATH/swarm.key"
  c() { "$BIN/ipfs" config "$@" >/dev/null; }
  c Addresses.API "/ip4/127.0.0.1/tcp/$(port "$1" 1)"; c Addresses.Gateway "/ip4/127.0.0.1/tcp/$(port "$1" 2)"
  c --json Addresses.Swarm "[\"/ip4/127.0.0.1/tcp/$(port "$1" 3)\"]"
  c --json Bootstrap '[]'; c Routing.Type "$IPFS_ROUTING"; c --json Discovery.MDNS.Enabled false
  c --json Swarm.DisableNatPortMap true; c --json Swarm.RelayClient.Enabled false; c --json Swarm.RelayService.Enabled false
  c --json Swarm.EnableHolePunching false; c --json Swarm.Transports.Network.QUIC false; c --json Swarm.Transports.Network.Websocket false
  c --json Swarm.Transports.Network.WebTransport false; c --json Swarm.Transports.Network.WebRTCDirect false
  c AutoNAT.ServiceMode disabled; c --json Gateway.NoFetch false; c Datastore.StorageMax "$IPFS_STORAGE_MAX"
  c --json Ipns.UsePubsub false; c Reprovider.Interval "$IPFS_REPROVIDE"
}
do_start() {
  need_bin ipfs; load "$@"; export LIBP2P_FORCE_PNET=1 IPFS_TELEMETRY=off; local i id0
  [ -f "$D/swarm.key" ] || printf '/key/swarm/psk/1.0.0/\n/base16/\n%s\n' "$(random_hex 32)" > "$D/swarm.key"
  for ((i = 0; i < IPFS_NODES; i++)); do
    [ -f "$D/node$i/config" ] || configure "$i"
    LISTEN=$(port "$i" 1) IPFS_PATH=$D/node$i spawn "node$i" "$BIN/ipfs" daemon --migrate=false $([ "$IPFS_GC" = true ] && echo --enable-gc)
  done
  for ((i = 0; i < IPFS_NODES; i++)); do wait_for 60 "node$i" api "$i" id; done
  id0=$(api 0 id | sed -n 's/.*"ID":"\([^"]*\)".*/\1/p')
  for ((i = 1; i < IPFS_NODES; i++)); do wait_for 20 "node$i" api "$i" "swarm/connect?arg=/ip4/127.0.0.1/tcp/$(port 0 3)/p2p/$id0"; done
}
do_env() {
  load; local i
  for ((i = 0; i < IPFS_NODES; i++)); do
    echo "IPFS_API_$i=http://127.0.0.1:$(port "$i" 1)"; echo "IPFS_GATEWAY_$i=http://127.0.0.1:$(port "$i" 2)"; echo "IPFS_PID_$i=$(pid_of "node$i")"
  done
}
do_stop() { load; local i; for ((i = 0; i < IPFS_NODES; i++)); do halt "node$i"; done; }
do_kill() { [ $# -eq 2 ] || usage; D=$(cd "$1" && pwd); load; halt "node$2" KILL; }
main "$@"
