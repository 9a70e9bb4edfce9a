//go:build unix

package rig_test

import (
	"strings"
	"syscall"
	"testing"

	"github.com/paybell/paybell/internal/rig"
)

func TestAServerEndsWhenAsked(t *testing.T) {
	p := rig.Start(t, rig.Command{Name: "sleep", Args: []string{"1000"}})
	p.Pause()
	p.Resume()
	if err := p.Stop(syscall.SIGTERM); err == nil {
		t.Error("a server that a signal ended says that it ended well")
	}
	select {
	case <-p.Done():
	default:
		t.Error("a server that has ended does not say so")
	}
}

func TestAServerEndsWithItsTest(t *testing.T) {
	var p *rig.Process
	t.Run("test", func(t *testing.T) {
		p = rig.Start(t, rig.Command{Name: "sleep", Args: []string{"1000"}})
	})
	if err := syscall.Kill(p.Pid(), 0); err != syscall.ESRCH {
		t.Errorf("after its test the server is there: %v", err)
	}
}

func TestALogIsWhole(t *testing.T) {
	p := rig.Start(t, rig.Command{Name: "sh", Args: []string{"-c", "echo first; seq 100000; echo last"}})
	<-p.Done()
	if log := p.Log(); !strings.HasPrefix(log, "first\n") || !strings.HasSuffix(log, "\nlast\n") || len(log) < 500_000 {
		t.Errorf("of what was printed %d bytes are kept: %.20q …", len(log), log)
	}
}

func TestPostgresComesBackWithWhatItHad(t *testing.T) {
	p := rig.StartPostgres(t)
	p.Database("shop")
	p.SQL("shop", "CREATE TABLE a (n int); INSERT INTO a VALUES (1)")
	if err := p.StopFast(); err != nil {
		t.Errorf("a fast stop: %v", err)
	}
	p.SaveAs("backup")
	p.Restart()
	p.SQL("shop", "INSERT INTO a VALUES (2)")
	p.StopImmediate()
	p.Restart()
	if got := p.SQL("shop", "SELECT sum(n) FROM a"); got != "3" {
		t.Errorf("after a crash the rows add up to %s, not 3", got)
	}
	if got := p.SQL("shop", "SHOW fsync"); got != "on" {
		t.Errorf("fsync is %s", got)
	}
	p.StopFast()
	p.PutBack("backup")
	p.Restart()
	if got := p.SQL("shop", "SELECT sum(n) FROM a"); got != "1" {
		t.Errorf("after a backup was put back the rows add up to %s, not 1", got)
	}
}
