package qemu

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"net/http"
	"os"
	"testing"

	"github.com/coder/websocket"
)

// echoServerEnv makes the test binary a WebSocket server of that name.
const echoServerEnv = "SLUICE_TEST_ECHO"

func TestMain(m *testing.M) {
	if name := os.Getenv(echoServerEnv); name != "" {
		fmt.Fprintln(os.Stderr, http.ListenAndServe(":8080", echoServer(name)))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// Limits of the messages, in bytes.
const (
	maxMessage   = 1 << 20
	smallMessage = 16 << 10
)

// echoServer sends each message back, after its name.
func echoServer(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		conn.SetReadLimit(maxMessage)
		err = conn.Write(r.Context(), websocket.MessageText, []byte(name))
		for err == nil {
			var kind websocket.MessageType
			var message []byte
			if kind, message, err = conn.Read(r.Context()); err == nil {
				err = conn.Write(r.Context(), kind, message)
			}
		}
	})
}

// dialEcho opens a WebSocket through the appliance and learns its server's name.
func (p *protocols) dialEcho(ctx context.Context) (*websocket.Conn, string, error) {
	transport := &http.Transport{DialContext: p.client.DialContext, DisableKeepAlives: true}
	conn, _, err := websocket.Dial(ctx, "ws://198.18.0.27:8080/", &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		return nil, "", err
	}
	conn.SetReadLimit(maxMessage)
	_, name, err := conn.Read(ctx)
	if err != nil {
		_ = conn.CloseNow()
	}
	return conn, string(name), err
}

// echo sends random messages and wants them back.
func echo(ctx context.Context, conn *websocket.Conn, messages, size int) error {
	for range messages {
		message := make([]byte, size)
		_, _ = rand.Read(message) // never fails
		if err := conn.Write(ctx, websocket.MessageBinary, message); err != nil {
			return fmt.Errorf("send message: %w", err)
		}
		kind, got, err := conn.Read(ctx)
		if err != nil {
			return fmt.Errorf("receive message: %w", err)
		}
		if kind != websocket.MessageBinary || !bytes.Equal(got, message) {
			return fmt.Errorf("a message of %d bytes came back as another one of %d", len(message), len(got))
		}
	}
	return nil
}

// websocket: an echo server and held connections. Those to the server that stays
// up live through the other one's death.
func (p *protocols) websocket() *pool {
	session := func(ctx context.Context, messages, size int) error {
		conn, _, err := p.dialEcho(ctx)
		if err != nil {
			return err
		}
		defer conn.CloseNow()
		if err := echo(ctx, conn, messages, size); err != nil {
			return err
		}
		return conn.Close(websocket.StatusNormalClosure, "")
	}
	return &pool{section: "websocket", spread: true,
		call: func(ctx context.Context, _ int) error { return session(ctx, 20, smallMessage) },
		contents: func(ctx context.Context, t *testing.T) {
			if err := session(ctx, 50, maxMessage); err != nil {
				t.Fatal(err)
			}
			p.holdEchoes(ctx, t)
		},
		background: p.heldEchoes,
	}
}

// heldConnections stay open while a server is killed.
const heldConnections = 10

// holdEchoes opens the connections that heldEchoes keeps busy.
func (p *protocols) holdEchoes(ctx context.Context, t *testing.T) {
	t.Helper()
	p.held = map[*websocket.Conn]string{}
	servers := map[string]int{}
	for range heldConnections {
		conn, name, err := p.dialEcho(ctx)
		if err != nil {
			t.Fatalf("open a connection to hold: %v", err)
		}
		p.held[conn] = name
		servers[name]++
	}
	if want := map[string]int{"websocket1": heldConnections / 2, "websocket2": heldConnections / 2}; !maps.Equal(servers, want) {
		t.Errorf("held connections by server: %v, want %v", servers, want)
	}
}

// heldEchoes keeps the held connections busy until ctx ends. All of those to one
// server have to break, and none of those to the other.
func (p *protocols) heldEchoes(ctx context.Context) error {
	broken := map[string]int{}
	var last error
	for ctx.Err() == nil {
		for conn, name := range p.held {
			echoCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callLimit)
			err := echo(echoCtx, conn, 1, 1024)
			cancel()
			if err != nil {
				last = err
				broken[name]++
				_ = conn.CloseNow()
				delete(p.held, conn)
			}
		}
	}
	for conn := range p.held {
		_ = conn.CloseNow()
	}
	for _, n := range broken {
		if len(broken) == 1 && n == heldConnections/2 {
			return nil
		}
	}
	return fmt.Errorf("held connections that broke, by server: %v, want the %d of the one that was killed; the last: %w", broken, heldConnections/2, last)
}
