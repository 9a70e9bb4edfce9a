package main

import (
	"context"
	"fmt"
	"net"
	"time"
)

// userTimeout is how long the kernel waits for a peer to acknowledge what was
// sent to it, before it gives the connection up: a phone that went into a tunnel
// takes its connection with it. Heartbeats see to it that something is sent.
const userTimeout = 30 * time.Second

// listenAt listens on HOST:PORT for connections whose dead ends are noticed.
func listenAt(address string) (net.Listener, error) {
	config := net.ListenConfig{
		Control:         controlSocket,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3},
	}
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
