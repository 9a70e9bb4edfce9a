//go:build !linux

package park

import (
	"context"
	"net"
)

// A Lot is where connections are parked. There is none on this system.
type Lot struct{}

// New returns [ErrUnsupported].
func New() (*Lot, error) { return nil, ErrUnsupported }

// Run returns when ctx ends.
func (*Lot) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Close does nothing.
func (*Lot) Close() error { return nil }

// Park returns [ErrUnsupported].
func (*Lot) Park(*Conn, net.Conn, Owner) error { return ErrUnsupported }

// A Conn is one parked connection. There is none on this system.
type Conn struct{}

// Listen returns [ErrClosed].
func (*Conn) Listen() error { return ErrClosed }

// Write returns [ErrClosed].
func (*Conn) Write([]byte) error { return ErrClosed }

// Full says no.
func (*Conn) Full() bool { return false }

// CloseWrite returns [ErrClosed].
func (*Conn) CloseWrite() error { return ErrClosed }

// Close does nothing.
func (*Conn) Close() {}
