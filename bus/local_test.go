package bus_test

import (
	"testing"

	"github.com/paybell/paybell/bus"
	"github.com/paybell/paybell/bus/bustest"
)

func TestLocal(t *testing.T) {
	local := &bus.Local{}
	bustest.Run(t, bustest.Bed{
		Join: func(*testing.T, bus.Observer) bustest.Bus { return local },
	})
}
