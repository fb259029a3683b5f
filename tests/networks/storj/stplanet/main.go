// stplanet: a private Storj network (satellite + N storage nodes) in one process, from storj.io/storj/private/testplanet.
// usage: stplanet -db postgres://... -nodes 8 -rs 3/4/5/7 -dir D -http 127.0.0.1:P
// writes D/access (serialized access grant); GET /healthz, /nodes, /access; POST /node/stop?i=N
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"storj.io/common/memory"
	"storj.io/common/testcontext"
	"storj.io/storj/private/testplanet"
	"storj.io/storj/satellite"
	"storj.io/storj/satellite/satellitedb/satellitedbtest"
	"storj.io/storj/storagenode"
)

type tb struct {
	mu sync.Mutex
	c  []func()
}

func (t *tb) Name() string           { return "stplanet" }
func (t *tb) Helper()                {}
func (t *tb) Cleanup(f func())       { t.mu.Lock(); t.c = append(t.c, f); t.mu.Unlock() }
func (t *tb) Log(a ...interface{})   { log.Println(a...) }
func (t *tb) Error(a ...interface{}) { log.Println(append([]interface{}{"ERROR"}, a...)...) }
func (t *tb) Fatal(a ...interface{}) { log.Fatal(a...) }

func main() {
	db := flag.String("db", "", "postgres url")
	nodes := flag.Int("nodes", 8, "")
	rs := flag.String("rs", "3/4/5/7", "min/repair/success/total")
	dir := flag.String("dir", ".", "")
	addr := flag.String("http", "127.0.0.1:0", "")
	disk := flag.Int64("diskGB", 20, "allocated per node")
	flag.Parse()
	start := time.Now()
	var k, m, o, n int
	if _, err := fmt.Sscanf(*rs, "%d/%d/%d/%d", &k, &m, &o, &n); err != nil {
		log.Fatal(err)
	}
	os.MkdirAll(filepath.Join(*dir, "tmp"), 0700)
	os.Setenv("TMPDIR", filepath.Join(*dir, "tmp"))
	mails := filepath.Join(*dir, "mails")
	os.MkdirAll(mails, 0700)
	if err := os.WriteFile(filepath.Join(mails, "none.html"), []byte("<p></p>\n"), 0600); err != nil {
		log.Fatal(err)
	}
	zc := zap.NewProductionConfig()
	zc.Level = zap.NewAtomicLevelAt(zap.WarnLevel)
	zl, _ := zc.Build()
	parent, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	ctx := testcontext.NewWithContextAndTimeout(context.Background(), &tb{}, 10*365*24*time.Hour)
	d := satellitedbtest.Database{Name: "Postgres", URL: *db}
	planet, err := testplanet.NewCustom(ctx, zl, testplanet.Config{
		SatelliteCount: 1, StorageNodeCount: *nodes, UplinkCount: 1, Name: "stplanet",
		Reconfigure: testplanet.Reconfigure{
			Satellite: func(_ *zap.Logger, _ int, c *satellite.Config) {
				c.Metainfo.RS.Min, c.Metainfo.RS.Repair, c.Metainfo.RS.Success, c.Metainfo.RS.Total = k, m, o, n
				c.Metainfo.RateLimiter.Enabled = false
				// testplanet looks for these where its sources were when it was built. No mail is sent and no console is shown.
				c.Mail.TemplatePath, c.Console.StaticDir = mails, ""
			},
			StorageNode: func(_ int, c *storagenode.Config) {
				c.Storage.AllocatedDiskSpace = memory.Size(*disk) * memory.GB
				c.Storage2.Monitor.MinimumDiskSpace = 100 * memory.MB
			},
		},
	}, satellitedbtest.SatelliteDatabases{Name: "Postgres", MasterDB: d, MetabaseDB: d})
	if err != nil {
		log.Fatal(err)
	}
	planet.Start(ctx)
	access, err := planet.Uplinks[0].Access[planet.Satellites[0].ID()].Serialize()
	if err != nil {
		log.Fatal(err)
	}
	down := make([]bool, *nodes)
	var mu sync.Mutex
	http.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "ok") })
	http.HandleFunc("/access", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, access) })
	http.HandleFunc("/nodes", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		var l []map[string]any
		for i, s := range planet.StorageNodes {
			l = append(l, map[string]any{"i": i, "id": s.ID().String(), "addr": s.Addr(), "down": down[i]})
		}
		json.NewEncoder(w).Encode(l)
	})
	http.HandleFunc("/node/stop", func(w http.ResponseWriter, r *http.Request) {
		i, _ := strconv.Atoi(r.FormValue("i"))
		mu.Lock()
		defer mu.Unlock()
		if r.FormValue("update") != "" { // also mark it offline in the satellite
			err = planet.StopNodeAndUpdate(ctx, planet.StorageNodes[i])
		} else {
			err = planet.StopPeer(planet.StorageNodes[i])
		}
		if err != nil {
			http.Error(w, err.Error(), 500)
			return
		}
		down[i] = true
		fmt.Fprintln(w, "stopped", i)
	})
	if err := os.WriteFile(filepath.Join(*dir, "access"), []byte(access+"\n"), 0600); err != nil {
		log.Fatal(err)
	}
	go func() { log.Fatal(http.ListenAndServe(*addr, nil)) }()
	log.Printf("ready in %v: satellite %s nodes %d rs %s", time.Since(start).Round(time.Millisecond), planet.Satellites[0].NodeURL(), *nodes, *rs)
	<-parent.Done()
	log.Println("shutdown", planet.Shutdown())
}
