package mesh

import (
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// directConn is a TCP connection that is read and written without telling the Go scheduler, which otherwise takes every
// system call for one that blocks and watches it from another thread. Where messages come one by one, waking that costs
// more than all that is done with them.
type directConn struct {
	*net.TCPConn
	raw syscall.RawConn

	in, out         transfer
	doRead, doWrite func(fd uintptr) bool // in.read and out.write, made once
}

// transfer is a system call and what came of it.
type transfer struct {
	b     []byte
	n     int
	errno syscall.Errno
}

// maxDirect bounds what one call moves: it must not keep other goroutines waiting.
const maxDirect = 64 << 10

// direct makes c direct, if it is a TCP connection. One goroutine may read and one may write.
func direct(c net.Conn) net.Conn {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return c
	}
	d := &directConn{TCPConn: t, raw: raw}
	d.doRead = func(fd uintptr) bool { return d.in.do(unix.SYS_READ, fd) }
	d.doWrite = func(fd uintptr) bool { return d.out.do(unix.SYS_WRITE, fd) }
	return d
}

// do is false if the connection is not ready.
func (t *transfer) do(call, fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(t.b))), uintptr(len(t.b)))
		if errno == syscall.EINTR {
			continue
		}
		t.n, t.errno = int(n), errno
		return errno != syscall.EAGAIN
	}
}

func (t *transfer) result(what string, err error) (int, error) {
	t.b = nil
	switch {
	case err != nil:
		return 0, err
	case t.errno != 0:
		return 0, os.NewSyscallError(what, t.errno)
	}
	return t.n, nil
}

func (d *directConn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	d.in.b = b[:min(len(b), maxDirect)]
	n, err := d.in.result("read", d.raw.Read(d.doRead))
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

func (d *directConn) Write(b []byte) (written int, err error) {
	for len(b) > 0 && err == nil {
		var n int
		d.out.b = b[:min(len(b), maxDirect)]
		n, err = d.out.result("write", d.raw.Write(d.doWrite))
		written += n
		b = b[n:]
	}
	return written, err
}
