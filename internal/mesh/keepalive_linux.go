package mesh

import (
	"net"
	"syscall"
	"time"
)

// watch makes the system give up a connection to a server that sends no pings, when it does not acknowledge
// or accept what is sent for some time. Keep-alive probes alone only find a machine that is gone while nothing
// waits to be sent.
func watch(c net.Conn) {
	const tcpUserTimeout = 18 // TCP_USER_TIMEOUT of tcp(7)
	t, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(deadAfter/time.Millisecond))
	})
}

const deadAfter = 15 * time.Second
