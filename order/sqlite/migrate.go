package sqlite

import (
	"context"
	"database/sql"
	_ "embed"
	"fmt"
)

const (
	schemaVersion = 6
	oldestSchema  = 3 // that is brought forward
)

//go:embed schema.sql
var schema string

// migrations bring a ledger to the schema of a number from the one before it.
// Once released, one never changes.
var migrations = map[int]string{4: schema4, 5: schema5, 6: schema6}

//go:embed schema_4.sql
var schema4 string

//go:embed schema_5.sql
var schema5 string

//go:embed schema_6.sql
var schema6 string

// migrate brings a ledger of an older schema to this one, each step in one
// transaction. There is no way back: an older program refuses it from then on.
func migrate(ctx context.Context, conn *sql.Conn, version int) error {
	if version < oldestSchema || version > schemaVersion {
		return fmt.Errorf("%w: its schema is %d, this program's is %d", ErrVersion, version, schemaVersion)
	}
	for version++; version <= schemaVersion; version++ {
		step := fmt.Sprintf("BEGIN IMMEDIATE; %s UPDATE meta SET value = %d WHERE key = 'schema'; COMMIT", migrations[version], version)
		if _, err := conn.ExecContext(ctx, step); err != nil {
			return fmt.Errorf("bring it to schema %d: %w", version, err)
		}
	}
	return nil
}
