package braintree

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/webhooktest"
)

const (
	public      = "xbh5z9mq7k2w4n8t"
	private     = "9f2c4b7a1d3e5f60718293a4b5c6d7e8"
	opensslSays = "8bef952a773c8ed7d1923f4a3a19e9022a030125"
	other       = "0e8d7c6b5a493827160f5e3d1a7b4c2f"
)

var (
	now = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

	_ webhook.Provider   = (*Provider)(nil)
	_ webhook.Simulator  = (*Provider)(nil)
	_ webhook.MediaTyper = (*Provider)(nil)
	_ webhook.Modeless   = (*Provider)(nil)
	_ webhook.Challenger = (*Provider)(nil)
)

func newProvider(t testing.TB, private string) *Provider {
	t.Helper()
	p, err := New(Options{PublicKey: public, PrivateKey: private})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const sale = `<transaction><id>8kf2m3qp</id><type>sale</type><status>settled</status><order-id>A1001</order-id><amount>99.00</amount>` +
	`<currency-iso-code>EUR</currency-iso-code><payment-instrument-type>credit_card</payment-instrument-type></transaction>`

func TestForms(t *testing.T) {
	p := newProvider(t, private)
	webhooktest.Forms(t, p, p.request("transaction_settled", sale, now), "bt_signature", "bt_payload")
}

func TestForgeriesAreRefused(t *testing.T) {
	p := newProvider(t, private)
	genuine := p.request("transaction_settled", sale, now)
	if events, err := p.Open(genuine); err != nil || len(events) != 1 || events[0].Amount != 9900 {
		t.Fatalf("%v, %v", events, err)
	}
	form, err := url.ParseQuery(string(genuine.Body))
	if err != nil {
		t.Fatal(err)
	}
	with := func(name string, values ...string) string {
		changed := url.Values{name: values}
		for other := range form {
			if other != name {
				changed[other] = form[other]
			}
		}
		return changed.Encode()
	}
	payload, signature := form.Get("bt_payload"), form.Get("bt_signature")
	challenge := strings.Repeat("ab", 12)
	answered, _ := p.Challenge(url.Values{"bt_challenge": {challenge}})
	for name, body := range map[string]string{
		"another key":             string(newProvider(t, other).request("transaction_settled", sale, now).Body),
		"another payload":         with("bt_payload", base64.StdEncoding.EncodeToString([]byte(strings.Repeat("<a></a>", 20)))),
		"two payloads":            with("bt_payload", payload, payload),
		"no payload":              with("bt_payload"),
		"empty payload":           with("bt_payload", ""),
		"no base64":               with("bt_payload", payload+"!"),
		"two signatures":          with("bt_signature", signature, signature),
		"no signature":            with("bt_signature"),
		"another public key's":    with("bt_signature", strings.Replace(signature, public, "ybh5z9mq7k2w4n8t", 1)),
		"half a signature":        with("bt_signature", signature[:len(signature)-20]),
		"a signature of zeros":    with("bt_signature", public+"|"+strings.Repeat("0", 40)),
		"an answered challenge":   url.Values{"bt_signature": {string(answered)}, "bt_payload": {challenge}}.Encode(),
		"nothing":                 "",
		"JSON":                    `{"kind":"transaction_settled"}`,
		"two line ends were lost": with("bt_payload", strings.TrimRight(payload, "\n")[:len(payload)-2]),
	} {
		r := genuine
		r.Body = []byte(body)
		if events, err := p.Open(r); !errors.Is(err, webhook.ErrUnverified) || events != nil {
			t.Errorf("%s: %v, %v", name, events, err)
		}
	}
	lost := genuine
	lost.Body = []byte(with("bt_payload", strings.TrimSuffix(payload, "\n")))
	if _, err := p.Open(lost); err != nil {
		t.Errorf("the last line end was lost: %v", err)
	}
}

func TestWhatMakesNoSense(t *testing.T) {
	p := newProvider(t, private)
	for name, document := range map[string]string{
		"no XML": strings.Repeat("x", 100), "cut short": `<notification><kind>check</kind>` + strings.Repeat(" ", 64),
		"no kind":        `<notification><timestamp>2026-11-23T08:00:00Z</timestamp><subject></subject></notification>`,
		"no time":        `<notification><kind>check</kind><timestamp>yesterday</timestamp><subject><check>true</check></subject></notification>`,
		"two kinds":      `<notification><kind>transaction_settled</kind><kind>check</kind><timestamp>2026-11-23T08:00:00Z</timestamp></notification>`,
		"two documents":  `<notification><kind>check</kind><timestamp>2026-11-23T08:00:00Z</timestamp></notification><notification></notification>`,
		"an entity":      `<!DOCTYPE a [<!ENTITY b "c">]><notification><kind>&b;</kind><timestamp>2026-11-23T08:00:00Z</timestamp></notification>`,
		"nested too far": strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100),
	} {
		if _, err := p.Open(p.form(base64.StdEncoding.EncodeToString([]byte(document))+"\n", now)); !errors.Is(err, webhook.ErrUnreadable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTheChallengeIsAnswered is what Braintree does before it takes an address.
// The expected code is of another program:
// printf 20f9f8ed05f77439fe955c977e4c8a53 | openssl dgst -sha1 -mac HMAC -macopt hexkey:$(printf 9f2c4b7a1d3e5f60718293a4b5c6d7e8 | sha1sum | cut -c1-40)
func TestTheChallengeIsAnswered(t *testing.T) {
	handler := webhook.NewHandler([]webhook.Source{{Name: "braintree", Provider: newProvider(t, private)}}, nobody{}, webhook.Options{
		Log: slog.New(slog.DiscardHandler),
	})
	mux := http.NewServeMux()
	mux.Handle("/webhooks/{source}", handler)
	server := httptest.NewServer(mux)
	defer server.Close()
	ask := func(query string) (int, string) {
		answer, err := http.Get(server.URL + "/webhooks/braintree" + query)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		return answer.StatusCode, string(body)
	}
	if status, body := ask("?bt_challenge=20f9f8ed05f77439fe955c977e4c8a53"); status != 200 || body != public+"|"+opensslSays {
		t.Errorf("%d %s", status, body)
	}
	for _, query := range []string{"", "?bt_challenge=", "?bt_challenge=xyz", "?bt_challenge=" + strings.Repeat("a", 33), "?bt_challenge=" + strings.Repeat("a", 20) + "&bt_challenge=" + strings.Repeat("a", 20)} {
		if status, _ := ask(query); status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", query, status)
		}
	}
}

type nobody struct{}

func (nobody) Record(context.Context, order.Callback, []order.Event) (order.Receipt, error) {
	return order.Receipt{}, errors.New("nothing should be recorded")
}

// A notification that Braintree's sandbox sent, and what its libraries sign with
// keys of their own, from the tests of two of them (badu/braintree,
// braintree_ruby).
func TestReadsWhatBraintreeSigned(t *testing.T) {
	const body = "bt_signature=sz9g7zhxz8838v7h%7C4b532339b3107eae876d7637d59217858f320098&bt_payload=PD94bWwgdmVyc2lvbj0iMS4wIiBlbmNvZGluZz0iVVRGLTgiPz4KPG5vdGlm%0AaWNhdGlvbj4KICA8a2luZD5jaGVjazwva2luZD4KICA8dGltZXN0YW1wIHR5%0AcGU9ImRhdGV0aW1lIj4yMDE3LTA0LTI2VDA3OjEyOjI0WjwvdGltZXN0YW1w%0APgogIDxzdWJqZWN0PgogICAgPGNoZWNrIHR5cGU9ImJvb2xlYW4iPnRydWU8%0AL2NoZWNrPgogIDwvc3ViamVjdD4KPC9ub3RpZmljYXRpb24%2BCg%3D%3D%0A"
	p, err := New(Options{PublicKey: "sz9g7zhxz8838v7h", PrivateKey: "0c809a2d2e8f4e4c817900ff441c9554"})
	if err != nil {
		t.Fatal(err)
	}
	events, err := p.Open(webhook.Request{Body: []byte(body), At: now})
	want := order.Event{
		ID: "check/20170426T071224/", Kind: order.KindNote, Type: "check", Livemode: true, At: time.Date(2017, 4, 26, 7, 12, 24, 0, time.UTC),
	}
	if err != nil || len(events) != 1 || events[0] != want {
		t.Errorf("%+v, %v", events, err)
	}
	p, err = New(Options{PublicKey: "integration_public_key", PrivateKey: "integration_private_key"})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.sign([]byte("verification_token")); got != "c9f15b74b0d98635cd182c51e2703cffa83388c3" {
		t.Errorf("signed %s", got)
	}
}

func TestGolden(t *testing.T) {
	p := newProvider(t, private)
	credit := strings.NewReplacer("<id>8kf2m3qp</id><type>sale</type>", "<id>9ab1c2de</id><type>credit</type><refunded-transaction-id>8kf2m3qp</refunded-transaction-id>").Replace(sale)
	dispute := `<dispute><id>dspt1</id><amount>99.00</amount><currency-iso-code>EUR</currency-iso-code><reason>fraud</reason><status>open</status>` + sale + `</dispute>`
	for name, c := range map[string]struct{ kind, subject string }{
		"paid":              {"transaction_settled", sale},
		"paid-jpy":          {"transaction_settled", strings.NewReplacer("EUR", "JPY", "99.00", "9900").Replace(sale)},
		"paid-without-zero": {"transaction_settled", strings.Replace(sale, "99.00", "100", 1)},
		"paid-local":        {"local_payment_completed", `<local-payment><payment-id>pay_1</payment-id>` + sale + `</local-payment>`},
		"pending-local":     {"local_payment_completed", `<local-payment><payment-id>pay_1</payment-id>` + strings.Replace(sale, "settled", "settlement_pending", 1) + `</local-payment>`},
		"canceled-local":    {"local_payment_completed", `<local-payment><payment-id>pay_1</payment-id>` + strings.Replace(sale, "settled", "voided", 1) + `</local-payment>`},
		"local-approved":    {"local_payment_completed", `<local-payment><payment-id>pay_1</payment-id><payment-method-nonce>n</payment-method-nonce></local-payment>`},
		"subscription":      {"subscription_charged_unsuccessfully", `<subscription><id>sub_1</id><transactions type="array"></transactions></subscription>`},
		"dispute-question":  {"dispute_opened", strings.Replace(dispute, "<id>", "<kind>retrieval</kind><id>", 1)},
		"refused-local":     {"local_payment_completed", `<local-payment>` + strings.Replace(sale, "<currency-iso-code>EUR</currency-iso-code>", "", 1) + `</local-payment>`},
		"paid-subscription": {"subscription_charged_successfully", `<subscription><id>sub_1</id><transactions type="array">` + sale + strings.Replace(sale, "8kf2m3qp", "older", 1) + `</transactions><add_ons type="array"></add_ons></subscription>`},
		"wallet":            {"transaction_settled", strings.Replace(sale, "credit_card", "apple_pay_card", 1)},
		"failed":            {"transaction_settlement_declined", strings.Replace(sale, "</transaction>", "<processor-settlement-response-code>4001</processor-settlement-response-code></transaction>", 1)},
		"expired":           {"local_payment_expired", `<local-payment-expired><payment-id>pay_1</payment-id></local-payment-expired>`},
		"refund":            {"transaction_settled", credit},
		"partial-refund":    {"transaction_settled", strings.Replace(credit, "99.00", "25.00", 1)},
		"refund_failed":     {"refund_failed", credit},
		"dispute":           {"dispute_opened", dispute},
		"dispute-won":       {"dispute_won", dispute},
		"dispute-lost":      {"dispute_lost", dispute},
		"check":             {"check", `<check type="boolean">true</check>`},
		"disbursed":         {"transaction_disbursed", sale},
		"refused-amount":    {"transaction_settled", strings.Replace(sale, "99.00", "99.001", 1)},
		"refused-currency":  {"transaction_settled", strings.Replace(sale, "EUR", "euro", 1)},
	} {
		webhooktest.Record(t, "testdata", name, p.request(c.kind, c.subject, now))
	}
	webhooktest.Golden(t, p, "testdata", now)
}

func TestSimulates(t *testing.T) {
	p := newProvider(t, private)
	for _, status := range []order.Status{order.Paid, order.Failed, order.Refunded, order.Disputed, order.Won, order.Lost} {
		r, err := p.Simulate(webhook.Simulation{ID: "e1", Order: "A<1001>", Payment: "P1", Status: status, Amount: 9900, Currency: "EUR", At: now})
		if err != nil {
			t.Fatal(err)
		}
		events, err := p.Open(r)
		if err != nil || events[0].Status != status || events[0].Order != "A<1001>" || events[0].Payment != "P1" || events[0].Amount != 9900 {
			t.Errorf("%s: %+v, %v", status, events, err)
		}
	}
}

func TestNewNamesTheMend(t *testing.T) {
	for want, o := range map[string]Options{
		"private_key is empty":               {PublicKey: public},
		"private_key is a placeholder":       {PublicKey: public, PrivateKey: "changeme-changeme-changeme"},
		"public_key is not 8 to 64 letters,": {PrivateKey: private},
		"private_key has 10 bytes, fewer th": {PublicKey: public, PrivateKey: private[:10]},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	p := newProvider(f, private)
	f.Add([]byte(`<notification><kind>dispute_opened</kind><timestamp>2026-11-23T08:00:00Z</timestamp><subject><dispute><id>1</id></dispute></subject></notification>`))
	f.Fuzz(func(t *testing.T, document []byte) {
		e, err := p.read(base64.StdEncoding.EncodeToString(document))
		if e.Source = "braintree"; err == nil && e.Check() != nil {
			t.Error(e.Check())
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	p := newProvider(b, private)
	genuine := p.request("transaction_settled", strings.Replace(sale, "<type>", "<note>"+strings.Repeat("A bell rings. ", 180)+"</note><type>", 1), now)
	forged := genuine
	forged.Body = []byte(strings.Replace(string(genuine.Body), "bt_payload=P", "bt_payload=Q", 1))
	webhooktest.BenchRequests(b, p, genuine, forged)
}

func FuzzOpen(f *testing.F) {
	p := newProvider(f, private)
	genuine := p.request("transaction_settled", sale, now)
	webhooktest.FuzzSame(f, p, genuine, newProvider(f, other).request("transaction_settled", sale, now))
}
