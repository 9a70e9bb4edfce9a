package sqlite

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// LongLog is after how many pages the log is folded.
const LongLog = longLog

// Writing lends the writer's connection to a test, between transactions.
func (s *Store) Writing(t *testing.T, use func(exec func(query string), read func(query string) string)) {
	t.Helper()
	w := <-s.writer
	defer func() { s.writer <- w }()
	use(func(query string) {
		if _, err := w.conn.ExecContext(context.Background(), query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}, func(query string) string {
		var v any
		if err := w.conn.QueryRowContext(context.Background(), query).Scan(&v); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		return fmt.Sprint(v)
	})
}

// Broken says whether a result code of SQLite breaks the ledger.
var Broken = broken

// Plans returns how SQLite would go about each statement there is.
func (s *Store) Plans(t *testing.T) (plans []string) {
	t.Helper()
	w := <-s.writer
	defer func() { s.writer <- w }()
	queries := slices.Concat(slices.Collect(maps.Values(w.queries())), slices.Collect(maps.Values(s.reads.queries())))
	for _, query := range queries {
		rows, err := w.conn.QueryContext(context.Background(), "EXPLAIN QUERY PLAN "+query, make([]any, strings.Count(query, "?"))...)
		if err != nil {
			t.Fatalf("explain %s: %v", query, err)
		}
		plan := query
		for rows.Next() {
			var id, parent, unused int
			var step string
			if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
				t.Fatal(err)
			}
			plan += "\n\t" + step
		}
		rows.Close()
		plans = append(plans, plan)
	}
	return plans
}

// ReaderWrites tries to write where only reading is allowed.
func (s *Store) ReaderWrites() error {
	_, err := s.read.Exec("UPDATE meta SET value = 'x' WHERE key = 'epoch'")
	return err
}
