#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sia.sh install | start DIR | stop DIR | env DIR | kill DIR NAME
# A private Sia network on 127.0.0.1: a miner of our own, four real hostd and one real renterd, each its own process (miner, host1 … host4, renterd).
# Redundancy 2 of 3, upload packing off. kill ends one process as a lost machine would (SIGKILL); start brings back what is missing.
# Environment at the first start: SIA_BASE_PORT (by the folder's name, free then; +0 peers, +1 miner, +2 renterd, +3 its peers, +10i host i), SIA_HOSTS (4),
# SIA_MIN (2), SIA_TOTAL (3), SIA_MINE (30s between blocks), SIA_SECTORS (200 of 4 MiB a host), SIA_PASSWORD (of all the APIs, any user name).
. "$(dirname "$0")/lib.sh"
RENTERD_VERSION=v1.1.1
HOSTD_VERSION=v1.1.3-0.20241118221702-bd91bb9688a2  # what that renterd's go.sum pins; hostd 1.1.2 still has another chain code
COREUTILS_VERSION=v0.7.0

# ---- install: the released programs know public chains only, whose proof of work no CPU does. Copies of their sources get the constants of a private one. ----
copy_module() { rm -rf "$2"; mkdir -p "$(dirname "$2")"; cp -r "$1" "$2"; chmod -R u+w "$2"; }
constants() { cat <<'GO'
	// A private network: mined on a CPU, the rules of version 1 from the first block, version 2 never.
	n.InitialTarget = types.BlockID{0x80}
	n.MinimumCoinbase = types.Siacoins(299990)
	n.HardforkDevAddr.Height = 1
	n.HardforkTax.Height = 1
	n.HardforkStorageProof.Height = 1
	n.HardforkOak.Height = 1
	n.HardforkOak.FixHeight = 1
	n.HardforkASIC.Height = 1
	n.HardforkASIC.OakTarget = types.BlockID{0x80}
	n.HardforkFoundation.Height = 1
	n.HardforkV2.AllowHeight = 1000000
	n.HardforkV2.RequireHeight = 1000020
GO
}
patch_sources() { # patch_sources FOLDER: "zen" becomes the private network, and a host may announce a loopback address
  local network=$1/coreutils/chain/network.go checks=$1/hostd/host/settings/settings.go
  constants > "$1/constants"
  awk -v file="$1/constants" '/^func TestnetZen\(/ { zen = 1 } { print } zen && /n\.HardforkV2\.RequireHeight/ { while ((getline line < file) > 0) print line; zen = 0 }' \
    "$network" > "$network.new"
  mv "$network.new" "$network"
  [ "$(grep -c 'HardforkV2.RequireHeight = 1000020' "$network")" = 1 ] || die "the constants did not go into $network"
  sed -i 's/validateNetAddress: true,/validateNetAddress: false,/' "$checks"
  grep -q 'validateNetAddress: false,' "$checks" || die "the check of addresses was not found in $checks"
}
do_install() {
  local sources=$ROOT/src/sia renterd cache name
  if ! { [ -x "$BIN/renterd" ] && [ -x "$BIN/hostd" ] && [ -x "$BIN/siaminer" ]; }; then
    need go curl jq
    renterd=$(go_module "go.sia.tech/renterd@$RENTERD_VERSION"); cache=$(dirname "$renterd")
    (cd "$renterd" && go mod download go.sia.tech/hostd go.sia.tech/coreutils)  # by the versions and checksums of renterd's own go.mod and go.sum
    copy_module "$renterd" "$sources/renterd"
    copy_module "$cache/hostd@$HOSTD_VERSION" "$sources/hostd"
    copy_module "$cache/coreutils@$COREUTILS_VERSION" "$sources/coreutils"
    copy_module "$HERE/siaminer" "$sources/siaminer"
    patch_sources "$sources"
    for name in renterd hostd; do (cd "$sources/$name" && go mod edit -replace go.sia.tech/coreutils=../coreutils); done
    [ -x "$BIN/siaminer" ] || go_build siaminer "$sources/siaminer" . -mod=readonly -trimpath -ldflags='-s -w'
    for name in hostd renterd; do
      [ -x "$BIN/$name" ] || go_build "$name" "$sources/$name" "./cmd/$name" -trimpath -ldflags='-s -w'
    done
  fi
  echo "renterd $RENTERD_VERSION, hostd $HOSTD_VERSION, coreutils $COREUTILS_VERSION"
}

# ---- settings and configuration files ----------------------------------------------------------------------------
load() {
  settings SIA_BASE_PORT="$([ -f "$D/settings" ] || free_ports 11000 180 50)" SIA_HOSTS=4 SIA_MIN=2 SIA_TOTAL=3 SIA_MINE=30s SIA_SECTORS=200 SIA_PASSWORD="$([ -f "$D/settings" ] || random_hex 8)"
  RENTERD=http://127.0.0.1:$((SIA_BASE_PORT + 2)) MINER=http://127.0.0.1:$((SIA_BASE_PORT + 1))
}
host_port() { echo $((SIA_BASE_PORT + 10 * $1 + $2)); }
renterd_config() { cat <<Y
seed: "$("$BIN/renterd" seed | sed -n 's/^Recovery Phrase: //p')"
directory: $D/renterd
autoOpenWebUI: false
network: zen
http: {address: "127.0.0.1:$((SIA_BASE_PORT + 2))", password: "$SIA_PASSWORD"}
log: {level: info, stdout: {enabled: false}, file: {enabled: true, format: human, path: $D/renterd.out}}
bus: {bootstrap: false, gatewayAddr: "127.0.0.1:$((SIA_BASE_PORT + 3))", usedUtxoExpiry: 1m, slabBufferCompleionThreshold: 4096, announcementMaxAgeHours: 8736}
worker:
  {enabled: true, id: worker, allowPrivateIPs: true, accountsRefillInterval: 1s, busFlushInterval: 500ms, contractLockTimeout: 5s, downloadOverdriveTimeout: 500ms,
   uploadOverdriveTimeout: 500ms, downloadMaxMemory: 268435456, uploadMaxMemory: 268435456, downloadMaxOverdrive: 5, uploadMaxOverdrive: 5}
autopilot:
  {enabled: true, heartbeat: 3s, scannerInterval: 3s, scannerBatchSize: 10, scannerNumThreads: 2, migrationHealthCutoff: 0.99, migratorParallelSlabsPerWorker: 1,
   revisionBroadcastInterval: 168h}
s3: {enabled: false}
Y
}
hostd_config() { cat <<Y
name: host$1
directory: $D/host$1
recoveryPhrase: "$("$BIN/hostd" seed | sed -n 's/^Recovery Phrase: //p')"
autoOpenWebUI: false
http: {address: "127.0.0.1:$(host_port "$1" 0)", password: "$SIA_PASSWORD"}
syncer: {address: "127.0.0.1:$(host_port "$1" 1)", bootstrap: false, enableUPnP: false, peers: ["127.0.0.1:$SIA_BASE_PORT"]}
consensus: {network: zen, indexBatchSize: 100}
explorer: {disable: true}
rhp2: {address: "127.0.0.1:$(host_port "$1" 2)"}
rhp3: {tcp: "127.0.0.1:$(host_port "$1" 3)"}
log: {level: info, stdout: {enabled: false}, file: {enabled: true, level: info, format: human, path: $D/host$1.out}}
Y
}

# ---- the APIs ----------------------------------------------------------------------------------------------------
call() { curl -sf -m 30 -u ":$SIA_PASSWORD" "$@"; }
host_call() { local i=$1 path=$2; shift 2; call "$@" "http://127.0.0.1:$(host_port "$i" 0)/api/$path"; }
mine() { curl -sf -m 120 -o /dev/null -X POST "$MINER/mine?n=$1&addr=${2:-}"; }
set_renterd() { call -X PUT -d "$2" "$RENTERD/api/bus/setting/$1"; }
synced() { local h; h=$(host_call "$1" index/tip | jq .height); [ "${h:-0}" -ge 160 ] && [ "$(host_call "$1" wallet | jq -r .confirmed)" != 0 ]; }
contracts() { local n; n=$(call "$RENTERD/api/bus/contracts?contractset=autopilot" | jq length); [ "${n:-0}" -ge "$SIA_TOTAL" ]; }
works() { # contracts are not enough: the first upload needs funded accounts at the hosts too
  local object=$RENTERD/api/worker/objects/.ready
  call -X PUT -H 'Content-Type: application/octet-stream' --data-binary ready "$object" && [ "$(call "$object")" = ready ] && call -X DELETE "$object"
}

# ---- start -------------------------------------------------------------------------------------------------------
daemons() {
  local i
  LISTEN=$SIA_BASE_PORT spawn miner "$BIN/siaminer" -dir "$D/miner" -p2p "127.0.0.1:$SIA_BASE_PORT" -http "127.0.0.1:$((SIA_BASE_PORT + 1))" -interval "$SIA_MINE"
  wait_for 20 miner curl -sf "$MINER/tip"
  mkdir -p "$D/renterd"; [ -f "$D/renterd.yml" ] || renterd_config > "$D/renterd.yml"
  LISTEN=$((SIA_BASE_PORT + 2)) RENTERD_CONFIG_FILE=$D/renterd.yml spawn renterd "$BIN/renterd"
  for ((i = 1; i <= SIA_HOSTS; i++)); do
    mkdir -p "$D/host$i"; [ -f "$D/host$i.yml" ] || hostd_config "$i" > "$D/host$i.yml"
    LISTEN=$(host_port "$i" 0) HOSTD_CONFIG_FILE=$D/host$i.yml spawn "host$i" "$BIN/hostd"
  done
  wait_for 60 renterd call "$RENTERD/api/bus/state"
  call -X POST -d "\"127.0.0.1:$SIA_BASE_PORT\"" "$RENTERD/api/bus/syncer/connect" > /dev/null || true
  for ((i = 1; i <= SIA_HOSTS; i++)); do
    wait_for 60 "host$i" host_call "$i" state
    host_call "$i" syncer/peers -X PUT -d "{\"address\":\"127.0.0.1:$SIA_BASE_PORT\"}" > /dev/null || true
  done
}
configure_host() { # its storage, prices that renterd asks for again soon (else a host that comes back is not used for half an hour), and its address
  wait_for 60 "host$1" synced "$1"
  host_call "$1" volumes -o /dev/null -X POST -d "{\"localPath\":\"$D/host$1/volume.dat\",\"maxSectors\":$SIA_SECTORS}"
  host_call "$1" settings -o /dev/null -X PATCH -d "{\"acceptingContracts\":true,\"priceTableValidity\":15000000000,\"netAddress\":\"127.0.0.1:$(host_port "$1" 2)\",
    \"maxCollateral\":\"5000000000000000000000000000\"}"
  host_call "$1" settings/announce -X POST
}
configure() {
  local i
  for ((i = 1; i <= SIA_HOSTS; i++)); do mine 3 "$(host_call "$i" wallet | jq -r .address)"; done
  mine 12 "$(call "$RENTERD/api/bus/wallet" | jq -r .address)"; mine 150  # rewards can be spent after 144 blocks
  set_renterd redundancy "{\"minShards\":$SIA_MIN,\"totalShards\":$SIA_TOTAL}"
  set_renterd contractset '{"default":"autopilot"}'
  set_renterd uploadpacking '{"enabled":false,"slabBufferMaxSizeSoft":4294967296}'
  set_renterd gouging "$(call "$RENTERD/api/bus/setting/gouging" | jq -c '.hostBlockHeightLeeway=240|.minPriceTableValidity=10000000000')"
  for ((i = 1; i <= SIA_HOSTS; i++)); do configure_host "$i"; done
  sleep 1; mine 2
  call -X PUT "$RENTERD/api/autopilot/config" -d "{\"contracts\":{\"set\":\"autopilot\",\"amount\":$SIA_HOSTS,\"allowance\":\"10000000000000000000000000000\",\"period\":4032,
    \"renewWindow\":1008,\"download\":107374182400,\"upload\":107374182400,\"storage\":107374182400,\"prune\":false},
    \"hosts\":{\"allowRedundantIPs\":true,\"maxDowntimeHours\":336,\"minProtocolVersion\":\"1.6.0\",\"maxConsecutiveScanFailures\":10,\"scoreOverrides\":{}}}"
}
do_start() {
  need curl jq; need_bin renterd hostd siaminer; load; local k
  daemons
  [ -f "$D/ready" ] || configure
  for ((k = 0; k < 60; k++)); do contracts && break; [ $((k % 3)) != 2 ] || mine 1; sleep 1; done
  contracts || die "no set of contracts: see $D/renterd.out"
  wait_for 90 renterd works
  touch "$D/ready"
}
do_env() {
  load; local i
  echo "SIA_RENTERD_URL=$RENTERD"; echo "SIA_RENTERD_PASSWORD=$SIA_PASSWORD"; echo "SIA_MINER_URL=$MINER"; echo "SIA_RENTERD_PID=$(pid_of renterd)"
  for ((i = 1; i <= SIA_HOSTS; i++)); do echo "SIA_HOST_PID_$i=$(pid_of "host$i")"; done
}
do_stop() { load; local i; halt renterd TERM 30; for ((i = 1; i <= SIA_HOSTS; i++)); do halt "host$i"; done; halt miner; }
do_kill() { [ $# -eq 2 ] || usage; D=$(cd "$1" && pwd); load; alive "$2" || die "no process $2 runs in $D"; halt "$2" KILL; }
main "$@"
