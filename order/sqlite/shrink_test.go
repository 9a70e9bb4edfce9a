package sqlite

import (
	"context"
	"path/filepath"
	"testing"
	"time"
)

// Shrinking waits for no long read, and keeps nobody waiting for it.
func TestShrinkingLeavesReadersAlone(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "paybell.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Shrink(t.Context()); err != nil {
		t.Fatal(err)
	}
	long, err := s.read.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer long.Close()
	if err := s.Shrink(t.Context()); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := s.States(ctx, []string{"o"}); err != nil {
		t.Error(err)
	}
}
