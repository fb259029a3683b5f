// SPDX-License-Identifier: Apache-2.0

// Siaminer mines the private chain of tests/networks/sia.sh and is the peer that its daemons know each other by.
//
//	siaminer -dir DIR -p2p 127.0.0.1:PORT -http 127.0.0.1:PORT [-interval 30s]
//
// GET /tip answers the height; POST /mine?n=N&addr=ADDRESS mines N blocks for that address (by default for nobody).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"go.sia.tech/core/gateway"
	"go.sia.tech/core/types"
	"go.sia.tech/coreutils"
	"go.sia.tech/coreutils/chain"
	"go.sia.tech/coreutils/syncer"
)

// knownPeers remembers peers for this run and bans nobody.
type knownPeers struct {
	mu   sync.Mutex
	byAt map[string]syncer.PeerInfo
}

func (k *knownPeers) AddPeer(at string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, known := k.byAt[at]; !known {
		k.byAt[at] = syncer.PeerInfo{Address: at}
	}
	return nil
}

func (k *knownPeers) Peers() ([]syncer.PeerInfo, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := make([]syncer.PeerInfo, 0, len(k.byAt))
	for _, peer := range k.byAt {
		all = append(all, peer)
	}
	return all, nil
}

func (k *knownPeers) PeerInfo(at string) (syncer.PeerInfo, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	peer, known := k.byAt[at]
	if !known {
		return peer, syncer.ErrPeerNotFound
	}
	return peer, nil
}

func (k *knownPeers) UpdatePeerInfo(at string, change func(*syncer.PeerInfo)) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	peer, known := k.byAt[at]
	if !known {
		return syncer.ErrPeerNotFound
	}
	change(&peer)
	k.byAt[at] = peer
	return nil
}

func (k *knownPeers) Ban(string, time.Duration, string) error { return nil }
func (k *knownPeers) Banned(string) (bool, error)             { return false, nil }

type miner struct {
	mu    sync.Mutex
	chain *chain.Manager
	peers *syncer.Syncer
}

func (m *miner) mine(blocks int, reward types.Address) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for ; blocks > 0; blocks-- {
		block, found := coreutils.MineBlock(m.chain, reward, 10*time.Second)
		if !found {
			return errors.New("no nonce found in 10 seconds")
		}
		if err := m.chain.AddBlocks([]types.Block{block}); err != nil {
			return err
		}
		m.peers.BroadcastHeader(gateway.BlockHeader{
			ParentID: block.ParentID, Nonce: block.Nonce, Timestamp: block.Timestamp, MerkleRoot: block.MerkleRoot(),
		})
	}
	return nil
}

func (m *miner) mineEvery(interval time.Duration) {
	for range time.Tick(interval) {
		if err := m.mine(1, types.VoidAddress); err != nil {
			log.Println(err)
		}
	}
}

func (m *miner) serveMine(w http.ResponseWriter, r *http.Request) {
	blocks, reward := 1, types.VoidAddress
	var err error
	if n := r.FormValue("n"); n != "" {
		blocks, err = strconv.Atoi(n)
	}
	if address := r.FormValue("addr"); err == nil && address != "" {
		err = reward.UnmarshalText([]byte(address))
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := m.mine(blocks, reward); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	m.serveTip(w, r)
}

func (m *miner) serveTip(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintf(w, "{\"height\":%d,\"peers\":%d}\n", m.chain.Tip().Height, len(m.peers.Peers()))
}

func run(dir, p2p, web string, interval time.Duration) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	db, err := coreutils.OpenBoltChainDB(filepath.Join(dir, "chain.db"))
	if err != nil {
		return err
	}
	network, genesis := chain.TestnetZen()
	store, tip, err := chain.NewDBStore(db, network, genesis)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", p2p)
	if err != nil {
		return err
	}
	m := &miner{chain: chain.NewManager(store, tip)}
	header := gateway.Header{GenesisID: genesis.ID(), UniqueID: gateway.GenerateUniqueID(), NetAddress: listener.Addr().String()}
	m.peers = syncer.New(listener, m.chain, &knownPeers{byAt: map[string]syncer.PeerInfo{}}, header,
		syncer.WithPeerDiscoveryInterval(time.Second), syncer.WithSyncInterval(time.Second), syncer.WithMaxInboundPeers(64))
	go m.peers.Run(context.Background())
	if interval > 0 {
		go m.mineEvery(interval)
	}
	http.HandleFunc("GET /tip", m.serveTip)
	http.HandleFunc("POST /mine", m.serveMine)
	return http.ListenAndServe(web, nil)
}

func main() {
	dir := flag.String("dir", ".", "where the chain is kept")
	p2p := flag.String("p2p", "127.0.0.1:0", "address for peers")
	web := flag.String("http", "127.0.0.1:0", "address for tests")
	interval := flag.Duration("interval", 0, "mines a block every so often (0: only when told)")
	flag.Parse()
	log.Fatal(run(*dir, *p2p, *web, *interval))
}
