package udp

import (
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// waiter is what a shard sleeps on until a datagram arrives, a deadline passes or somebody wakes it.
//
// The runtime does not watch the socket itself: it would wake an idle thread for each datagram that arrives
// while the shard is busy sending. It watches an epoll set of our own, in which the socket is reported once
// each time the shard goes to sleep.
type waiter struct {
	// A file: a connection of package net allocates an error for each wait that a deadline ends, and that is
	// how every post wakes the shard.
	set   *os.File
	raw   syscall.RawConn
	epfd  int
	fd    int // the socket
	slept bool
	event unix.EpollEvent
	wait  func(uintptr) bool
}

func newWaiter(fd int) (*waiter, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(epfd, true); err != nil { // what makes os.NewFile give it to the runtime's poller
		unix.Close(epfd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	w := &waiter{set: os.NewFile(uintptr(epfd), "epoll"), epfd: epfd, fd: fd}
	if err = w.set.SetReadDeadline(time.Time{}); err == nil { // an error if the poller did not take it
		w.raw, err = w.set.SyscallConn()
	}
	if err == nil {
		err = os.NewSyscallError("epoll_ctl", unix.EpollCtl(epfd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{}))
	}
	if err != nil {
		w.set.Close()
		return nil, err
	}
	w.wait = w.once
	return w, nil
}

// sleep returns when a datagram is there, or with the error of the deadline.
func (w *waiter) sleep() error {
	w.slept = false
	err := w.raw.Read(w.wait)
	if err != nil {
		w.arm(0)
	}
	// Taking the report out of the set is what makes the next one possible.
	unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(w.epfd), uintptr(unsafe.Pointer(&w.event)), 1, 0, 0, 0)
	return err
}

// once is called before the wait and after it.
func (w *waiter) once(uintptr) (done bool) {
	if w.slept {
		return true
	}
	w.slept = true
	w.arm(unix.EPOLLIN | unix.EPOLLONESHOT)
	return false
}

func (w *waiter) arm(events uint32) {
	w.event.Events = events
	unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(w.epfd), unix.EPOLL_CTL_MOD, uintptr(w.fd), uintptr(unsafe.Pointer(&w.event)), 0, 0)
}

func (w *waiter) setDeadline(t time.Time) { w.set.SetReadDeadline(t) }

// stuckAfter is how long a shard waits for room to send. Less would lose packets where the uplink is slow: half of a
// usual buffer is sent in 50 ms with 10 Mbit/s.
const stuckAfter = 100 * time.Millisecond

// writable waits until the socket has room to send; it is false if there was none in stuckAfter.
func (w *waiter) writable() bool {
	fds := [1]unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLOUT}}
	n, err := unix.Poll(fds[:], int(stuckAfter.Milliseconds()))
	return n > 0 || err != nil // EINTR
}
