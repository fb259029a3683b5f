#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# swarm.sh install | start DIR [NODES] | stop DIR | env DIR | kill DIR NAME | buy DIR AMOUNT DEPTH [MUTABLE] | price DIR PRICE | mine DIR BLOCKS
# A private Swarm on 127.0.0.1: real Bee full nodes (2 by default: node0, node1) over a chain of their own (anvil) with Swarm's real contracts, whose bytecode comes out of
# Bee's own Go dependencies. No redistribution game. kill ends one process as a lost machine would (SIGKILL); start brings back what is missing.
# buy buys a postage batch for node 0 and prints its id once it is usable; mine adds blocks, as nodes hear of what happened some blocks later (a few dozen at most: each is kept); price sets what a chunk costs a block: 700000 for a moment makes small batches expire.
# Environment at the first start: SWARM_BASE_PORT (by the folder's name, free then: the chain; node i: +2i+1 the API, +2i+2 its peers), SWARM_AMOUNT (1000000000) and
# SWARM_DEPTH (22) of the first batch, SWARM_VERBOSITY (info).
. "$(dirname "$0")/lib.sh"
BEE_VERSION=2.7.0 BEE=github.com/ethersphere/bee/v2
ANVIL_VERSION=1.7.1
CONTRACTS=$ROOT/src/swarm/contracts.json
# The published key 0 of anvil's: it owns the contracts, the tokens and their administration.
ADMIN=0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266

# ---- install ------------------------------------------------------------------------------------------------------
constant() { sed -n "s/.*$2 *= *\"\(0x[0-9a-f]*\)\".*/\1/p" "$1"; }
contracts() { # the creation bytecode that the modules of Bee carry
  local incentives swap oracle name
  incentives=$(go_module github.com/ethersphere/go-storage-incentives-abi@v0.9.4)/abi/abi_testnet.go
  swap=$(go_module github.com/ethersphere/go-sw3-abi@v0.6.9)/sw3abi/abi_v0.6.9.go
  oracle=$(go_module github.com/ethersphere/go-price-oracle-abi@v0.6.9)/priceoracleabi/abi_v0.6.9.go
  for name in BzzToken PostageStamp PriceOracle Staking Redistribution; do printf '%s %s\n' "$name" "$(constant "$incentives" "Testnet${name}Bin")"; done
  printf '%s %s\n' SwapFactory "$(constant "$swap" SimpleSwapFactoryBinv0_6_9)" SwapOracle "$(constant "$oracle" PriceOracleBinv0_6_9)"
}
install_anvil() { # the package of the platform carries the program
  local t platform
  case $(uname -m) in x86_64) platform=linux-amd64 ;; aarch64) platform=linux-arm64 ;; *) die "no anvil for $(uname -m)" ;; esac
  need npm; t=$(mktemp -d); mkdir -p "$BIN"
  (cd "$t" && npm pack --silent "@foundry-rs/anvil-$platform@$ANVIL_VERSION" > /dev/null && tar xzf ./*.tgz && mv package/bin/anvil "$BIN/anvil") || { rm -rf "$t"; die "anvil could not be fetched"; }
  rm -rf "$t"
}
do_install() {
  need curl jq
  [ -x "$BIN/anvil" ] || install_anvil
  if ! { [ -x "$BIN/bee" ] && [ -s "$CONTRACTS" ]; }; then
    need go; mkdir -p "${CONTRACTS%/*}"
    contracts | jq -R 'split(" ") | {(.[0]): .[1]}' | jq -s add > "$CONTRACTS.new"
    [ "$(jq '[.[] | select(length > 1000)] | length' "$CONTRACTS.new")" = 7 ] || die "contracts are missing in $CONTRACTS.new"
    mv "$CONTRACTS.new" "$CONTRACTS"
    # The nodes believe that they can be reached; /health says the version instead of "-dev".
    [ -x "$BIN/bee" ] || CGO_ENABLED=0 go_build bee "$(go_module "$BEE@v$BEE_VERSION")" ./cmd/bee -mod=readonly -trimpath \
      -ldflags="-s -w -X $BEE.version=$BEE_VERSION -X $BEE.commitHash=local -X $BEE/pkg/api.Version=7.3.0 -X $BEE/pkg/p2p/libp2p.reachabilityOverridePublic=true"
  fi
  echo "bee $BEE_VERSION, anvil $ANVIL_VERSION"
}

# ---- settings -----------------------------------------------------------------------------------------------------
load() {
  settings SWARM_NODES="${1:-2}" SWARM_BASE_PORT="$([ -f "$D/settings" ] || free_ports 28000 45 10)" SWARM_AMOUNT=1000000000 SWARM_DEPTH=22 SWARM_VERBOSITY=info
  RPC=http://127.0.0.1:$SWARM_BASE_PORT
}
api() { echo "http://127.0.0.1:$((SWARM_BASE_PORT + 2 * $1 + 1))"; }

# ---- the chain ----------------------------------------------------------------------------------------------------
word() { local hex=${1#0x}; printf '%64s' "$hex" | tr ' ' 0; }         # a number or address in hexadecimal as 32 bytes
number() { word "$(printf '%x' "$1")"; }
text_word() { printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n' | sed -e :a -e 's/^.\{1,63\}$/&0/;ta'; }
rpc() { # rpc METHOD < PARAMS
  jq -c --arg method "$1" '{jsonrpc: "2.0", id: 1, method: $method, params: .}' |
    curl -fsS -m 30 -H 'content-type: application/json' --data-binary @- "$RPC" | jq -c 'if .error then error(.error.message) else .result end'
}
chain_is_up() { echo '[]' | rpc eth_chainId; }
mine() { printf '["0x%x"]' "$1" | rpc anvil_mine > /dev/null; }  # a few blocks only: each keeps its state
send() { # send TO DATA GAS [VALUE]: prints the transaction's hash; TO is empty for a creation
  jq -nc --arg from "$ADMIN" --arg to "$1" --arg data "$2" --arg gas "$3" --arg value "${4:-0x0}" '[{from: $from, data: $data, gas: $gas, value: $value} + if $to == "" then {} else {to: $to} end]' |
    rpc eth_sendTransaction
}
create() { # create NAME [ARGUMENT WORDS]: prints the address of a new contract
  local hash address
  hash=$({ printf '{"code": %s, ' "$(jq ".$1" "$CONTRACTS")"; printf '"words": "%s"}' "${2:-}"; } | jq -c --arg from "$ADMIN" '[{from: $from, data: (.code + .words), gas: "0x989680"}]' | rpc eth_sendTransaction)
  mine 1
  address=$(echo "[$hash]" | rpc eth_getTransactionReceipt | jq -r 'select(.status == "0x1") | .contractAddress')
  [ -n "$address" ] || die "the contract $1 could not be made"
  echo "$address"
}
deploy() {
  local token postage oracle staking redistribution factory swap role
  token=$(create BzzToken "$(number 96)$(number 160)$(word c9f2c9cd04674edea40000000)$(number 8)$(text_word 'Test BZZ')$(number 4)$(text_word sBZZ)")
  postage=$(create PostageStamp "$(word "$token")$(number 16)")
  oracle=$(create PriceOracle "$(word "$postage")")
  staking=$(create Staking "$(word "$token")$(number 4242)$(word "$oracle")")
  redistribution=$(create Redistribution "$(word "$staking")$(word "$postage")$(word "$oracle")")
  factory=$(create SwapFactory "$(word "$token")")
  swap=$(create SwapOracle "$(number 10000)$(number 1)")
  role=1337d7d57528a8879766fdf2d0456253114c66c4fc263c97168bfdb007c64c66  # keccak256("PRICE_ORACLE_ROLE")
  send "$postage" "0x2f2ff15d$role$(word "$ADMIN")" 0x493e0 > /dev/null  # grantRole
  send "$postage" "0x91b7f5ed$(number 100)" 0x493e0 > /dev/null           # setPrice
  mine 1
  jq -n --arg token "$token" --arg postage "$postage" --arg oracle "$oracle" --arg staking "$staking" --arg redistribution "$redistribution" --arg factory "$factory" --arg swap "$swap" \
    '$ARGS.named' > "$D/contracts.new"
  mv "$D/contracts.new" "$D/contracts"
}
contract() { jq -r ".$1" "$D/contracts"; }

# ---- the nodes ----------------------------------------------------------------------------------------------------
bee() { # bee NODE. The flags of the second line keep it off the public network; loopback and "localhost" are refused as --nat-addr, and without one it looks for a gateway.
  local i=$1 peers=$((SWARM_BASE_PORT + 2 * $1 + 2))
  LISTEN=$((peers - 1)) spawn "node$i" "$BIN/bee" start --full-node --data-dir "$D/data$i" --password x --api-addr "127.0.0.1:$((peers - 1))" --p2p-addr "127.0.0.1:$peers" \
    --nat-addr "LocalHost:$peers" --network-id 4242 --mainnet=false --bootnode "" --neighborhood-suggester "" --skip-postage-snapshot --warmup-time 2s \
    --blockchain-rpc-endpoint "$RPC" --block-time 1 --postage-stamp-address "$(contract postage)" --postage-stamp-start-block 1 --price-oracle-address "$(contract swap)" \
    --redistribution-address "$(contract redistribution)" --staking-address "$(contract staking)" --swap-factory-address "$(contract factory)" --swap-enable --chequebook-enable \
    --swap-initial-deposit 1000000000000000000 --storage-incentives-enable=false --allow-private-cidrs --cache-capacity 100000 --verbosity "$SWARM_VERBOSITY"
}
fund() { # keys, ETH for fees, BZZ for stamps and the chequebook. With swap off a node's accounting stalls what it pushes; one that finds no money looks again after 20 seconds.
  [ ! -f "$D/funded$1" ] || return 0
  [ -f "$D/data$1/keys/swarm.key" ] || "$BIN/bee" init --data-dir "$D/data$1" --password x --verbosity error >> "$D/node$1.log" 2>&1 || true
  local address; address=0x$(jq -r .address "$D/data$1/keys/swarm.key")
  send "$address" 0x 0x5208 0x8ac7230489e80000 > /dev/null
  send "$(contract token)" "0xa9059cbb$(word "$address")$(word 8ac7230489e80000)" 0x186a0 > /dev/null  # transfer of 1000 BZZ
  touch "$D/funded$1"
}
connected() { # a peer given as --bootnode stays outside the topology; on an existing connection /connect answers 500
  curl -fsS -m 5 "$(api "$1")/peers" | jq -e '.peers | length > 0' || http_ok -X POST "$(api "$1")/connect$2"
}
usable() { curl -fsS -m 5 "$(api 0)/stamps/$1" | jq -e .usable; }
buy() { # buy AMOUNT DEPTH [MUTABLE]: prints the id of a batch that is usable: some ten blocks after it was bought
  local batch i
  for ((i = 0; i < 30; i++)); do
    batch=$(curl -sS -m 60 -X POST -H "Immutable: $([ -n "${3:-}" ] && echo false || echo true)" "$(api 0)/stamps/$1/$2" | jq -r '.batchID // empty')
    [ -z "$batch" ] || break
    sleep 1  # 400 "out of funds" until the funding is mined
  done
  [ -n "$batch" ] || die "no postage batch could be bought"
  mine 12; wait_for 60 node0 usable "$batch" > /dev/null
  echo "$batch"
}
do_start() {
  need curl jq; need_bin bee anvil; [ -s "$CONTRACTS" ] || die "no contracts: run '$0 install'"; load "$@"; local i first
  LISTEN=$SWARM_BASE_PORT spawn chain "$BIN/anvil" --host 127.0.0.1 --port "$SWARM_BASE_PORT" --chain-id 31337 --block-time 1 --slots-in-an-epoch 4 --state "$D/chain.json" --state-interval 5 --quiet
  wait_for 30 chain chain_is_up
  [ -s "$D/contracts" ] || deploy
  for ((i = 0; i < SWARM_NODES; i++)); do fund "$i"; done
  mine 1
  for ((i = 0; i < SWARM_NODES; i++)); do bee "$i"; done
  for ((i = 0; i < SWARM_NODES; i++)); do wait_for 120 "node$i" http_ok "$(api "$i")/readiness"; done
  first=$(curl -fsS -m 5 "$(api 0)/addresses" | jq -r '.underlay[]' | grep -m 1 '/tcp/[0-9]*/p2p/[A-Za-z0-9]*$')
  for ((i = 1; i < SWARM_NODES; i++)); do wait_for 60 "node$i" connected "$i" "$first"; done
  [ -s "$D/batch" ] || { buy "$SWARM_AMOUNT" "$SWARM_DEPTH" > "$D/batch.new"; mv "$D/batch.new" "$D/batch"; }
  wait_for 60 node0 usable "$(cat "$D/batch")"
}
do_env() {
  load; local i
  for ((i = 0; i < SWARM_NODES; i++)); do echo "SWARM_API_$i=$(api "$i")"; echo "SWARM_PID_$i=$(pid_of "node$i")"; done
  echo "SWARM_BATCH=$(cat "$D/batch")"; echo "SWARM_RPC=$RPC"
}
do_stop() { load; local i; for ((i = 0; i < SWARM_NODES; i++)); do halt "node$i" TERM 10; done; halt chain; }
do_kill() { [ $# -eq 2 ] || usage; D=$(cd "$1" && pwd); load; alive "$2" || die "no process $2 runs in $D"; halt "$2" KILL; }
do_buy() { [ $# -ge 3 ] || usage; D=$(cd "$1" && pwd); shift; load; buy "$@"; }
do_price() { [ $# -eq 2 ] || usage; D=$(cd "$1" && pwd); load; send "$(contract postage)" "0x91b7f5ed$(number "$2")" 0x493e0 > /dev/null; mine 6; }
do_mine() { [ $# -eq 2 ] || usage; D=$(cd "$1" && pwd); load; mine "$2"; }
main "$@"
