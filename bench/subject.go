package bench

import "context"

// A Subject is something to measure: a kind of server, of which each scenario
// starts a fresh one.
type Subject struct {
	Name string // "paybell", "centrifugo"

	// Fresh says that Start makes a new server each time, as its Setup asks.
	// Paybell says that it is one, with Paybell's metrics. The scenarios that need
	// it are left out for others.
	Fresh, Paybell bool

	// Start starts a server and returns once it takes requests. It ends no
	// later than ctx does.
	Start func(ctx context.Context, how Setup) (*Server, error)
}

// A Setup is how a server is to be started. Only Paybell's own scenarios ask for
// anything; the zero value is how production runs it.
type Setup struct {
	CommitBatch int // how many writes may share a commit; 0: as usual
	Descriptors int // the limit on open files; 0: as high as may be
	DrainMillis int // the time that a stop takes to send clients away; 0: as usual
}

// A Server is a running server and how to speak to it.
type Server struct {
	Address  string    // HOST:PORT where clients wait
	Publish  string    // HOST:PORT where events are told; empty: Address
	Admin    string    // HOST:PORT with GET /metrics and /debug/pprof/ of a Go program; empty: none
	PIDs     []int     // the processes whose processor time and memory count, the one to stop first; none: unknown
	Dialects []Dialect // one for each wire at most
	Version  string    // may be empty
	Mode     string    // how it is set up, for people; may be empty

	// Stop ends the server and removes what it left behind.
	Stop func()

	// Complaints are the lines of the server's log that tell of errors. nil: it
	// has none to read.
	Complaints func() []string

	// Again starts another server over what this one stored, once this one has
	// ended. nil: it stores nothing.
	Again func(ctx context.Context) (*Server, error)

	// Ended is closed when the process has ended, whose exit code is then in
	// ExitCode; -1: a signal ended it. nil: nobody watches it.
	Ended    <-chan struct{}
	ExitCode func() int
}

// publish is where events are told.
func (s *Server) publish() string {
	if s.Publish != "" {
		return s.Publish
	}
	return s.Address
}

// dialect returns the dialect of a wire, or nil.
func (s *Server) dialect(w Wire) Dialect {
	for _, d := range s.Dialects {
		if d.Wire() == w {
			return d
		}
	}
	return nil
}
