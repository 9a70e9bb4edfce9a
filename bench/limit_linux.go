package bench

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// reserve is how many of a limit of open files are for other things than waiting
// clients: listeners, the ledger, and above all the provider's connections, which
// a server may keep room for.
func reserve(limit int) int { return min(max(600, limit/8), 2_048) }

// room raises this process's limit of open files, and with it that of servers
// that it starts, as far as it may, and returns how many clients fit.
func room(clients int) (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("bench: limit of open files: %w", err)
	}
	want := uint64(clients + reserve(2*clients))
	if limit.Max < want { // the superuser may, unless a container forbids it
		raised := unix.Rlimit{Cur: want, Max: want}
		if unix.Setrlimit(unix.RLIMIT_NOFILE, &raised) == nil {
			limit = raised
		}
	}
	limit.Cur = limit.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil { // explicitly, or servers would inherit the old limit
		return 0, fmt.Errorf("bench: limit of open files: %w", err)
	}
	return max(0, int(limit.Max)-reserve(int(limit.Max))), nil
}

// checkRoom says why so many clients cannot be opened, if they cannot.
func checkRoom(clients int) error {
	most, err := room(clients)
	if err != nil {
		return err
	}
	if clients > most {
		return fmt.Errorf("%d clients need as many open files and more, in this process and in the server; the limit has room for %d: raise it (ulimit -Hn), or ask for fewer with --clients", clients, most)
	}
	return nil
}
