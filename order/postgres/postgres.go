// Package postgres keeps a ledger in a PostgreSQL database, for any number of
// gateways.
//
// It promises that whatever Update has returned nil for is as durable as the
// database makes a commit with synchronous_commit=on, that each transaction is
// seen whole or not at all, and that in each shard the journal counts without
// holes in the order of the commits, whichever gateway they come from. Deciding
// what to store is package order's business.
//
// A database that cannot be reached breaks nothing: calls fail with
// [order.ErrUnavailable] until it is back.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Options tune a [Store]. The zero value is what production runs.
type Options struct {
	// NewEpoch begins a new incarnation of the ledger. It is for the first start
	// on a backup: clients may have seen versions that it does not have, and
	// under the old epoch they would take no others for new.
	NewEpoch bool
}

var (
	// ErrVersion means that a ledger was made for another version of Paybell.
	ErrVersion = errors.New("postgres: ledger of another version")
	// ErrUnfit means that the database is not set up so that it could keep a
	// ledger.
	ErrUnfit = errors.New("postgres: database cannot keep a ledger")
	// ErrClosed means that the store was closed.
	ErrClosed = errors.New("postgres: store is closed")
)

// A Store is an [order.Store], [order.Journal], [order.Due], [order.Revocations]
// and [order.Nodes] in a database. Many goroutines may use it at once, and many Stores the same database.
type Store struct {
	pool   *pgxpool.Pool
	config *pgx.ConnConfig // of its connections
	quick  lane            // what a node is lost without: all connections but one, which is left to writes
	slow   lane            // everything else: one connection less, where there are three
	epoch  atomic.Pointer[string]
	closed atomic.Bool
}

// Open opens the ledger in the database at a URL, and brings its tables up to
// date or makes them. Several gateways may do so at once. A role that may not write
// is refused. Errors wrap ErrVersion, ErrUnfit or ErrRefused where that is why, or
// [order.ErrUnavailable], after which another try may go better, and never show the
// password.
//
// In the URL may stand the parameters of libpq, such as sslmode, those of the pool,
// such as pool_max_conns, and settings of the session, such as search_path, which
// names the schema ("paybell" without).
func Open(ctx context.Context, url string, opts Options) (*Store, error) {
	s, err := open(ctx, url, opts)
	if err != nil {
		return nil, fmt.Errorf("open ledger %s: %w", Address(url), err)
	}
	return s, nil
}

func open(ctx context.Context, url string, opts Options) (*Store, error) {
	config, err := parse(url)
	if err != nil {
		return nil, fmt.Errorf("the URL %w", err)
	}
	if _, err := migrateAt(ctx, url, checkRights); err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, explain(config.ConnConfig, err)
	}
	quick := make(chan struct{}, config.MaxConns-1)
	s := &Store{pool: pool, config: config.ConnConfig, quick: lane{quick}, slow: lane{make(chan struct{}, max(1, config.MaxConns-2)), quick}}
	err = s.start(ctx, opts)
	if err != nil {
		pool.Close()
		return nil, err
	}
	return s, nil
}

func (s *Store) start(ctx context.Context, opts Options) error {
	if opts.NewEpoch {
		_, err := s.NewEpoch(ctx)
		return err
	}
	_, err := s.Heads(ctx)
	return err
}

// Epoch is the random id of this ledger's incarnation, as any call last read it.
// [Store.Heads] reads it anew.
func (s *Store) Epoch() string { return *s.epoch.Load() }

// learn remembers an epoch that was read.
func (s *Store) learn(epoch string) {
	if known := s.epoch.Load(); known == nil || *known != epoch {
		s.epoch.Store(&epoch)
	}
}

// NewEpoch begins a new incarnation of the ledger, for all gateways on it, and
// returns its id. Commits that are under way come before it.
func (s *Store) NewEpoch(ctx context.Context) (string, error) {
	epoch := newEpoch()
	err := s.run(ctx, writeTime, func(ctx context.Context, conn *pgxpool.Conn) error {
		return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
			// A commit reads the epoch once it has locked the heads.
			if _, err := tx.Exec(ctx, `SELECT FROM shard_heads ORDER BY shard FOR UPDATE`); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `UPDATE meta SET value = $1 WHERE key = 'epoch'`, epoch)
			return err
		})
	})
	if err != nil {
		return "", fmt.Errorf("postgres: begin a new epoch: %w", err)
	}
	s.learn(epoch)
	return epoch, nil
}

// Shrink gives back nothing, because a Store keeps nothing: its caches are the
// database's. Connections that nobody needs any more are closed by the pool.
func (s *Store) Shrink(context.Context) error { return nil }

// Close waits for what is under way, refuses later calls and closes the
// connections.
func (s *Store) Close() error {
	s.closed.Store(true)
	s.pool.Close()
	return nil
}
