// Package order holds what is true about orders: the events that were told of
// them, the state these amount to, and the ledger that keeps both.
//
// It promises that a recorded event is durable and counts once, that the same
// set of events ends in the same state whatever their order, and that an
// order's versions only rise. Proving who told an event is package webhook's
// business; showing a state to a customer is package hub's.
//
// It imports only the standard library, and every other package may import it.
package order

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"time"
	"unicode/utf8"
)

// A Status says how far an order, or one step of it, has come.
type Status string

// The statuses of an order.
const (
	Created           Status = "created"
	Pending           Status = "pending"
	RequiresAction    Status = "requires_action"
	Authorized        Status = "authorized"
	PartiallyPaid     Status = "partially_paid"
	Paid              Status = "paid"
	Failed            Status = "failed"
	Canceled          Status = "canceled"
	Expired           Status = "expired"
	PartiallyRefunded Status = "partially_refunded"
	Refunded          Status = "refunded"
	// Review means that money came which does not fit the order: another
	// currency, or test money on a live order. A person must look.
	Review Status = "review"
)

// The statuses of a dispute. They are never an order's status: a disputed
// order is paid, with its disputed flag up.
const (
	Disputed Status = "disputed"
	Won      Status = "won"
	Lost     Status = "lost"
)

// A Mode says whether real money moves.
type Mode string

// The modes. An empty mode is not decided yet.
const (
	Live Mode = "live"
	Test Mode = "test"
)

// Terms are what the merchant registered for an order. The zero value means
// that nobody has registered it.
type Terms struct {
	Amount    int64     `json:"amount,omitempty"`   // minor units expected
	Currency  string    `json:"currency,omitempty"` // empty: no amount is expected
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	Mode      Mode      `json:"mode,omitempty"`
	ReturnURL string    `json:"return_url,omitempty"` // where the customer goes when it is final
}

// Same says whether two registrations ask for the same.
func (t Terms) Same(u Terms) bool {
	return t.Amount == u.Amount && t.Currency == u.Currency && t.Mode == u.Mode &&
		t.ReturnURL == u.ReturnURL && t.ExpiresAt.Equal(u.ExpiresAt)
}

// Check says what is wrong with terms, or nil. The ledger registers only terms
// that pass.
func (t Terms) Check() error {
	switch {
	case t.Amount < 0 || t.Amount > MaxAmount:
		return fmt.Errorf("order: amount %d is outside 0 to %d", t.Amount, int64(MaxAmount))
	case t.Currency != "" && !IsCurrency(t.Currency):
		return errors.New("order: currency is not three capital letters")
	case t.Currency == "" && t.Amount != 0:
		return errors.New("order: amount without a currency")
	case t.Mode != "" && t.Mode != Live && t.Mode != Test:
		return errors.New("order: mode is neither live nor test")
	case !inJSONYears(t.ExpiresAt):
		return errors.New("order: expiry is outside the years 1 to 9999")
	case len(t.ReturnURL) > MaxURLLength:
		return fmt.Errorf("order: return URL is longer than %d bytes", MaxURLLength)
	case !utf8.ValidString(t.ReturnURL):
		return errors.New("order: return URL is not UTF-8")
	}
	return nil
}

// inJSONYears says whether JSON can carry a time, once it is in UTC (RFC 3339,
// section 1).
func inJSONYears(t time.Time) bool {
	year := t.UTC().Year()
	return year >= 1 && year <= 9999
}

// A State is what a client sees of an order. Its JSON form is the wire format
// of every transport.
type State struct {
	Order     string    `json:"order"`
	Version   int64     `json:"version"` // 0: nothing was heard of the order
	Epoch     string    `json:"epoch"`   // the ledger's incarnation
	Status    Status    `json:"status"`
	Final     bool      `json:"final"` // nothing more is expected while the customer waits
	Amount    int64     `json:"amount"`
	Currency  string    `json:"currency"`
	Paid      int64     `json:"paid"` // gross, in minor units
	Refunded  int64     `json:"refunded"`
	Disputed  bool      `json:"disputed"`
	Overpaid  bool      `json:"overpaid"`
	Method    string    `json:"method"`
	Reason    string    `json:"reason"`
	ActionURL string    `json:"action_url"`
	Livemode  bool      `json:"livemode"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Unknown is the state of an order of which nothing was heard.
func Unknown(order, epoch string) State {
	return State{Order: order, Epoch: epoch, Status: Created, Livemode: true}
}

// SameAs says whether a client would see any difference between two states of
// an order besides position and time.
func (s State) SameAs(t State) bool {
	t.Version, t.Epoch, t.UpdatedAt = s.Version, s.Epoch, s.UpdatedAt
	return s == t
}

// Tag is the position of a state in its order's history: "<epoch>.<version>".
func (s State) Tag() string { return s.Epoch + "." + strconv.FormatInt(s.Version, 10) }

// MarshalJSON writes the wire form, in which an unknown text is null.
func (s State) MarshalJSON() ([]byte, error) {
	return s.AppendJSON(make([]byte, 0, 512)), nil // more than most states need
}

// AppendJSON appends the wire form to b.
func (s State) AppendJSON(b []byte) []byte {
	b = append(b, `{"order":`...)
	b = appendText(b, s.Order)
	b = append(b, `,"version":`...)
	b = strconv.AppendInt(b, s.Version, 10)
	b = append(b, `,"epoch":`...)
	b = appendText(b, s.Epoch)
	b = append(b, `,"status":`...)
	b = appendText(b, string(s.Status))
	b = append(b, `,"final":`...)
	b = strconv.AppendBool(b, s.Final)
	b = append(b, `,"amount":`...)
	b = strconv.AppendInt(b, s.Amount, 10)
	b = append(b, `,"currency":`...)
	b = appendTextOrNull(b, s.Currency)
	b = append(b, `,"paid":`...)
	b = strconv.AppendInt(b, s.Paid, 10)
	b = append(b, `,"refunded":`...)
	b = strconv.AppendInt(b, s.Refunded, 10)
	b = append(b, `,"disputed":`...)
	b = strconv.AppendBool(b, s.Disputed)
	b = append(b, `,"overpaid":`...)
	b = strconv.AppendBool(b, s.Overpaid)
	b = append(b, `,"method":`...)
	b = appendTextOrNull(b, s.Method)
	b = append(b, `,"reason":`...)
	b = appendTextOrNull(b, s.Reason)
	b = append(b, `,"action_url":`...)
	b = appendTextOrNull(b, s.ActionURL)
	b = append(b, `,"livemode":`...)
	b = strconv.AppendBool(b, s.Livemode)
	b = append(b, `,"updated_at":`...)
	if s.UpdatedAt.IsZero() {
		return append(b, "null}"...)
	}
	b = append(b, '"')
	b = s.UpdatedAt.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	return append(b, '"', '}')
}

func appendTextOrNull(b []byte, s string) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	return appendText(b, s)
}

// appendText writes plain ASCII as it is, which nearly every field is.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(s) // a string always marshals
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// Shards is how many journals a ledger keeps side by side. It is fixed when a
// ledger is made, because it decides where an order's changes are.
const Shards = 16

// ShardOf says in which journal an order's changes are: FNV-1a over its id,
// modulo [Shards].
func ShardOf(order string) int {
	h := fnv.New32a()
	h.Write([]byte(order))
	return int(h.Sum32() % Shards)
}

// A Change is one entry of the journal: an order's new state. In each shard
// Seq counts up by one without holes, in the order of the commits.
type Change struct {
	Shard int
	Seq   int64
	State State
}
