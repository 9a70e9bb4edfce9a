package bench

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Options say how much to measure. The zero value is the full size.
type Options struct {
	// Clients is how many wait at most. Scenarios that need fewer take a part of
	// them. 0 means 15,000.
	Clients int

	// SSEShare is the share of clients on event streams where there are both. 0
	// is none.
	SSEShare float64

	// Rates are the events a second of scenario latency, one after the other.
	// None means 500 and 2,000.
	Rates []int

	// Duration is how long each rate is measured; what else takes time takes a
	// part or a multiple of it. 0 means a minute.
	Duration time.Duration

	// Runs is how often each scenario is measured, each time on a fresh server.
	// The figures are the medians. Scenarios that prove what must hold, more than
	// they measure, run once. 0 means 1.
	Runs int

	// Only are the names of the scenarios to run. None means all that
	// [Scenarios] lists, but those that only their name calls.
	Only []string

	// Addresses is how many loopback addresses clients come from, each with its
	// own 28,000 ports. 0 means one for each 500 clients, and at least 4.
	Addresses int

	// Progress is told every second or so what goes on. nil: nobody is told.
	Progress func(text string)

	// patience is how long to wait for events that do not come, before they count
	// as lost. 0 means 30 s.
	patience time.Duration
}

func (o Options) withDefaults() Options {
	if o.Clients == 0 {
		o.Clients = 15_000
	}
	if len(o.Rates) == 0 {
		o.Rates = []int{500, 2_000}
	}
	if o.Duration == 0 {
		o.Duration = time.Minute
	}
	o.Runs = max(o.Runs, 1)
	if o.Addresses == 0 {
		o.Addresses = max(4, o.Clients/500)
	}
	if o.patience == 0 {
		o.patience = 30 * time.Second
	}
	return o
}

// Check says what is wrong with the options, if anything is.
func (o Options) Check() error {
	o = o.withDefaults()
	switch {
	case o.Clients < 10 || o.Clients > 1_000_000:
		return errors.New("clients are 10 to 1,000,000")
	case !(o.SSEShare >= 0 && o.SSEShare <= 1):
		return errors.New("the share of SSE is 0 to 1")
	case slices.ContainsFunc(o.Rates, func(rate int) bool { return rate < 1 || rate > 1_000_000 }):
		return errors.New("rates are 1 to 1,000,000 events a second")
	case o.Duration < 100*time.Millisecond || o.Duration > 10*time.Minute:
		return errors.New("the duration is 100ms to 10m: a client's token lives 15 minutes")
	case o.Runs > 100:
		return errors.New("there are at most 100 runs")
	case o.Addresses < 0 || o.Addresses > 60_000:
		return errors.New("addresses are 1 to 60,000")
	}
	for _, name := range o.Only {
		if !slices.ContainsFunc(Scenarios(), func(s Scenario) bool { return s.Name == name }) {
			var names []string
			for _, s := range Scenarios() {
				names = append(names, s.Name)
			}
			return fmt.Errorf("there is no scenario %q; there are %s", name, strings.Join(names, ", "))
		}
	}
	return nil
}

// A Scenario is one thing that is measured.
type Scenario struct {
	Name  string
	About string // a line for people

	once  bool          // it proves more than it measures
	least time.Duration // what --duration must be for it to make sense
	fresh bool          // only a subject that does what a Setup asks for
	own   bool          // only Paybell
	named bool          // only when it is asked for by name
}

// Scenarios are all there are, in the order in which they run.
func Scenarios() []Scenario {
	return []Scenario{
		{Name: "idle", About: "clients that wait: memory, goroutines, and what connecting costs"},
		{Name: "latency", About: "from webhook to screen, at steady rates"},
		{Name: "saturation", About: "events a second when there are always more"},
		{Name: "burst", About: "every order at once: the time to the last screen"},
		{Name: "slow", About: "clients that stop reading, and connections that never get to the point", once: true, own: true, least: 15 * time.Second},
		{Name: "drain", About: "a stop under load: who is told, and what is lost", once: true, own: true, fresh: true, least: 5 * time.Second},
		{Name: "descriptors", About: "more clients than a limit of 1,024 open files lets in", once: true, own: true, fresh: true, least: 10 * time.Second},
		{Name: "churn", About: "clients that come and go 300 times a second: what stays behind", once: true, own: true, least: 5 * time.Second},
		{Name: "night-peak", About: "a steady rate, slow providers, repeated webhooks, and phones that drop and come back", own: true, once: true, named: true},
	}
}
