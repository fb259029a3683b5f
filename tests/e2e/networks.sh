# networks.sh: the four real networks that several tests put side by side. Sourced after lib.sh.
NETS="$ROOT/tests/networks"
ALL="ipfs storj sia swarm"
export SIA_SECTORS=${SIA_SECTORS:-500}

# need_networks NAME…: skips the test where one can't be installed; each is stopped at the end.
need_networks() {
  local name
  for name in "$@"; do
    "$NETS/$name.sh" install > "$T/install-$name" 2>&1 || skip "$name can't be installed here: $(tail -n 1 "$T/install-$name")"
    AT_END+=("$NETS/$name.sh stop $T/$name > /dev/null 2>&1")
  done
}
start() { # start NETWORK: brings back what is missing
  case $1 in
    ipfs) eval "$("$NETS/ipfs.sh" start "$T/ipfs" 1)" ;;
    *) eval "$("$NETS/$1.sh" start "$T/$1")" ;;
  esac
}
end() { # end NETWORK: as a lost machine
  case $1 in
    ipfs) "$NETS/ipfs.sh" kill "$T/ipfs" 0 ;;
    storj) "$NETS/storj.sh" kill "$T/storj" ;;
    sia) "$NETS/sia.sh" kill "$T/sia" renterd ;;
    swarm) "$NETS/swarm.sh" kill "$T/swarm" node0 ;;
  esac
}
# section NETWORK: its part of the configuration, each on a site of its own.
section() {
  case $1 in
    ipfs) printf '[network.ipfs]\napi = "%s"\nsite = "one"\nfind_timeout_seconds = 5\n' "$IPFS_API_0" ;;
    storj)
      printf '%s\n' "$S3_SECRET_KEY" > "$T/storj-secret"
      printf '[network.storj]\nendpoint = "%s"\nbucket = "plain"\naccess_key = "%s"\nsecret_key_file = "%s"\nsite = "two"\n' "$S3_ENDPOINT" "$S3_ACCESS_KEY" "$T/storj-secret" ;;
    sia)
      printf '%s\n' "$SIA_RENTERD_PASSWORD" > "$T/sia-password"
      printf '[network.sia]\napi = "%s"\npassword_file = "%s"\nmin_shards = 2\ntotal_shards = 3\nsite = "three"\n' "$SIA_RENTERD_URL" "$T/sia-password" ;;
    swarm) printf '[network.swarm]\napi = "%s"\nbatch = "%s"\nttl_min_hours = 1\nttl_warn_days = 1\nsite = "four"\n' "$SWARM_API_0" "$SWARM_BATCH" ;;
  esac
}
# Of a snapshot of `orders`, by its label.
holders() { hf list orders --json | jq -r --arg wanted "$1" '.[] | select(.label == $wanted) | .networks | sort | join(" ")'; }
state() { hf list orders --json | jq -r --arg wanted "$1" '.[] | select(.label == $wanted) | .state'; }
cold() { hf umount "$M"; rm -rf "$HOLDFAST_CACHE"; mount_repository "$M"; }
