package qemu

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
	keeping "github.com/sluice-lb/sluice/pkg/appliance" // appliance is the booted machine here
)

// protocols are the sections of docs/protocols.md on one appliance.
type protocols struct {
	lab       *Lab
	client    *Netns // reaches the appliance
	admin     *Netns // asks the servers directly
	hosts     []serverHost
	api       *apiClient
	nfsClient []string // command line that starts nfs-cp
	pools     []*pool
	held      map[*websocket.Conn]string // connections that last, and their servers
}

// TestProtocols puts the examples of docs/protocols.md, as they are, on one
// appliance. Real clients speak with real servers through it: what they send and
// fetch arrives whole, and goes on doing so while one server of each pool is
// killed under load and comes back.
func TestProtocols(t *testing.T) {
	full(t)
	ctx := testContext(t, 15*time.Minute)
	p := &protocols{lab: newLab(t), nfsClient: ensureNFSClient(ctx, t)}
	var err error
	if p.client, err = p.lab.AddClient(); err != nil {
		t.Fatal(err)
	}
	if p.admin, err = p.lab.AddHost("admin", adminAddr); err != nil {
		t.Fatal(err)
	}
	servers := p.startServers(ctx, t)
	m := newSavedMachine(t, map[string]keeping.Files{})
	m.lab = p.lab
	m.boot(ctx, t)
	m.sh(ctx, t, "printf '"+webPassword+"\\n' | sluice password")
	p.api = openAPI(ctx, t, p.client)
	p.applyExamples(ctx, t)

	p.pools = []*pool{p.web(t), p.mail(t), p.redis(), p.mysql(), p.nfs(t), p.ssh(t), p.websocket()}
	for _, pool := range p.pools {
		pool.servers = servers[pool.section]
		for _, s := range pool.servers {
			p.awaitStatus(ctx, t, pool, s, "UP")
		}
	}
	for _, pool := range p.pools {
		t.Run("contents/"+pool.section, func(t *testing.T) { pool.contents(testContext(t, 3*time.Minute), t) })
	}
	if !t.Failed() {
		t.Run("killed servers", p.killServers)
	}
}

// applyExamples makes the blocks of docs/protocols.md the running configuration.
func (p *protocols) applyExamples(ctx context.Context, t *testing.T) {
	t.Helper()
	proxy, vips := exampleFiles(t)
	var running struct{ Files keeping.Files }
	p.api.call(ctx, t, "GET", "/config/running", nil, &running)
	running.Files["proxy.cfg"] = proxy
	running.Files["network/30-protocols.vip"] = vips
	var applied struct{ Outcome string }
	p.api.call(ctx, t, "POST", "/apply", map[string]any{"files": running.Files}, &applied)
	if applied.Outcome != string(keeping.Done) {
		t.Fatalf("the examples' apply ended with %q", applied.Outcome)
	}
}

// exampleFiles returns the examples of docs/protocols.md as files.
func exampleFiles(t *testing.T) (proxy, vips string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", "protocols.md"))
	if err != nil {
		t.Fatal(err)
	}
	for i, block := range strings.Split(string(text), "```\n") {
		switch {
		case i%2 == 0: // between the blocks
		case strings.HasPrefix(block, "[VIP]"):
			vips += block
		default:
			proxy += block
		}
	}
	return proxy, vips
}

// TestExamples sees that each section of docs/protocols.md has servers here, so
// that TestProtocols leaves none out.
func TestExamples(t *testing.T) {
	proxy, vips := exampleFiles(t)
	var documented []string
	for line := range strings.Lines(proxy) {
		words := strings.Fields(line)
		switch words[0] {
		case "listen":
			documented = append(documented, words[1])
		case "bind":
			addr, _, _ := strings.Cut(words[1], ":")
			if !strings.Contains(vips, "Address="+addr+"/32\n") {
				t.Errorf("%s has no line in the .vip file", addr)
			}
		}
	}
	served := []string{"websocket"}
	for section := range serverCommands {
		served = append(served, section)
	}
	slices.Sort(documented)
	slices.Sort(served)
	if diff := cmp.Diff(documented, served); diff != "" {
		t.Errorf("sections with servers (-documented +served):\n%s", diff)
	}
}
