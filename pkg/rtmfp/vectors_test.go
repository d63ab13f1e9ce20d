package rtmfp

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"sync"
	"testing"
)

// hexBytes is a binary value of the vector files, written in hexadecimal.
type hexBytes []byte

func (h *hexBytes) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	v, err := hex.DecodeString(s)
	*h = v
	return err
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

type startupVector struct {
	What     string
	SID      hexBytes `json:"dest_session_id"`
	Plain    hexBytes `json:"rtmfp_plain"`
	Padded   hexBytes `json:"padded_plain"`
	Datagram hexBytes
}

type certificateVector struct {
	Name         string
	Hex          hexBytes
	Fingerprint  hexBytes
	CanonicalEPD hexBytes `json:"canonical_epd"`
}

type packetVector struct {
	From           string
	What           string
	SID            hexBytes `json:"dest_session_id"`
	Plain          hexBytes `json:"rtmfp_plain"`
	Datagram       hexBytes
	Decrypted      hexBytes
	ReplayAccepted bool    `json:"replay_accepted"`
	SSEQ           *uint64 `json:"sseq"`
}

type keyingVector struct {
	Name              string
	Group             uint64   `json:"dh_group"`
	InitiatorExponent hexBytes `json:"initiator_exponent"`
	ResponderExponent hexBytes `json:"responder_exponent"`
	InitiatorPublic   hexBytes `json:"initiator_public"`
	ResponderPublic   hexBytes `json:"responder_public"`
	InitiatorCert     hexBytes `json:"initiator_certificate"`
	InitiatorID       hexBytes `json:"initiator_fingerprint"`
	ResponderCert     hexBytes `json:"responder_certificate"`
	ResponderID       hexBytes `json:"responder_fingerprint"`
	SKIC, SKRC        hexBytes
	Secret            hexBytes `json:"shared_secret"`
	IRKey             hexBytes `json:"initiator_to_responder_key_full"`
	RIKey             hexBytes `json:"responder_to_initiator_key_full"`
	IRAES             hexBytes `json:"initiator_to_responder_aes_key"`
	RIAES             hexBytes `json:"responder_to_initiator_aes_key"`
	IRHMAC            hexBytes `json:"initiator_to_responder_hmac_key"`
	RIHMAC            hexBytes `json:"responder_to_initiator_hmac_key"`
	InitiatorNonce    hexBytes `json:"initiator_near_nonce"`
	ResponderNonce    hexBytes `json:"responder_near_nonce"`
	InitiatorHMAC     bool     `json:"initiator_sends_hmac"`
	ResponderHMAC     bool     `json:"responder_sends_hmac"`
	InitiatorHMACLen  int      `json:"initiator_hmac_length"`
	ResponderHMACLen  int      `json:"responder_hmac_length"`
	InitiatorSSEQ     bool     `json:"initiator_sends_sseq"`
	ResponderSSEQ     bool     `json:"responder_sends_sseq"`
	Packets           []packetVector
}

type transcriptChunk struct {
	Type    hexBytes
	Name    string
	Payload hexBytes
}

type transcriptDatagram struct {
	From      string
	Datagram  hexBytes
	SID       hexBytes `json:"dest_session_id"`
	SSEQ      *uint64
	Key       string
	Flags     hexBytes
	Timestamp *uint16
	Echo      *uint16 `json:"timestamp_echo"`
	Chunks    []transcriptChunk
}

type transcriptVector struct {
	Name           string
	ClientExponent hexBytes `json:"client_exponent"`
	ServerExponent hexBytes `json:"server_exponent"`
	ClientCert     hexBytes `json:"client_certificate"`
	ServerCert     hexBytes `json:"server_certificate"`
	ClientAES      hexBytes `json:"client_to_server_aes_key"`
	ServerAES      hexBytes `json:"server_to_client_aes_key"`
	ClientHMAC     hexBytes `json:"client_to_server_hmac_key"`
	ServerHMAC     hexBytes `json:"server_to_client_hmac_key"`
	Secret         hexBytes `json:"shared_secret"`
	SKIC, SKRC     hexBytes
	Datagrams      []transcriptDatagram
}

// vectorFile is testdata/vectors.json, produced by rtmfp-cpp (its meta.produced_by says how).
type vectorFile struct {
	VLU []struct {
		Value uint64 `json:",string"`
		Hex   hexBytes
	}
	Option []struct {
		Type   uint64
		Value  hexBytes
		Marker bool
		Hex    hexBytes
	}
	Checksum []struct {
		Data     hexBytes
		Checksum hexBytes
	}
	Address []struct {
		Address string
		Origin  Origin
		Hex     hexBytes
	}
	EPD []struct {
		Name string
		Hex  hexBytes
	}
	Selection []struct {
		Case  string
		EPD   hexBytes
		Owner bool `json:"selected_by_owner"`
		Far   bool `json:"selected_by_far"`
	} `json:"epd_selection"`
	Certificate []certificateVector
	Startup     []startupVector `json:"startup_packets"`
	Chunks      []struct {
		What string
		Hex  hexBytes
	}
	TC []struct {
		What string
		Hex  hexBytes
	} `json:"tc"`
	Keying      []keyingVector
	Transcripts []transcriptVector
	Glare       struct {
		A         hexBytes `json:"cert_a"`
		B         hexBytes `json:"cert_b"`
		ANearWins bool     `json:"a_near_wins"`
		BNearWins bool     `json:"b_near_wins"`
	}
}

// dialogueFile is testdata/librtmfp-dialogue.json: decrypted packets of librtmfp and MonaServer 1.x.
type dialogueFile struct {
	Packets []struct {
		Session string
		N       int
		From    string
		Hex     hexBytes
	}
}

var (
	loadVectors  = sync.OnceValue(func() *vectorFile { return loadJSON[vectorFile]("testdata/vectors.json") })
	loadDialogue = sync.OnceValue(func() *dialogueFile {
		return loadJSON[dialogueFile]("testdata/librtmfp-dialogue.json")
	})
)

func loadJSON[T any](path string) *T {
	b, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	v := new(T)
	if err := json.Unmarshal(b, v); err != nil {
		panic(path + ": " + err.Error())
	}
	return v
}

// bytesReader is a source of "random" bytes that are known beforehand.
type bytesReader struct {
	t testing.TB
	b []byte
}

func (r *bytesReader) Read(p []byte) (int, error) {
	if len(r.b) < len(p) {
		r.t.Fatalf("%d random bytes wanted, %d left", len(p), len(r.b))
	}
	n := copy(p, r.b)
	r.b = r.b[n:]
	return n, nil
}
