package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// shrinkTime is how long Shrink waits for connections that are in use. Meanwhile
// it holds on to the others, and readers wait.
const shrinkTime = 50 * time.Millisecond

// Shrink gives back the memory of pages that are cached: SQLite keeps all that it
// has ever had. It is for calm times, since what is read next is read from the file
// again. Where a connection is in use for longer than a moment, it leaves caches as
// they are.
func (s *Store) Shrink(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, shrinkTime)
	defer cancel()
	err := s.shrink(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

func (s *Store) shrink(ctx context.Context) error {
	const shrink = "PRAGMA shrink_memory"
	var errs []error
	for _, pool := range []*sql.DB{s.read, s.folder.db} {
		var conns []*sql.Conn // all at once, or one would be shrunk again and again
		for range pool.Stats().OpenConnections {
			conn, err := pool.Conn(ctx)
			if err != nil {
				errs = append(errs, err)
				break // those that there are will do
			}
			conns = append(conns, conn)
		}
		for _, conn := range conns {
			_, err := conn.ExecContext(ctx, shrink)
			errs = append(errs, err, conn.Close())
		}
	}
	select {
	case w, ok := <-s.writer:
		if ok {
			_, err := w.conn.ExecContext(ctx, shrink)
			errs = append(errs, err)
			s.writer <- w
		}
	case <-ctx.Done():
		errs = append(errs, context.Cause(ctx))
	}
	return errors.Join(errs...)
}
