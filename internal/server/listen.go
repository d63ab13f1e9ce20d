package server

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
)

// ListenError explains why a port could not be opened, in terms of the key that configures it (RTMFP.port) and of its
// network (UDP, TCP).
func ListenError(key, network string, addr netip.AddrPort, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s port %d is already in use on %s: stop the program that uses it or choose another port with %s (%w)",
			network, addr.Port(), addr.Addr(), key, err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s port %d needs privileges this process does not have: choose a port above 1023 with %s (%w)",
			network, addr.Port(), key, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s is not an address of this machine: see the host beside %s, or bind (%w)", addr.Addr(), key, err)
	}
	return fmt.Errorf("%s port %d on %s (%s): %w", network, addr.Port(), addr.Addr(), key, err)
}
