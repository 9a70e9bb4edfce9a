package main

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// socketOptions are those of a listening socket. The sockets that it accepts
// inherit them, which saves five system calls for each.
var socketOptions = []struct{ level, name, value int }{
	{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
	{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(keepIdle / time.Second)},
	{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(keepInterval / time.Second)},
	{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepCount},
	{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout / time.Millisecond)},
	{unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer},
}

// listenConfig sets the options on the listening socket, and has package net set
// no others.
func listenConfig() net.ListenConfig {
	return net.ListenConfig{KeepAlive: -1, Control: setSocketOptions}
}

func setSocketOptions(_, _ string, raw syscall.RawConn) error {
	var err error
	controlErr := raw.Control(func(fd uintptr) {
		for _, o := range socketOptions {
			if err == nil {
				err = unix.SetsockoptInt(int(fd), o.level, o.name, o.value)
			}
		}
	})
	if controlErr != nil {
		return controlErr
	}
	return err
}
