//go:build !linux

package bench

import (
	"context"
	"errors"
)

// Run measures a subject. Here it cannot.
func Run(context.Context, Subject, Options) (*Report, error) {
	return nil, errors.New("this works on Linux only: it watches its clients with epoll, and reads what a server uses from /proc")
}

// ListenerPIDs returns none: here it cannot tell who listens.
func ListenerPIDs(int) []int { return nil }
