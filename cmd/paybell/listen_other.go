//go:build !linux

package main

import "syscall"

// controlSocket leaves dead peers to keepalive and write deadlines: other
// systems have no TCP_USER_TIMEOUT.
func controlSocket(string, string, syscall.RawConn) error { return nil }
