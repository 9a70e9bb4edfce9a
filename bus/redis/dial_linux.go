package redis

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// giveUpDead has the kernel close a connection whose data nobody acknowledges, as
// keepalive does only for one on which nothing is sent.
func giveUpDead(_, _ string, c syscall.RawConn) (err error) {
	if e := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(deadTimeout.Milliseconds()))
	}); e != nil {
		return e
	}
	return err
}
