package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/paybell/paybell/order"
)

func TestFullDiskRecovers(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("needs the right to mount a small file system: %v", err)
	}
	defer syscall.Unmount(dir, 0)
	store := open(t, filepath.Join(dir, "paybell.db"))
	defer store.Close()
	record(t, store, "e1")
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 2<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk ended with %v", err)
	}
	refusesFull(t, store, "e2")
	var err error
	for range 100 { // what is left of the log's last block
		if err = store.Update(t.Context(), func(order.Tx) error { return nil }); err != nil {
			break
		}
	}
	if err == nil || errors.Is(err, order.ErrBroken) {
		t.Errorf("an empty transaction on a full disk is %v", err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if fresh := record(t, store, "e1", "e2"); !slices.Equal(fresh, []bool{false, true}) {
		t.Errorf("after the disk was full, fresh is %v", fresh)
	}
}
