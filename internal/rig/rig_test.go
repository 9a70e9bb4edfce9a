//go:build unix

package rig_test

import (
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
