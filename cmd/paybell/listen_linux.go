package main

import "syscall"

// tcpUserTimeout is TCP_USER_TIMEOUT of linux/tcp.h (RFC 5482), which package
// syscall does not name.
const tcpUserTimeout = 18

// controlSocket prepares a listening socket. Those that it accepts inherit it.
func controlSocket(_, _ string, raw syscall.RawConn) error {
	var err error
	if controlErr := raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(userTimeout.Milliseconds()))
	}); controlErr != nil {
		return controlErr
	}
	return err
}
