package main

import (
	"context"
	"fmt"
	"net"
	"time"
)

// How long a connection may be dead before the kernel notices: a phone that went
// into a tunnel takes its connection with it.
const (
	// userTimeout is how long a peer may leave unacknowledged what was sent to it.
	// Heartbeats see to it that something is sent.
	userTimeout = 20 * time.Second

	// A connection on which nothing is sent is probed after keepIdle.
	keepIdle     = 15 * time.Second
	keepInterval = 5 * time.Second
	keepCount    = 3
)

// sendBuffer is how much the kernel takes for a client that does not read, which
// else grows to megabytes. Linux doubles it for its own needs.
const sendBuffer = 16 << 10

// listenAt listens on HOST:PORT for connections whose dead ends are noticed. As
// many may wait to be accepted as the system allows (net.core.somaxconn).
func listenAt(address string) (net.Listener, error) {
	config := listenConfig()
	return config.Listen(context.Background(), "tcp", address)
}

// listen opens the two listeners of a configuration.
func listen(c *config) (public, admin net.Listener, err error) {
	if public, err = listenAt(c.Listen); err != nil {
		return nil, nil, fmt.Errorf("%w; set listen, or PAYBELL_LISTEN, to a free HOST:PORT", err)
	}
	if admin, err = listenAt(c.Admin); err != nil {
		public.Close()
		return nil, nil, fmt.Errorf("%w; set admin, or PAYBELL_ADMIN, to a free HOST:PORT", err)
	}
	return public, admin, nil
}
