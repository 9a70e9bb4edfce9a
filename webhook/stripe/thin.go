package stripe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// Host is where Stripe's API is.
const Host = "api.stripe.com"

// A family is a kind of object that events of API version 2 tell of without
// showing it: where it is fetched, and which events mean something to an order.
type family struct {
	object string // what it calls itself
	path   string
	events string // what their types begin with; those of API version 1 after "v1."
	names  []string
}

// families are by the name that they have in a reference, which is short because
// a session's id is long.
var families = map[string]family{
	"pi": {"payment_intent", "payment_intents", "payment_intent.", []string{
		"created", "processing", "requires_action", "amount_capturable_updated", "succeeded", "payment_failed", "canceled",
	}},
	"cs": {"checkout.session", "checkout/sessions", "checkout.session.", []string{
		"completed", "async_payment_succeeded", "async_payment_failed", "expired",
	}},
	"ch": {"charge", "charges", "charge.", []string{"pending", "succeeded", "captured", "failed", "expired", "refunded"}},
	"re": {"refund", "refunds", "refund.", []string{"created", "updated", "failed"}},
	"dp": {"dispute", "disputes", "charge.dispute.", []string{"created", "updated", "closed", "funds_withdrawn", "funds_reinstated"}},
}

// A thin event is one of API version 2 about a payment: which object, and what
// became of it, when (docs.stripe.com/event-destinations).
type thin struct {
	family  string
	name    string
	live    bool
	at      time.Time
	account string // in whose name the object is fetched; may be empty
	id      string
}

var (
	objectID  = regexp.MustCompile(`^[a-z]{2,3}_[A-Za-z0-9_]{4,90}$`)
	accountID = regexp.MustCompile(`^acct_[A-Za-z0-9]{4,30}$`)
)

// readThin reads a verified event of API version 2. One that means something to
// an order becomes a note that its object must be fetched, if there is a key to
// fetch it with; all others are notes.
func (p *Provider) readThin(e order.Event, b strictjson.Object) (order.Event, error) {
	e.Livemode = b.Bool("livemode")
	at, timed := time.Parse(time.RFC3339, b.String("created"))
	if e.At = at.UTC(); timed != nil {
		e.At = time.Time{} // of a note, a time is no matter
	}
	t, ok := newsOf(e.Type)
	if t.account = b.String("context"); !ok || p.key == "" || p.account != "" && t.account != p.account {
		return e, nil
	}
	if t.account != "" && !accountID.MatchString(t.account) { // of an organization, whose keys are others
		return e, nil
	}
	t.id, t.live, t.at = b.String("related_object.id"), e.Livemode, e.At
	switch {
	case timed != nil:
		return e, errors.New("created is not a time")
	case !objectID.MatchString(t.id) || b.String("related_object.type") != families[t.family].object:
		return e, errors.New("related_object is none of the event's kind")
	case len(t.ref()) > order.MaxIDLength:
		return e, errors.New("related_object.id is too long")
	}
	if e.Ref, e.Status = t.ref(), order.ToFetch; t.family == "pi" {
		e.Payment = t.id
	}
	return e, nil
}

// newsOf says what an event of this type is about, if that means anything to an
// order.
func newsOf(typ string) (thin, bool) {
	typ, ok := strings.CutPrefix(typ, "v1.")
	if !ok {
		return thin{}, false
	}
	if typ == "charge.refund.updated" {
		typ = "refund.updated"
	}
	for key, f := range families {
		for _, name := range f.names {
			if typ == f.events+name {
				return thin{family: key, name: name}, true
			}
		}
	}
	return thin{}, false
}

// ref is all there is to know of an event for fetching what it is about, and
// reading it as of then.
func (t thin) ref() string {
	mode := map[bool]string{false: "t", true: "l"}[t.live]
	return strings.Join([]string{t.family, t.name, mode, strconv.FormatInt(t.at.UnixMilli(), 36), t.account, t.id}, ":")
}

func parseRef(ref string) (thin, error) {
	parts := strings.Split(ref, ":")
	if len(parts) != 6 {
		return thin{}, errors.New("not the reference of an event")
	}
	ms, err := strconv.ParseInt(parts[3], 36, 64)
	t := thin{parts[0], parts[1], parts[2] == "l", time.UnixMilli(ms).UTC(), parts[4], parts[5]}
	if err != nil || families[t.family].path == "" || !objectID.MatchString(t.id) || t.account != "" && !accountID.MatchString(t.account) {
		return thin{}, errors.New("not the reference of an event")
	}
	return t, nil
}

// Fetches implements [webhook.KeyedFetcher].
func (p *Provider) Fetches() bool { return p.key != "" }

// Fetch implements [webhook.Fetcher]. What an event was about is fetched as it
// stands now, and read as what the event said became of it then: amounts that
// grow meanwhile, as those of refunds, are taken for their highest anyway.
func (p *Provider) Fetch(ctx context.Context, ref string) ([]order.Event, []byte, error) {
	t, err := parseRef(ref)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", webhook.ErrUnreadable, err)
	}
	f := families[t.family]
	header := http.Header{"Authorization": {"Bearer " + p.key}}
	if t.account != "" {
		header.Set("Stripe-Context", t.account)
	}
	answer, err := p.client.Get(ctx, "https://"+Host+"/v1/"+f.path+"/"+t.id, header)
	if err != nil {
		return nil, nil, fmt.Errorf("stripe: fetch the %s: %w", f.object, err)
	}
	events, err := p.readFetched(t, answer)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", webhook.ErrUnreadable, err)
	}
	return events, answer, nil
}

func (p *Provider) readFetched(t thin, answer []byte) ([]order.Event, error) {
	o, err := strictjson.ParseObject(answer)
	if err != nil {
		return nil, err
	}
	f := families[t.family]
	if o.String("object") != f.object || o.String("id") != t.id {
		return nil, errors.New("the answer is about something else")
	}
	e := order.Event{ID: "thin:" + t.ref(), Type: f.events + t.name, Kind: order.KindNote, Livemode: t.live, At: t.at}
	events, err := p.read(e, strictjson.Object{"data": strictjson.Object{"object": o}})
	if err != nil {
		return nil, err
	}
	return tidied(events)
}
