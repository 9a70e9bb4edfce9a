package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/paybell/paybell/order/ordertest"
	"github.com/paybell/paybell/order/sqlite"
)

func open(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	store, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return store
}

func TestSuite(t *testing.T) {
	ordertest.Suite(t, func(t *testing.T) (ordertest.Store, func() ordertest.Store) {
		path := filepath.Join(t.TempDir(), "paybell.db")
		store := open(t, path)
		return store, func() ordertest.Store {
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
			store = open(t, path)
			return store
		}
	})
}
