package webhooktest

import (
	"maps"
	"slices"
	"testing"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// An Adapter is what the tests of most providers consist of.
type Adapter struct {
	Case
	// Bodies are the golden cases by their names (see [Case.Recorded]).
	Bodies map[string]string
	// Statuses are those that the provider simulates (see [Simulations]).
	Statuses []order.Status
}

// Test runs the refusals that all providers share, the golden cases in testdata,
// and what the provider simulates.
func (a Adapter) Test(t *testing.T) {
	t.Run("suite", func(t *testing.T) { Suite(t, a.Case) })
	t.Run("golden", func(t *testing.T) { a.Recorded(t, "testdata", a.Bodies) })
	t.Run("simulations", func(t *testing.T) {
		p, ok := a.provider(t, a.Secrets[0]).(Simulating)
		if !ok || len(a.Statuses) == 0 {
			t.Fatal("nothing is simulated: use Suite and Recorded")
		}
		Simulations(t, p, a.Statuses...)
		a.SignsWithTheFirst(t, webhook.Simulation{
			ID: "evt-1", Order: "A1001", Payment: "pay-1", Status: a.Statuses[0], Amount: 9900, Currency: "EUR", Method: "card", Live: true,
		})
	})
}

// FuzzOpen runs [Case.Fuzz] from all golden cases.
func (a Adapter) FuzzOpen(f *testing.F) {
	var bodies []string
	for _, name := range slices.Sorted(maps.Keys(a.Bodies)) {
		bodies = append(bodies, a.Bodies[name])
	}
	a.Fuzz(f, bodies...)
}

// FuzzRead runs [Case.FuzzRead] from all golden cases.
func (a Adapter) FuzzRead(f *testing.F) { a.Case.FuzzRead(f, a.Bodies) }

// Build makes the New of a [Case] out of a provider's own, and of the options
// that have these secrets.
func Build[O any, P webhook.Provider](build func(O) (P, error), options func(secrets []string) O) func(secrets ...string) (webhook.Provider, error) {
	return func(secrets ...string) (webhook.Provider, error) {
		p, err := build(options(secrets))
		if err != nil {
			return nil, err
		}
		return p, nil
	}
}

// Must builds a provider, or ends the test.
func Must[O, P any](t testing.TB, build func(O) (P, error), options O) P {
	t.Helper()
	p, err := build(options)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
