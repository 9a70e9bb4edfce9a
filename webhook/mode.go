package webhook

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/paybell/paybell/order"
)

// A Modeless is a Provider whose webhooks do not say whether real money moves.
// The source's mode says it for them; without one they count as live.
type Modeless interface {
	// Modeless says whether this provider's events do not tell their mode.
	Modeless() bool
}

// settle gives events the mode of their source, or makes notes of those that say
// they are of the other one: test money must not move an order of a live shop,
// and the other way round. It says whether it made any.
//
// Such a note has an id of its own. Once the mode is mended, the event itself,
// sent again, still counts.
func settle(events []order.Event, mode order.Mode, p Provider) (foreign bool) {
	silent := false
	if m, ok := p.(Modeless); ok {
		silent = m.Modeless()
	}
	for i, e := range events {
		live := mode != order.Test
		switch {
		case e.Kind == order.KindNote: // it moves nothing; what is to be fetched says itself
		case silent:
			events[i].Livemode = live
		case mode != "" && e.Livemode != live:
			foreign = true
			events[i] = order.Event{
				ID: otherModeID(e.ID), Source: e.Source, Order: e.Order, Payment: e.Payment, Kind: order.KindNote,
				Status: e.Status, At: e.At, Livemode: e.Livemode, Type: e.Type,
			}
		}
	}
	return foreign
}

func otherModeID(id string) string {
	const mark = "#other-mode"
	if len(id)+len(mark) > order.MaxEventID {
		sum := sha256.Sum256([]byte(id))
		id = hex.EncodeToString(sum[:])
	}
	return id + mark
}
