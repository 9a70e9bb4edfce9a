package order

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// A Kind says what an [Event] is about.
type Kind string

// The kinds of event there are.
const (
	// KindPayment is a step of one payment: Status is created, pending,
	// requires_action, authorized, paid, failed, canceled or expired.
	KindPayment Kind = "payment"
	// KindRefund is a step of one refund: Status is pending, refunded or failed.
	KindRefund Kind = "refund"
	// KindDispute is a step of one dispute: Status is disputed, won or lost.
	KindDispute Kind = "dispute"
	// KindOrder speaks of the whole order and not of one payment: Status is
	// canceled (the merchant withdrew it) or expired (its time ran out).
	KindOrder Kind = "order"
	// KindNote is a verified event that changes nothing for an order. It is
	// kept for the timeline.
	KindNote Kind = "note"
)

// Limits on what events and terms may hold. They are far above what providers send.
const (
	MaxIDLength   = 128      // order, payment and reference ids, in bytes
	MaxEventID    = 256      // event ids, which may be made of other ids
	MaxTextLength = 512      // reason; method is held to MaxIDLength
	MaxURLLength  = 2048     // action and return URLs
	MaxAmount     = 1e15 - 1 // minor units; a hundred of them still fit int64 with ease
)

// An Event is one provider-neutral fact, read out of a verified callback.
//
// Source and ID name it: two events with the same Source and ID are the same
// fact, however often it is told.
type Event struct {
	Source string `json:"source,omitempty"` // the configured account that told it
	ID     string `json:"id"`               // unique per source

	Order   string `json:"order,omitempty"`   // empty: found by Source and Payment
	Payment string `json:"payment,omitempty"` // the provider's id of the payment
	// Ref is the id of the capture, refund or dispute that is told of. With a
	// Ref, Amount is that part's own amount and the parts add up; without one,
	// Amount is the running total of the payment, and the highest total counts.
	Ref string `json:"ref,omitempty"`

	Kind   Kind   `json:"kind"`
	Status Status `json:"status,omitempty"`

	// Amount is in minor units by ISO 4217 (JPY 0, EUR 2, KWD 3 decimals).
	// An event with neither amount nor currency does not say how much: a paid
	// event then stands for all that the order asks for, and a refund for none.
	Amount   int64  `json:"amount,omitempty"`
	Currency string `json:"currency,omitempty"` // ISO 4217, upper case

	Method    string `json:"method,omitempty"`     // card, alipay, wechat_pay, apple_pay …
	Reason    string `json:"reason,omitempty"`     // why it failed, as a code
	ActionURL string `json:"action_url,omitempty"` // where the customer goes on

	At       time.Time `json:"at,omitzero"` // the provider's time; zero: not told
	Livemode bool      `json:"livemode"`
	Type     string    `json:"type,omitempty"` // the provider's own name for it
}

// Same says whether two events tell the same. Their times may differ by less
// than a microsecond, which stores do not keep.
func (e Event) Same(f Event) bool {
	sameTime := e.At.Truncate(time.Microsecond).Equal(f.At.Truncate(time.Microsecond))
	e.At, f.At = time.Time{}, time.Time{}
	return sameTime && e == f
}

// Check says what is wrong with an event's form, or nil. The ledger accepts
// only events that pass.
func (e Event) Check() error {
	switch {
	case e.Source == "":
		return errors.New("order: event without a source")
	case checkID(e.ID, MaxEventID) != nil:
		return fmt.Errorf("order: event id %w", checkID(e.ID, MaxEventID))
	case e.Order != "" && CheckID(e.Order) != nil:
		return fmt.Errorf("order: order id %w", CheckID(e.Order))
	case e.Payment != "" && CheckID(e.Payment) != nil:
		return fmt.Errorf("order: payment id %w", CheckID(e.Payment))
	case e.Ref != "" && CheckID(e.Ref) != nil:
		return fmt.Errorf("order: reference %w", CheckID(e.Ref))
	case e.Amount < 0 || e.Amount > MaxAmount:
		return fmt.Errorf("order: amount %d is outside 0 to %d", e.Amount, int64(MaxAmount))
	case e.Currency != "" && !IsCurrency(e.Currency):
		return errors.New("order: currency is not three capital letters")
	case e.Currency == "" && e.Amount != 0:
		return errors.New("order: amount without a currency")
	case len(e.Method) > MaxIDLength || len(e.Reason) > MaxTextLength || len(e.ActionURL) > MaxURLLength || len(e.Type) > MaxIDLength:
		return errors.New("order: method, reason, action URL or type is too long")
	case !utf8.ValidString(e.Method) || !utf8.ValidString(e.Reason) || !utf8.ValidString(e.ActionURL) || !utf8.ValidString(e.Type):
		return errors.New("order: text is not UTF-8")
	case !inJSONYears(e.At):
		return errors.New("order: time is outside the years 1 to 9999")
	case !e.known():
		return fmt.Errorf("order: kind %q cannot have status %q", e.Kind, e.Status)
	}
	return nil
}

func (e Event) known() bool {
	switch e.Kind {
	case KindPayment:
		_, ok := paymentRank[e.Status]
		return ok
	case KindRefund:
		return e.Status == Pending || e.Status == Refunded || e.Status == Failed
	case KindDispute:
		return e.Status == Disputed || e.Status == Won || e.Status == Lost
	case KindOrder:
		return e.Status == Canceled || e.Status == Expired
	case KindNote:
		return len(e.Status) <= MaxIDLength && utf8.ValidString(string(e.Status))
	}
	return false
}

// CheckID says what is wrong with an id, or nil. Ids are 1 to [MaxIDLength]
// printable ASCII characters without spaces; ".", ".." and "/" are refused
// because not every reader of a URL takes them for a path element.
func CheckID(id string) error { return checkID(id, MaxIDLength) }

func checkID(id string, longest int) error {
	if id == "" {
		return errors.New("is empty")
	}
	if len(id) > longest {
		return fmt.Errorf("is longer than %d bytes", longest)
	}
	if id == "." || id == ".." || id == "/" {
		return errors.New("is a path")
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return errors.New("has a character other than printable ASCII")
		}
	}
	return nil
}
