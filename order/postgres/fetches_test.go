package postgres_test

import (
	"testing"

	"github.com/paybell/paybell/internal/rig"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/order/ordertest"
	"github.com/paybell/paybell/order/postgres"
)

var _ order.Fetches = (*postgres.Store)(nil)

func TestFetches(t *testing.T) {
	server := rig.StartPostgres(t)
	ordertest.Fetches(t, func(t *testing.T) (ordertest.Store, func() ordertest.Store) {
		url := inSchema(t, server.URL("postgres"))
		store := open(t, url)
		return store, func() ordertest.Store {
			store.Close()
			store = open(t, url)
			return store
		}
	})
}
