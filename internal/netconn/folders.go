package netconn

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Folders is the App of a server without scripts: every folder below its root is an application in which
// everyone may publish and play, and which has no functions to call.
type Folders struct {
	root string
}

// NewFolders returns the App for the folders below root. The root folder itself is the root application.
func NewFolders(root string) *Folders { return &Folders{root: root} }

// Exists reports whether there is an application of that path, which must be clean as Conn.Path is.
func (f *Folders) Exists(path string) bool {
	if path == "" {
		return true
	}
	rel := strings.TrimPrefix(path, "/")
	if strings.IndexFunc(rel, func(r rune) bool { return r < ' ' }) >= 0 || !filepath.IsLocal(filepath.FromSlash(rel)) {
		return false
	}
	st, err := os.Stat(filepath.Join(f.root, filepath.FromSlash(rel)))
	return err == nil && st.IsDir()
}

// Connect implements App.
func (f *Folders) Connect(now rtmfp.Time, r *ConnectRequest) {
	path := r.Conn().Path()
	if !f.Exists(path) {
		r.Reject(now, CodeConnectInvalidApp, "Application "+path+" doesn't exist")
		return
	}
	r.Accept(now)
}

// Call implements App.
func (f *Folders) Call(now rtmfp.Time, r *CallRequest) { r.NotFound(now) }

// Publish implements App.
func (f *Folders) Publish(now rtmfp.Time, r *PublishRequest) { r.Accept(now) }

// Play implements App.
func (f *Folders) Play(now rtmfp.Time, r *PlayRequest) { r.Accept(now) }

// Unpublished implements App.
func (f *Folders) Unpublished(rtmfp.Time, *Stream) {}

// Stopped implements App.
func (f *Folders) Stopped(rtmfp.Time, *Stream) {}

// AddressChanged implements App.
func (f *Folders) AddressChanged(rtmfp.Time, *Conn, netip.AddrPort) {}

// Closed implements App.
func (f *Folders) Closed(rtmfp.Time, *Conn, error) {}

var _ App = (*Folders)(nil)
