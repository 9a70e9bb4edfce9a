package main

import (
	"fmt"
	"log/slog"
)

// How descriptors are shared out where nobody says.
const (
	ownDescriptors = 64 // the ledger's files, listeners, the operator, key sets; about 20 are in use
	minDescriptors = 2 * ownDescriptors
	minReserved    = 256
	maxReserved    = 2048
	maxConnections = 100_000 // for the memory's sake
)

// A budget shares out the descriptors that the process may open: to itself, to
// clients that wait, and to everything that comes and goes, webhooks above all.
// Clients that wait stay for minutes and come in crowds; without a reserve they
// would take the last descriptor, and no webhook could say that they are done.
type budget struct {
	limit       int // of descriptors; 0: not known
	connections int // as in hub.Limits
	reserve     int
}

// shareOut makes a budget of a limit, which is 0 where it is not known. What was
// asked for and does not fit is lowered, with a warning, because a gateway that
// does not start takes no webhooks, and one with fewer clients does.
func shareOut(limit int, asked limitsConfig, log *slog.Logger) (budget, error) {
	b := budget{limit: limit, connections: asked.Connections, reserve: asked.Reserve}
	if limit == 0 {
		if b.reserve == 0 {
			b.reserve = maxReserved
		}
		return b, nil
	}
	if limit < minDescriptors {
		return b, fmt.Errorf("the process may open %d files, and needs %d at the least; raise it with ulimit -n, or LimitNOFILE= of systemd", limit, minDescriptors)
	}
	room := limit - ownDescriptors
	if b.reserve == 0 {
		b.reserve = usualReserve(limit)
	}
	if b.reserve > room/2 {
		warnLowered(log, "limits.reserve", b.reserve, room/2, 2*b.reserve+ownDescriptors)
		b.reserve = room / 2
	}
	fits := room - b.reserve
	switch {
	case asked.Connections == 0:
		b.connections = min(fits, maxConnections)
	case asked.Connections < 0:
		b.connections = fits
	case asked.Connections > fits:
		warnLowered(log, "limits.connections", asked.Connections, fits, limitFor(asked))
		b.connections = fits
	}
	return b, nil
}

// usualReserve is the reserve under a limit where nobody says.
func usualReserve(limit int) int {
	return min(max(minReserved, limit/8), maxReserved, limit/4)
}

// limitFor returns a limit into which what was asked for fits.
func limitFor(asked limitsConfig) int {
	if asked.Reserve > 0 {
		return ownDescriptors + max(asked.Connections, asked.Reserve) + asked.Reserve
	}
	limit := 0
	for limit-usualReserve(limit) < ownDescriptors+asked.Connections {
		limit = ownDescriptors + asked.Connections + usualReserve(limit)
	}
	return limit
}

func warnLowered(log *slog.Logger, key string, asked, lowered, needed int) {
	log.Warn(key+" does not fit into the process's limit of open files, and is lowered", "asked", asked, "lowered", lowered,
		"mend", fmt.Sprintf("raise the limit to %d or more, with ulimit -n, or LimitNOFILE= of systemd", needed))
}
