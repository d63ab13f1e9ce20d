package server

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/monaserver/monaserver/internal/config"
	"github.com/monaserver/monaserver/internal/rendezvous"
	"github.com/monaserver/monaserver/internal/script"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// dataFile is where the persistent tables of applications are kept, below application.dir.
const dataFile = "data/data.db"

// newEngine makes what runs the Lua applications.
func (p *rtmfpPart) newEngine(env Env) (*script.Engine, error) {
	c := env.Config
	params, arguments := make(map[string]string), make(map[string]string)
	for name, value := range c.Public().All() {
		params[name] = value
		if option, ok := strings.CutPrefix(name, "arguments."); ok {
			arguments[option] = value
		}
	}
	dir := c.Application.Dir
	if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(dataFile)), 0o755); err != nil {
		return nil, err
	}
	return script.New(script.Config{
		WWW: filepath.Join(dir, "www"), Data: filepath.Join(dir, dataFile),
		Log: env.Log, Note: levelNote, Budget: c.Script.Budget,
		Hub: p.hub, Post: p.post, Now: p.now,
		Params: params, Environment: environment(), Arguments: arguments,
		Servers: &p.servers, Groups: p.groups, Bans: p.bans,
	})
}

func environment() map[string]string {
	m := make(map[string]string)
	for _, entry := range os.Environ() {
		if k, v, ok := strings.Cut(entry, "="); ok {
			m[k] = v
		}
	}
	return m
}

// hooks lets applications decide about hellos.
type hooks struct {
	engine *script.Engine
	self   netip.AddrPort // of this server, when it is known by address
}

func newHooks(e *script.Engine, c *config.Config) hooks {
	self, _ := netip.ParseAddrPort(c.PublicAddress().String())
	return hooks{engine: e, self: self}
}

// Decides implements rendezvous.Hooks.
func (h hooks) Decides(path string) bool { return h.engine.DecidesHandshakes(path) }

// Handshake implements rendezvous.Hooks.
func (h hooks) Handshake(r rendezvous.HandshakeRequest, answer func([]netip.AddrPort)) bool {
	h.engine.Handshake(script.HandshakeRequest{
		Protocol: "RTMFP", Address: r.Address, Path: r.Path, Query: r.Query, Attempts: r.Attempts, Self: h.self,
	}, answer)
	return true
}

// Unknown implements rendezvous.Hooks.
func (h hooks) Unknown(id rtmfp.PeerID, answer func([]netip.AddrPort)) bool {
	return h.engine.RendezvousUnknown("RTMFP", string(id[:]), answer)
}
