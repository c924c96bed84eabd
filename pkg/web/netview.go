package web

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// network is what the pages use of netd's "show network json".
type network struct {
	Status   string    `json:"status"`
	Missing  []string  `json:"missing"`
	Problems []string  `json:"problems"`
	Failed   []string  `json:"failed"`
	Links    []netLink `json:"links"`
	DNS      []string  `json:"dns"`
	Domains  []string  `json:"domains"`
}

// netLink is one link with what is on it.
type netLink struct {
	Name    string `json:"name"`
	Driver  string `json:"driver"`
	MAC     string `json:"mac"`
	MTU     int    `json:"mtu"`
	Up      bool   `json:"up"`
	Carrier bool   `json:"carrier"`
	File    string `json:"file"`
	DHCP    *struct {
		State   string    `json:"state"`
		Expires time.Time `json:"expires"`
	} `json:"dhcp"`
	Addresses []struct {
		Address   string `json:"address"`
		Origin    string `json:"origin"`
		State     string `json:"state"`
		Announced int    `json:"announced"`
	} `json:"addresses"`
	Routes []struct {
		Route  string `json:"route"`
		Origin string `json:"origin"`
	} `json:"routes"`
}

// Details are the link's properties in words.
func (l netLink) Details() string {
	var out []string
	for _, text := range []string{l.Driver, l.MAC} {
		if text != "" {
			out = append(out, text)
		}
	}
	out = append(out, fmt.Sprintf("mtu %d", l.MTU), l.File)
	if l.DHCP != nil {
		text := "DHCP " + l.DHCP.State
		if !l.DHCP.Expires.IsZero() {
			text += " until " + stamp(l.DHCP.Expires)
		}
		out = append(out, text)
	}
	return strings.Join(out, " · ")
}

// networkJSON is netd's own answer.
func (s *Server) networkJSON(ctx context.Context) (json.RawMessage, error) {
	text, err := s.daemons.Net.Call(ctx, "show network json", nil)
	if err != nil {
		return nil, unavailable("netd", err)
	}
	if !json.Valid([]byte(text)) {
		return nil, unavailable("netd", fmt.Errorf("answer of \"show network json\" is no JSON: %.80q", text))
	}
	return json.RawMessage(text), nil
}

// network asks netd what is on the wire.
func (s *Server) network(ctx context.Context) (n network, err error) {
	text, err := s.networkJSON(ctx)
	if err != nil {
		return n, err
	}
	if err := json.Unmarshal(text, &n); err != nil {
		return n, unavailable("netd", err)
	}
	return n, nil
}

// vips lists the virtual addresses without their prefix lengths.
func (n network) vips() []string {
	var out []string
	for _, l := range n.Links {
		for _, a := range l.Addresses {
			if a.Origin == "vip" {
				addr, _, _ := strings.Cut(a.Address, "/")
				out = append(out, addr)
			}
		}
	}
	return out
}
