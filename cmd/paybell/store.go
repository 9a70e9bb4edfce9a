package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/paybell/paybell/order/postgres"
	"github.com/paybell/paybell/order/sqlite"
)

// A ledger says where a ledger is: sqlite:PATH, or the URL of a PostgreSQL
// database. That may hold a password, and is shown without.
type ledger string

func (l ledger) String() string {
	switch {
	case postgres.IsURL(string(l)):
		return postgres.Address(string(l))
	case l.path() == "":
		return mask
	}
	return string(l)
}

func (l ledger) GoString() string             { return strconv.Quote(l.String()) }
func (l ledger) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// path is where the SQLite file is, "" for a database.
func (l ledger) path() string {
	if path, ok := strings.CutPrefix(string(l), "sqlite:"); ok {
		return path
	}
	return ""
}

// check says what is wrong with l, without showing it.
func (l ledger) check() error {
	switch {
	case postgres.IsURL(string(l)):
		if err := postgres.Check(string(l)); err != nil {
			return err
		}
	case l.path() == "":
		return errors.New("is neither sqlite:PATH, such as sqlite:/var/lib/paybell/paybell.db, nor postgres://USER@HOST/DATABASE")
	}
	return nil
}

// An openStore is a store with all that the program does with one.
type openStore interface {
	store
	Close() error
}

// openLedger opens a ledger of either kind, and makes it if it is not there. A
// new epoch is for the first start on a backup.
func openLedger(ctx context.Context, l ledger, newEpoch bool) (openStore, error) {
	if path := l.path(); path != "" {
		st, err := sqlite.Open(ctx, path, sqlite.Options{NewEpoch: newEpoch})
		if err != nil {
			return nil, mendFile(l, err) // not st: a nil pointer in an interface is not nil
		}
		return st, nil
	}
	st, err := postgres.Open(ctx, string(l), postgres.Options{NewEpoch: newEpoch})
	if err != nil {
		return nil, err
	}
	return st, nil
}

// mendFile adds what can be done to an error of opening a SQLite ledger.
func mendFile(l ledger, err error) error {
	switch {
	case errors.Is(err, sqlite.ErrInUse):
		return fmt.Errorf("%w: stop the gateway first", err)
	case errors.Is(err, sqlite.ErrMoved):
		return fmt.Errorf("%w, and goes on there; 'paybell ledger new-epoch --ledger %s' brings this file back, without what the other was told since", err, l)
	}
	return err
}
