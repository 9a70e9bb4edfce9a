package sqlite_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paybell/paybell/order"
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

// TestEventsCountWhoeverSavesTheirOrder: the list of an order's events is
// written with its row, also when the transaction has no other reason to.
func TestEventsCountWhoeverSavesTheirOrder(t *testing.T) {
	store := open(t, filepath.Join(t.TempDir(), "paybell.db"))
	record(t, store, "e1")
	late := order.Event{Source: "shop", ID: "e2", Order: "A1", Payment: "p1", Kind: order.KindNote}
	var loaded []*order.Record
	for _, call := range []func(order.Tx) error{
		func(tx order.Tx) error {
			return tx.Insert(t.Context(), []*order.Delivery{{Callback: order.Callback{Source: "shop"}, Events: []order.Event{late}}})
		},
		func(tx order.Tx) error {
			r := &order.Record{Order: "A1", State: order.State{Order: "A1", Version: 2}, Changed: true}
			return tx.Save(t.Context(), []*order.Record{r}) // without having loaded it
		},
		func(tx order.Tx) (err error) {
			loaded, err = tx.Load(t.Context(), []string{"A1"})
			return err
		},
	} {
		if err := store.Update(t.Context(), call); err != nil {
			t.Fatal(err)
		}
	}
	if r := loaded[0]; len(r.Events) != 2 || r.State.Version != 2 {
		t.Errorf("the order has %d events and version %d", len(r.Events), r.State.Version)
	}
	timeline, err := store.Timeline(t.Context(), "A1")
	if err != nil || len(timeline.Callbacks) != 2 || len(timeline.Changes) != 2 {
		t.Errorf("the timeline is %+v, %v", timeline, err)
	}
}

// TestBodiesAreKept in the ledger, where no read of it costs their size.
func TestBodiesAreKept(t *testing.T) {
	store := open(t, filepath.Join(t.TempDir(), "paybell.db"))
	body := bytes.Repeat([]byte{0, 1, 0xff, '\'', '"'}, 50_000)
	for _, id := range []string{"e1", "e1", "e2"} {
		if _, err := insert(t.Context(), store, body, id); err != nil {
			t.Fatal(err)
		}
	}
	store.Writing(t, func(_ func(string), read func(string) string) {
		kept := strings.ToUpper(hex.EncodeToString(body))
		for callback, want := range []string{kept, "", kept} { // the second told nothing new
			if got := read(fmt.Sprint("SELECT coalesce(hex(body), '') FROM callbacks WHERE id = ", callback+1)); got != want {
				t.Errorf("callback %d has a body of %d bytes, want %d", callback+1, len(got)/2, len(want)/2)
			}
		}
	})
	timeline, err := store.Timeline(t.Context(), "A1")
	if err != nil || len(timeline.Callbacks) != 3 || timeline.Callbacks[0].Body != nil {
		t.Errorf("the timeline is %d callbacks, %v, or has a body", len(timeline.Callbacks), err)
	}
}
