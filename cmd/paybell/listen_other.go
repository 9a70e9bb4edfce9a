//go:build !linux

package main

import "net"

// listenConfig leaves dead peers to keepalive and write deadlines: other systems
// have no TCP_USER_TIMEOUT, and their accepted sockets need not inherit options.
func listenConfig() net.ListenConfig {
	return net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: keepIdle, Interval: keepInterval, Count: keepCount,
	}}
}
