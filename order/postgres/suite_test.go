package postgres_test

import (
	"fmt"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/paybell/paybell/internal/rig"
	"github.com/paybell/paybell/order/ordertest"
	"github.com/paybell/paybell/order/postgres"
)

var schemas atomic.Int64

// inSchema is a URL of a schema of its own, so that one database has room for
// many ledgers.
func inSchema(t testing.TB, base string) string {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", fmt.Sprint("ledger_", schemas.Add(1)))
	u.RawQuery = q.Encode()
	return u.String()
}

func open(t testing.TB, url string) *postgres.Store {
	t.Helper()
	store, err := postgres.Open(t.Context(), url, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func TestSuite(t *testing.T) {
	server := rig.StartPostgres(t)
	ordertest.Suite(t, func(t *testing.T) (ordertest.Store, func() ordertest.Store) {
		url := inSchema(t, server.URL("postgres"))
		store := open(t, url)
		return store, func() ordertest.Store {
			store.Close()
			store = open(t, url)
			return store
		}
	})
}
