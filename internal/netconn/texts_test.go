package netconn

import (
	"fmt"
	"strings"
	"testing"
	"unsafe"
)

// Equal texts share memory, none shares it with the packet it came from, and what is kept is bounded.
func TestTexts(t *testing.T) {
	var x texts
	packet := []byte("flashVer")
	a := x.of(unsafe.String(&packet[0], len(packet)))
	copy(packet, "changed!")
	b := x.of(strings.Clone("flashVer"))
	if a != "flashVer" || unsafe.StringData(a) != unsafe.StringData(b) {
		t.Errorf("%q, %q", a, b)
	}
	for i := range 5000 {
		if s := fmt.Sprint(i); x.of(s) != s {
			t.Fatal(s)
		}
	}
	if long := strings.Repeat("x", maxTextSize+1); x.of(long) != long || x[long] != "" {
		t.Error("a long text")
	}
	if len(x) > maxTexts {
		t.Errorf("%d texts kept", len(x))
	}
}
