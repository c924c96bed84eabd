package loopback

import (
	"io"
	"net"
	"testing"
)

func TestFreeAddressCanBeServed(t *testing.T) {
	a, err := Free()
	if err != nil {
		t.Fatal(err)
	}
	b, err := Free()
	if err != nil || a.Addr() == b.Addr() {
		t.Errorf("two addresses: %s and %s, %v", a, b, err)
	}
	if c, err := net.Dial("tcp", a.String()); err == nil {
		_ = c.Close()
		t.Errorf("somebody listens at %s", a)
	}
	l, err := net.Listen("tcp", a.String())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		Serve(l, func(c net.Conn) { _, _ = io.WriteString(c, "hello") })
	}()
	for range 2 {
		c, err := net.Dial("tcp", a.String())
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(c); string(text) != "hello" || err != nil {
			t.Errorf("read %q, %v", text, err)
		}
		_ = c.Close()
	}
	_ = l.Close()
	<-done
}
