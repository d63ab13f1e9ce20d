package rtmfp

import "net/netip"

// Batch collects the datagrams of Poll in buffers of its own, which it reuses.
type Batch struct {
	packets []Datagram
	n       int
}

// Datagram is one datagram to send. Data is valid until the batch is reset.
type Datagram struct {
	To    netip.AddrPort
	Local Local // where it leaves from
	Data  []byte
}

// datagramRoom is the capacity of a batch buffer; startup packets may grow beyond it.
const datagramRoom = 1280

// NewBatch returns a batch of up to n datagrams.
func NewBatch(n int) *Batch {
	b := &Batch{packets: make([]Datagram, n)}
	mem := make([]byte, n*datagramRoom)
	for i := range b.packets {
		b.packets[i].Data = mem[i*datagramRoom : i*datagramRoom : (i+1)*datagramRoom]
	}
	return b
}

// Full reports whether no datagram fits any more.
func (b *Batch) Full() bool { return b.n == len(b.packets) }

// Datagrams returns what was collected.
func (b *Batch) Datagrams() []Datagram { return b.packets[:b.n] }

// Reset empties the batch.
func (b *Batch) Reset() { b.n = 0 }

func (b *Batch) next() []byte { return b.packets[b.n].Data[:0] }

func (b *Batch) commit(to netip.AddrPort, local Local, data []byte) {
	b.packets[b.n] = Datagram{to, local, data}
	b.n++
}
