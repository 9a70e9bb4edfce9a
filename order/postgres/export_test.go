package postgres

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Show returns a setting of the session that a store's calls have.
func (s *Store) Show(t *testing.T, setting string) (value string) {
	t.Helper()
	err := s.run(t.Context(), readTime, func(ctx context.Context, conn *pgxpool.Conn) error {
		return conn.QueryRow(ctx, "SELECT current_setting($1)", setting).Scan(&value)
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}
