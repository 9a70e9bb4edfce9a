package postgres

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/paybell/paybell/order"
)

// The migrations are applied by their numbers, each once and for good: a change
// of the tables is a new file. Each says its number first: 0002_more.sql.
//
//go:embed migrations/*.sql
var migrationFiles embed.FS

// A Migration is a step from one form of the tables to the next.
type Migration struct {
	Version int
	Name    string // of its file
	sql     string
}

// migrations are all that there are, by their numbers, which count from 1.
func migrations() []Migration {
	files, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		panic(err) // the pattern is bad
	}
	var all []Migration
	for _, file := range files { // sorted
		text, err := migrationFiles.ReadFile(file)
		if err != nil {
			panic(err) // it is in the program
		}
		name := strings.TrimPrefix(file, "migrations/")
		number, _, _ := strings.Cut(name, "_")
		if version, err := strconv.Atoi(number); err != nil || version != len(all)+1 {
			panic("postgres: migration " + name + " is out of line")
		}
		all = append(all, Migration{len(all) + 1, name, string(text)})
	}
	return all
}

// Migrate brings the tables of the ledger at a URL up to date, or makes them,
// and returns what it applied: all of it in one transaction, which one process at
// a time does. The other errors wrap what those of [Open] do.
func Migrate(ctx context.Context, url string) ([]Migration, error) {
	applied, err := migrateAt(ctx, url, nil)
	if err != nil {
		return nil, fmt.Errorf("open ledger %s: %w", Address(url), err)
	}
	return applied, nil
}

// migrateAt does it, and then has the ledger checked, unless check is nil.
func migrateAt(ctx context.Context, url string, check func(context.Context, *pgx.Conn, string) error) ([]Migration, error) {
	var applied []Migration
	err := alone(ctx, url, func(conn *pgx.Conn, schema string) error {
		version, err := readVersion(ctx, conn, schema)
		if err != nil {
			return err
		}
		if version < len(migrations()) {
			if applied, err = migrate(ctx, conn, schema); err != nil {
				return fmt.Errorf("bring the tables up to date: %w", err)
			}
		}
		if err := checkShards(ctx, conn); err != nil || check == nil {
			return err
		}
		return check(ctx, conn, schema)
	})
	return applied, err
}

// alone lends a connection that is nobody else's.
func alone(ctx context.Context, url string, use func(conn *pgx.Conn, schema string) error) error {
	config, err := parse(url)
	if err != nil {
		return fmt.Errorf("the URL %w", err)
	}
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return explain(config.ConnConfig, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err = prepareConn(ctx, conn); err == nil {
		err = use(conn, config.ConnConfig.RuntimeParams["search_path"])
	}
	return explain(config.ConnConfig, err)
}

// readVersion returns the number of the last migration that was applied, 0 for
// none. A number that this program does not know is ErrVersion.
func readVersion(ctx context.Context, conn queryer, schema string) (version int, err error) {
	var there bool
	if err := conn.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, schema+".migrations").Scan(&there); err != nil || !there {
		return 0, err
	}
	if err := conn.QueryRow(ctx, `SELECT coalesce(max(version), 0) FROM migrations`).Scan(&version); err != nil {
		return 0, err
	}
	if latest := len(migrations()); version > latest {
		return 0, fmt.Errorf("%w: its tables are of form %d, and this program knows them up to form %d: start a newer one", ErrVersion, version, latest)
	}
	return version, nil
}

type queryer interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func migrate(ctx context.Context, conn *pgx.Conn, schema string) (applied []Migration, err error) {
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		// Whoever comes second waits here for as long as it takes.
		if _, err := tx.Exec(ctx, `SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0`); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('paybell migrations of ' || $1, 0))`, schema); err != nil {
			return err
		}
		if err := makeSchema(ctx, tx, schema); err != nil {
			return err
		}
		version, err := readVersion(ctx, tx, schema)
		if err != nil {
			return err
		}
		for _, m := range migrations()[version:] {
			if _, err := tx.Exec(ctx, m.sql); err != nil {
				return fmt.Errorf("%s: %w", m.Name, err)
			}
			if _, err := tx.Exec(ctx, `INSERT INTO migrations (version, name) VALUES ($1, $2)`, m.Version, m.Name); err != nil {
				return err
			}
			applied = append(applied, m)
		}
		if version > 0 {
			return nil
		}
		_, err = tx.Exec(ctx, `INSERT INTO shard_heads SELECT shard, 0 FROM generate_series(0, $1::int - 1) shard`, order.Shards)
		if err == nil {
			_, err = tx.Exec(ctx, `UPDATE meta SET value = CASE key WHEN 'epoch' THEN $1 ELSE $2 END WHERE key IN ('epoch', 'shards')`,
				newEpoch(), strconv.Itoa(order.Shards))
		}
		return err
	})
	return applied, err
}

// makeSchema asks first, because whoever may not make a schema may not even try
// to make one that is there.
func makeSchema(ctx context.Context, tx pgx.Tx, schema string) error {
	var there bool
	err := tx.QueryRow(ctx, `SELECT to_regnamespace($1) IS NOT NULL`, schema).Scan(&there)
	if err == nil && !there {
		_, err = tx.Exec(ctx, `CREATE SCHEMA `+schema) // plain letters, see schemaName
	}
	if err == nil {
		_, err = tx.Exec(ctx, `CREATE TABLE IF NOT EXISTS migrations (
			version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`)
	}
	return err
}

func checkShards(ctx context.Context, conn *pgx.Conn) error {
	var shards string
	err := conn.QueryRow(ctx, `SELECT value FROM meta WHERE key = 'shards'`).Scan(&shards)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && shards != strconv.Itoa(order.Shards) {
		return fmt.Errorf("%w: it has %s shards, this program %d", ErrVersion, shards, order.Shards)
	}
	return err
}

func newEpoch() string {
	epoch := make([]byte, 16)
	rand.Read(epoch) // never fails
	return hex.EncodeToString(epoch)
}
