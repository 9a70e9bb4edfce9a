package paypal

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/guarded"
	"github.com/paybell/paybell/internal/guarded/guardedtest"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/webhooktest"
)

const (
	firstID  = "8PT597110X687430LKGECATA"
	secondID = "3RN13029J36659323VD7VFSD"
	thirdID  = "1JE4291016473214CX1UQ6WE"
)

var (
	now = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

	_ webhook.Provider  = (*Provider)(nil)
	_ webhook.Simulator = (*Provider)(nil)
	_ webhook.Getter    = (*guarded.Client)(nil)
)

func key(t testing.TB, i int) *rsa.PrivateKey {
	t.Helper()
	k, err := webhook.ParseRSAPrivate(webhooktest.RSAKeys[i])
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// A certificate for a name, of the first key, by an authority of the second one;
// and the authority's.
func certificate(t testing.TB, change func(*x509.Certificate), names ...string) (leaf, root string) {
	t.Helper()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "A root for tests"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(9, 0, 0), KeyUsage: x509.KeyUsageCertSign,
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: now.AddDate(0, -1, 0), NotAfter: now.AddDate(8, 0, 0), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	text := func(der []byte, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	signs := key(t, 1)
	leaf = text(x509.CreateCertificate(rand.Reader, template, authority, key(t, 0).Public(), signs))
	root = text(x509.CreateCertificate(rand.Reader, authority, authority, signs.Public(), signs))
	return leaf, root
}

const liveName = "messageverificationcerts.paypal.com"

func newProvider(t testing.TB, o Options) *Provider {
	t.Helper()
	if o.WebhookIDs == nil {
		o.WebhookIDs = []string{secondID, firstID}
	}
	if o.Certificates == nil && o.Client == nil {
		leaf, _ := certificate(t, nil, liveName)
		o.Certificates = []string{leaf}
	}
	return webhooktest.Must(t, New, o)
}

func signedBy(t testing.TB, id string, body []byte, at time.Time) webhook.Request {
	t.Helper()
	r, err := sign(key(t, 0), id, body, at)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const paid = `{"id":"WH-58D329510W468432D-8HN650336L201105X","create_time":"2026-11-23T07:59:50.940Z","resource_type":"capture","resource_version":"2.0",` +
	`"event_type":"PAYMENT.CAPTURE.COMPLETED","summary":"Payment completed for EUR 99.0 EUR","resource":{"id":"27M47624FP291604U","status":"COMPLETED",` +
	`"amount":{"currency_code":"EUR","value":"99.00"},"final_capture":true,"custom_id":"A1001","create_time":"2026-11-23T07:59:49Z",` +
	`"supplementary_data":{"related_ids":{"order_id":"0AB12345CD678901E"}},"links":[{"href":"https://api.paypal.com/v2/payments/captures/27M47624FP291604U","rel":"self","method":"GET"}]}}`

func TestSuite(t *testing.T) {
	leaf, _ := certificate(t, nil, liveName)
	webhooktest.Suite(t, webhooktest.Case{
		New: webhooktest.Build(New, func(ids []string) Options {
			return Options{WebhookIDs: ids, Certificates: []string{leaf}}
		}),
		Secrets: [3]string{firstID, secondID, thirdID},
		Sign:    func(id string, body []byte, at time.Time) webhook.Request { return signedBy(t, id, body, at) },
		Body:    paid,
		Headers: []string{signatureHeader, idHeader, timeHeader, urlHeader, algorithmHeader},
		Forgeries: map[string]func(*webhook.Request){
			"AnotherTransmission": func(r *webhook.Request) { r.Header.Set(idHeader, "69cd13f0-d67a-11e5-baa3-778b53f4ae56") },
			"AnotherTime":         func(r *webhook.Request) { r.Header.Set(timeHeader, "2026-11-23T08:00:01Z") },
			"AnotherSpelling":     func(r *webhook.Request) { r.Header.Set(timeHeader, "2026-11-23T08:00:00+00:00") },
			"WeakerAlgorithm":     func(r *webhook.Request) { r.Header.Set(algorithmHeader, "SHA1withRSA") },
			"TheIDMoved": func(r *webhook.Request) {
				r.Header.Set(idHeader, r.Header.Get(idHeader)+"|"+r.Header.Get(timeHeader))
			},
			"FiveDaysOld": func(r *webhook.Request) { r.At = r.At.AddDate(0, 0, 5) },
			"OfTheFuture": func(r *webhook.Request) { r.At = r.At.Add(-10 * time.Minute) },
		},
	})
}

// Anybody can name an address; only PayPal's are asked.
func TestCertificatesComeFromPayPalOnly(t *testing.T) {
	leaf, root := certificate(t, nil, liveName)
	var asked atomic.Int64
	client := guardedtest.Serve(t, guarded.Options{Hosts: Hosts}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		fmt.Fprint(w, leaf)
	}))
	p := newProvider(t, Options{Client: client, Roots: []string{root}})
	for _, address := range []string{
		"http://api.paypal.com/v1/notifications/certs/CERT-1", "https://api.paypal.com.evil.example/v1/notifications/certs/CERT-1",
		"https://evil.example/v1/notifications/certs/CERT-1", "https://api.paypal.com:8443/v1/notifications/certs/CERT-1",
		"https://api.paypal.com@evil.example/v1/notifications/certs/CERT-1", "https://user@api.paypal.com/v1/notifications/certs/CERT-1",
		"https://api.paypal.com/v1/oauth2/token", "https://api.paypal.com/v1/notifications/certs/../../oauth2", "https://api.paypal.com/v1/notifications/certs/CERT-1?x=1",
		"https://api.paypal.com/v1/notifications/certs/CERT-%2e%2e", "https://127.0.0.1/v1/notifications/certs/CERT-1", "https://www.paypal.com/v1/notifications/certs/CERT-1",
	} {
		r := signedBy(t, firstID, []byte(paid), now)
		r.Header.Set(urlHeader, address)
		if _, err := p.Open(r); !errors.Is(err, webhook.ErrUnverified) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Fatalf("%d were asked for", n)
	}
	for range 3 {
		if events, err := p.Open(signedBy(t, firstID, []byte(paid), now)); err != nil || len(events) != 1 {
			t.Fatalf("%v, %v", events, err)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the certificate was fetched %d times", n)
	}
}

func TestOnlyPayPalsOwnCertificatesAreBelieved(t *testing.T) {
	_, root := certificate(t, nil, liveName)
	otherRoot := func() string {
		template := &x509.Certificate{SerialNumber: big.NewInt(3), IsCA: true, BasicConstraintsValid: true, NotBefore: now, NotAfter: now.AddDate(1, 0, 0)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key(t, 2).Public(), key(t, 2))
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}()
	for name, c := range map[string]struct {
		names  []string
		change func(*x509.Certificate)
		root   string
		fits   bool
	}{
		"genuine":        {[]string{liveName}, nil, root, true},
		"of the sandbox": {[]string{"messageverificationcerts.sandbox.paypal.com"}, nil, root, true},
		"another name":   {[]string{"messageverificationcerts.paypal.com.evil.example"}, nil, root, false},
		"a shop's":       {[]string{"evil.example"}, nil, root, false},
		"a page's":       {[]string{"www.paypal.com"}, nil, root, false},
		"expired":        {[]string{liveName}, func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Hour) }, root, false},
		"not yet":        {[]string{liveName}, func(c *x509.Certificate) { c.NotBefore = now.Add(time.Hour) }, root, false},
		"another root's": {[]string{liveName}, nil, otherRoot, false},
	} {
		leaf, _ := certificate(t, c.change, c.names...)
		client := guardedtest.Serve(t, guarded.Options{Hosts: Hosts}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, leaf) }))
		p := newProvider(t, Options{Client: client, Roots: []string{c.root}})
		events, err := p.Open(signedBy(t, firstID, []byte(paid), now))
		if (err == nil) != c.fits {
			t.Errorf("%s: %v", name, err)
		}
		if c.fits && events[0].Livemode != (c.names[0] == liveName) {
			t.Errorf("%s: livemode %t", name, events[0].Livemode)
		}
	}
}

// A counting client stands before the network only to count.
type countingClient struct{ asked int }

func (c *countingClient) Get(context.Context, string, http.Header) ([]byte, error) {
	c.asked++
	return nil, errors.New("answered 404")
}

func TestStrangersCannotMakeUsAskAllDay(t *testing.T) {
	client := &countingClient{}
	p := newProvider(t, Options{Client: client})
	for i := range 100 {
		r := signedBy(t, firstID, []byte(paid), now)
		r.Header.Set(urlHeader, fmt.Sprintf("https://api.paypal.com/v1/notifications/certs/CERT-%d", i))
		for range 2 {
			if _, err := p.Open(r); !errors.Is(err, webhook.ErrUnverified) {
				t.Fatal(err)
			}
		}
	}
	if client.asked != fetchesPerMin {
		t.Errorf("asked %d times", client.asked)
	}
}

// The signed text of another program:
// python3 -c 'import zlib; print(zlib.crc32(b"{}"))'
func TestTheSumIsAsPythonHasIt(t *testing.T) {
	if got := signed("a", "b", "c", []byte("{}")); !bytes.Equal(got, []byte("a|b|c|2745614147")) {
		t.Errorf("%s", got)
	}
}

// event wraps a resource as PayPal does.
func event(typ, version, resource string) string {
	return `{"id":"WH-2WR32451HC0233532-67976317FL4543714","event_version":"1.0","create_time":"2026-11-23T07:59:50.940Z","resource_version":"` + version +
		`","event_type":"` + typ + `","summary":"…","resource":` + resource + `,"links":[]}`
}

const (
	capture = `{"id":"27M47624FP291604U","status":"COMPLETED","amount":{"currency_code":"EUR","value":"99.00"},"custom_id":"A1001","invoice_id":"INV-7"`
	upLink  = `"links":[{"href":"https://api.paypal.com/v2/payments/refunds/1JU08902781691411","rel":"self"},{"href":"https://api.paypal.com/v2/payments/captures/27M47624FP291604U","rel":"up"}]`
)

func TestGolden(t *testing.T) {
	leaf, _ := certificate(t, nil, liveName)
	webhooktest.Compare(t, "testdata/certificate.pem", []byte(leaf))
	for name, body := range map[string]string{
		"paid":              paid,
		"paid-jpy":          event("PAYMENT.CAPTURE.COMPLETED", "2.0", strings.Replace(capture, `"EUR","value":"99.00"`, `"JPY","value":"9900"`, 1)+`}`),
		"paid-huf":          event("PAYMENT.CAPTURE.COMPLETED", "2.0", strings.Replace(capture, `"EUR","value":"99.00"`, `"HUF","value":"9900"`, 1)+`}`),
		"paid-twd":          event("PAYMENT.CAPTURE.COMPLETED", "2.0", strings.Replace(capture, `"EUR","value":"99.00"`, `"TWD","value":"9900"`, 1)+`}`),
		"paid-version-1":    event("PAYMENT.SALE.COMPLETED", "1.0", `{"id":"80021663DE681814L","state":"completed","amount":{"total":"99.00","currency":"EUR"},"custom":"A1001","parent_payment":"PAY-1"}`),
		"pending":           event("PAYMENT.CAPTURE.PENDING", "2.0", capture+`,"status_details":{"reason":"ECHECK"}}`),
		"approved":          event("CHECKOUT.ORDER.APPROVED", "2.0", `{"id":"5O190127TN364715T","status":"APPROVED","intent":"CAPTURE","payment_source":{"paypal":{}},"purchase_units":[{"reference_id":"default","custom_id":"A1001","amount":{"currency_code":"EUR","value":"99.00"}}]}`),
		"authorized":        event("PAYMENT.AUTHORIZATION.CREATED", "2.0", `{"id":"0VF52814937998046","status":"CREATED","amount":{"currency_code":"EUR","value":"99.00"},"custom_id":"A1001"}`),
		"canceled":          event("PAYMENT.AUTHORIZATION.VOIDED", "2.0", `{"id":"0VF52814937998046","status":"VOIDED","amount":{"currency_code":"EUR","value":"99.00"},"custom_id":"A1001"}`),
		"canceled-approval": event("CHECKOUT.PAYMENT-APPROVAL.REVERSED", "2.0", `{"order_id":"5O190127TN364715T","purchase_units":[{"reference_id":"A1001"}]}`),
		"failed":            event("PAYMENT.CAPTURE.DECLINED", "2.0", capture+`,"status_details":{"reason":"DECLINED_BY_RISK_FRAUD_FILTERS"}}`),
		"wallet":            event("CHECKOUT.ORDER.COMPLETED", "2.0", `{"id":"5O190127TN364715T","status":"COMPLETED","payment_source":{"apple_pay":{}},"purchase_units":[{"custom_id":"A1001","payments":{"captures":[`+capture+`}]}}]}`),
		"refund":            event("PAYMENT.CAPTURE.REFUNDED", "2.0", `{"id":"1JU08902781691411","status":"COMPLETED","amount":{"currency_code":"EUR","value":"99.00"},"custom_id":"A1001","seller_payable_breakdown":{"total_refunded_amount":{"currency_code":"EUR","value":"99.00"}},`+upLink+`}`),
		"partial-refund":    event("PAYMENT.CAPTURE.REFUNDED", "2.0", `{"id":"1JU08902781691412","status":"COMPLETED","amount":{"currency_code":"EUR","value":"25.00"},`+upLink+`}`),
		"partial-refund-version-1": event("PAYMENT.SALE.REFUNDED", "1.0",
			`{"id":"6YX43824R4443062K","state":"completed","sale_id":"80021663DE681814L","amount":{"total":"25.00","currency":"EUR"},"parent_payment":"PAY-1"}`),
		"refund-below-zero": event("PAYMENT.SALE.REFUNDED", "1.0",
			`{"id":"6YX43824R4443062L","state":"completed","sale_id":"80021663DE681814L","amount":{"total":"-99.00","currency":"EUR"},"parent_payment":"PAY-1"}`),
		"dispute-below-zero": event("PAYMENT.SALE.REVERSED", "1.0",
			`{"id":"77689802DL785834G","state":"completed","amount":{"total":"-99.00","currency":"EUR","details":{"subtotal":"-99.00"}},"links":[{"href":"https://api.paypal.com/v1/payments/refund/77689802DL785834G","rel":"self"},{"href":"https://api.paypal.com/v1/payments/sale/80021663DE681814L","rel":"sale"}]}`),
		"refused-below-zero":  event("PAYMENT.SALE.COMPLETED", "1.0", `{"id":"80021663DE681814L","state":"completed","amount":{"total":"-99.00","currency":"EUR"},"custom":"A1001"}`),
		"paid-strange-time":   strings.Replace(paid, `"2026-11-23T07:59:50.940Z"`, `"2026-23-11T07:59:50.940Z"`, 1), // as PayPal's simulator writes it
		"refused-amount":      event("PAYMENT.CAPTURE.COMPLETED", "2.0", strings.Replace(capture, `"99.00"`, `99.00`, 1)+`}`),
		"dispute":             event("CUSTOMER.DISPUTE.CREATED", "1.0", `{"dispute_id":"PP-D-4012","reason":"MERCHANDISE_OR_SERVICE_NOT_RECEIVED","dispute_amount":{"currency_code":"EUR","value":"99.00"},"disputed_transactions":[{"seller_transaction_id":"27M47624FP291604U","invoice_number":"INV-7","custom":"A1001"}]}`),
		"dispute-won":         event("CUSTOMER.DISPUTE.RESOLVED", "1.0", `{"dispute_id":"PP-D-4012","dispute_outcome":{"outcome_code":"RESOLVED_SELLER_FAVOUR"},"dispute_amount":{"currency_code":"EUR","value":"99.00"},"disputed_transactions":[{"seller_transaction_id":"27M47624FP291604U"}]}`),
		"dispute-reversed":    event("PAYMENT.CAPTURE.REVERSED", "2.0", `{"id":"3BC38643YC807283D","amount":{"currency_code":"EUR","value":"99.00"},`+upLink+`}`),
		"not-about-a-payment": event("BILLING.PLAN.CREATED", "1.0", `{"id":"P-7GL4271244454362WXNWU5NQ"}`),
	} {
		webhooktest.Record(t, "testdata", name, signedBy(t, firstID, []byte(body), now))
	}
	webhooktest.Golden(t, newProvider(t, Options{}), "testdata", now.Add(2*24*time.Hour))
}

// What is simulated reads as it was meant.
func TestSimulates(t *testing.T) {
	p := newProvider(t, Options{SimulateKey: webhooktest.RSAKeys[0]})
	for _, status := range []order.Status{
		order.Authorized, order.Canceled, order.Pending, order.Paid, order.Failed, order.Refunded, order.Disputed, order.Won, order.Lost,
	} {
		r, err := p.Simulate(webhook.Simulation{ID: "WH-1", Order: "A1001", Payment: "P1", Status: status, Amount: 9900, Currency: "EUR", At: now})
		if err != nil {
			t.Fatal(err)
		}
		events, err := p.Open(r)
		if err != nil || len(events) != 1 || events[0].Status != status || events[0].Order != "A1001" || events[0].Payment != "P1" || events[0].Amount != 9900 {
			t.Errorf("%s: %+v, %v", status, events, err)
		}
	}
	half := webhook.Simulation{ID: "WH-1", Order: "A1001", Status: order.Paid, Amount: 9950, Currency: "HUF", At: now}
	if _, err := p.Simulate(half); err == nil || !strings.Contains(err.Error(), "no decimals") {
		t.Errorf("half a forint: %v", err)
	}
	if _, err := newProvider(t, Options{}).Simulate(webhook.Simulation{Status: order.Paid}); !errors.Is(err, webhook.ErrNoSimulateKey) {
		t.Errorf("without a key: %v", err)
	}
}

func TestNewNamesTheMend(t *testing.T) {
	for want, o := range map[string]Options{
		"no webhook_ids":            {},
		"is not all capital":        {WebhookIDs: []string{"8pt597110x687430lkgecata"}},
		"order \"custom_id\" leads": {WebhookIDs: []string{firstID}, Order: "custom_id"},
		"certificate 1 is not PEM":  {WebhookIDs: []string{firstID}, Certificates: []string{"x"}},
		"root 1 is not a PEM":       {WebhookIDs: []string{firstID}, Roots: []string{"x"}},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func FuzzNormalize(f *testing.F) {
	p := newProvider(f, Options{})
	f.Add([]byte(paid))
	f.Add([]byte(event("CHECKOUT.ORDER.COMPLETED", "2.0", `{"purchase_units":[{"payments":{"captures":[1,{"status":"COMPLETED"}]}}]}`)))
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := p.normalize(body, true)
		webhooktest.Checked(t, events, err)
	})
}
