package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/order/ordertest"
	"github.com/paybell/paybell/order/sqlite"
)

var _ order.Fetches = (*sqlite.Store)(nil)

func TestFetches(t *testing.T) {
	ordertest.Fetches(t, func(t *testing.T) (ordertest.Store, func() ordertest.Store) {
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
