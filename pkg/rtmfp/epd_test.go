package rtmfp

import (
	"bytes"
	"testing"
)

func TestEPDVectors(t *testing.T) {
	v := loadVectors().EPD
	fp := PeerID(loadVectors().Certificate[0].Fingerprint)
	if got := EPDForURI("rtmfp://media.example/live"); !bytes.Equal(got, v[0].Hex) {
		t.Errorf("%s: %x", v[0].Name, got)
	}
	if got := EPDForPeer(fp); !bytes.Equal(got, v[1].Hex) || len(got) != 34 {
		t.Errorf("%s: %x", v[1].Name, got)
	}
	for _, v := range v {
		e, err := ParseEPD(v.Hex)
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
		if e.HasPeer && e.Peer != fp || e.HasHostname && string(e.Hostname) != "media.example" ||
			e.HasAncillary && string(e.Ancillary) != "rtmfp://media.example/live" {
			t.Errorf("%s: %+v", v.Name, e)
		}
		if !e.HasPeer && !e.HasHostname && !e.HasAncillary {
			t.Errorf("%s: nothing found", v.Name)
		}
	}
}

func TestEPDSelection(t *testing.T) {
	certs := loadVectors().Certificate
	client, server, named := certs[0].Hex, certs[1].Hex, certs[2].Hex
	owners := map[string]hexBytes{
		"uri vs server": server, "uri vs client cert": client, "own fingerprint vs client": client,
		"foreign fingerprint vs server": server, "hostname vs named": named, "hostname vs unnamed": server,
		"wrong hostname + uri vs named": named, "matching fingerprint with wrong hostname": client,
		"empty epd": server, "unknown option only": server,
	}
	for _, v := range loadVectors().Selection {
		cert, err := parseCertificate(owners[v.Case])
		if err != nil {
			t.Fatalf("%s: %v", v.Case, err)
		}
		e, err := ParseEPD(v.EPD)
		if err != nil {
			t.Errorf("%s: %v", v.Case, err)
		}
		if got := e.selects(cert); got != v.Owner || got != v.Far {
			t.Errorf("%s: selected = %v, want %v", v.Case, got, v.Owner)
		}
	}
}

func TestEPDForms(t *testing.T) {
	for _, tt := range []struct {
		what, hex string
		want      string // ancillary data
		ok        bool
	}{
		{"librtmfp, path only", "050a6c697665", "live", true},
		{"librtmfp, no path", "010a", "", true},
		{"the last one wins", "020a61020a62", "b", true},
		{"nothing after a marker", "020a6100020a62", "a", true},
		{"truncated", "050a6c69", "", false},
		{"fingerprint too short", "020f61", "", false},
	} {
		e, err := ParseEPD(unhex(tt.hex))
		if (err == nil) != tt.ok || e.HasAncillary != tt.ok || string(e.Ancillary) != tt.want {
			t.Errorf("%s: %+v, %v", tt.what, e, err)
		}
	}
}

func TestParseEPDAllocs(t *testing.T) {
	b := loadVectors().EPD[3].Hex
	if n := testing.AllocsPerRun(100, func() { _, _ = ParseEPD(b) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzEPD(f *testing.F) {
	for _, v := range loadVectors().EPD {
		f.Add([]byte(v.Hex))
	}
	for _, v := range loadVectors().Selection {
		f.Add([]byte(v.EPD))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ParseEPD(b)
		if err != nil {
			return
		}
		var enc []byte
		if e.HasHostname {
			enc = appendOption(enc, epdOptionHostname, e.Hostname)
		}
		if e.HasAncillary {
			enc = appendOption(enc, epdOptionAncillary, e.Ancillary)
		}
		if e.HasPeer {
			enc = append(enc, EPDForPeer(e.Peer)...)
		}
		again, err := ParseEPD(enc)
		if err != nil || again.HasHostname != e.HasHostname || again.HasAncillary != e.HasAncillary ||
			again.HasPeer != e.HasPeer || again.Peer != e.Peer ||
			!bytes.Equal(again.Hostname, e.Hostname) || !bytes.Equal(again.Ancillary, e.Ancillary) {
			t.Fatalf("%+v became %+v, %v", e, again, err)
		}
	})
}
