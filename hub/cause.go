package hub

import (
	"time"

	"github.com/paybell/paybell/internal/problem"
)

// A cause says why a connection ended.
type cause struct {
	name   string // for metrics, and the reason of a goodbye
	code   int    // the WebSocket close code (RFC 6455, section 7.4); 0: cut off without a word
	reason string // of the close frame
	retry  time.Duration
	mute   bool             // nothing that is due goes out before it
	answer *problem.Problem // where the client has heard nothing yet and can be answered so
	last   []byte           // frames that end with the close frame, where the library has made one
}

// after is a cause of which the library has told the client in frames of its own.
func (c cause) after(frames []byte) cause {
	c.last = frames
	if c.code == 0 {
		c.code = closeNormal
	}
	return c
}

// farewell says whether a WebSocket's client is told when to come again.
func (c cause) farewell() bool {
	return c.code == closeGoingAway || c.code == closeTooMany || c.code == closeTryAgain && c.retry > 0
}

// Codes of RFC 6455, section 7.4.1.
const (
	closeNormal       = 1000
	closeGoingAway    = 1001
	closeProtocol     = 1002
	closeInvalidData  = 1007
	closeTooBig       = 1009
	closeTryAgain     = 1013
	closeUnauthorized = 4401 // ours, as the next
	closeTooMany      = 4429
)

var (
	causeGone    = cause{name: "gone"}   // the client went
	causeCut     = cause{name: "cut"}    // we cut it
	causeSlow    = cause{name: "slow"}   // it did not take, or finish, a message in time
	causeNoise   = cause{name: "noise"}  // it talks where it is to listen
	causeWaited  = cause{name: "waited"} // a long poll had its answer, or waited long enough
	causeExpired = cause{name: "token_expired", code: closeUnauthorized, reason: "token expired", retry: time.Second}

	causeBadMessage = cause{name: "bad_message", code: 4400, reason: "bad message"}
	causeNotUTF8    = cause{name: "bad_message", code: closeInvalidData, reason: "text is not UTF-8"}
	causeProtocol   = cause{name: "bad_message", code: closeProtocol, reason: "protocol error"}
	causeTooBig     = cause{name: "bad_message", code: closeTooBig, reason: "message too big"}
	causeDenied     = cause{name: "token_invalid", code: closeUnauthorized, reason: "token not valid"}
	causeNotYours   = cause{name: "not_your_order", code: 4403, reason: "not your order"}
	causeOtherOwner = cause{name: "not_your_order", code: 4403, reason: "token of another subject"}
	causeNoToken    = cause{name: "no_token", code: 4408, reason: "no token in time"}
	causeNoLedger   = cause{name: "ledger_unavailable", code: closeTryAgain, reason: "ledger unavailable", answer: &unavailable}
)
