package server

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/amf"
)

// Calls of many clients reach the functions of their application through the whole server, results and
// errors come back, and a call that does not end is interrupted without keeping another application
// waiting for longer than its budget.
func TestCallIntoScript(t *testing.T) {
	d := startDaemonWith(t, map[string]string{
		"sums/main.lua": "function onConnection(client)\n function client:add(a, b) return a + b end\n function client:fail() error('no', 0) end\nend\n",
		"loop/main.lua": "function onConnection(client)\n function client:spin() while true do end end\nend\n",
	}, "[script]\nbudget = 200\n")
	spinner := dialPeerTo(t, d.addr, "loop")
	var clients []*peer
	for range 8 {
		clients = append(clients, dialPeerTo(t, d.addr, "sums"))
	}
	for i, c := range clients {
		r, _ := c.call("add", amf.Number(i), amf.Number(40))
		if r.Err != nil || r.Value() != amf.Value(amf.Number(i+40)) {
			t.Errorf("client %d: %v, %v", i, r.Value(), r.Err)
		}
	}
	r, _ := clients[0].call("fail")
	var refused *netconn.StatusError
	if !errors.As(r.Err, &refused) || refused.Description != "no" {
		t.Errorf("error of a function: %v", r.Err)
	}
	spun := make(chan string, 1)
	go func() {
		r, took := spinner.call("spin")
		spun <- fmt.Sprintf("%v after at least %v", r.Err, took.Truncate(100*time.Millisecond))
	}()
	if r, took := clients[1].call("add", amf.Number(1), amf.Number(1)); r.Err != nil || took > 5*time.Second {
		t.Errorf("another application: %v after %v", r.Err, took)
	}
	text := <-spun
	for _, p := range append(clients, spinner) {
		p.close()
	}
	if !strings.Contains(text, "interrupted") {
		t.Errorf("the endless call ended with %s", text)
	}
}
