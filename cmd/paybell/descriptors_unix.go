//go:build unix

package main

import (
	"math"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// descriptorLimit returns how many descriptors the process may open, 0 where that
// is not known. Package syscall has raised the soft limit to the hard one by now.
func descriptorLimit() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(min(uint64(limit.Cur), math.MaxInt32))
}

// pending waits until a connection can be accepted, and says whether one can.
// It needs no descriptor, as accepting does.
func pending(l *net.TCPListener, wait time.Duration) bool {
	raw, err := l.SyscallConn()
	if err != nil {
		return false
	}
	ready := 0
	raw.Control(func(fd uintptr) {
		ready, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(wait.Milliseconds()))
	})
	return ready > 0
}
