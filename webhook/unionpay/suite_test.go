package unionpay

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/webhooktest"
)

var (
	_ webhook.Provider   = (*Provider)(nil)
	_ webhook.MediaTyper = (*Provider)(nil)
)

var at = time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)

// file returns a certificate or key that nobody else has, made for these tests.
func file(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func newProvider(t testing.TB, o Options) *Provider {
	t.Helper()
	o.PublicKeys = []string{file(t, "root.pem"), file(t, "middle.pem")}
	return webhooktest.Must(t, New, o)
}

// sign returns a notification as UnionPay makes it, by the steps that its
// documentation gives.
func sign(t testing.TB, signer string, fields map[string]string) webhook.Request {
	t.Helper()
	block, _ := pem.Decode([]byte(file(t, signer+".key")))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	fields = maps.Clone(fields)
	fields["signPubKeyCert"] = file(t, signer+".pem")
	inner := sha256.Sum256([]byte(signedText(fields)))
	outer := sha256.Sum256([]byte(hex.EncodeToString(inner[:])))
	signature, err := rsa.SignPKCS1v15(nil, key.(*rsa.PrivateKey), crypto.SHA256, outer[:])
	if err != nil {
		t.Fatal(err)
	}
	fields["signature"] = base64.StdEncoding.EncodeToString(signature)
	form := url.Values{}
	for name, value := range fields {
		form.Set(name, value)
	}
	return webhook.Request{
		Method: http.MethodPost, URL: "/webhooks/shop", At: at, Body: []byte(form.Encode()),
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded;charset=UTF-8"}},
	}
}

// with is a paid sale with some fields changed.
func with(pairs ...string) map[string]string {
	fields := map[string]string{
		"accNo": "6216***********0018", "accessType": "0", "bizType": "000201", "currencyCode": "156", "encoding": "UTF-8", "exchangeRate": "0",
		"merId": "777290058110048", "orderId": "A1001", "queryId": "722611231559503264128", "respCode": "00", "respMsg": "成功[0000000]",
		"settleAmt": "9900", "settleCurrencyCode": "156", "settleDate": "1201", "signMethod": "01", "traceNo": "326412", "traceTime": "1201155950",
		"txnAmt": "9900", "txnSubType": "01", "txnTime": "20261201155950", "txnType": "01", "version": "5.1.0",
	}
	for i := 0; i < len(pairs); i += 2 {
		if fields[pairs[i]] = pairs[i+1]; pairs[i+1] == "" {
			delete(fields, pairs[i])
		}
	}
	return fields
}

const original = "722611231559503264128"

var recorded = map[string]map[string]string{
	"paid":           with(),
	"paid-flawed":    with("respCode", "A6"),
	"paid-jpy":       with("currencyCode", "392", "txnAmt", "5000"),
	"failed":         with("respCode", "51", "respMsg", "余额不足"),
	"pending":        with("respCode", "05"),
	"authorized":     with("txnType", "02"),
	"paid-completed": with("txnType", "03", "queryId", "822611231559503264129", "origQryId", original, "orderId", "A1001C"),
	"canceled":       with("txnType", "32", "queryId", "822611231559503264130", "origQryId", original, "orderId", "A1001V"),
	"refund":         with("txnType", "04", "txnSubType", "00", "queryId", "822611231559503264131", "origQryId", original, "orderId", "R1"),
	"partial-refund": with("txnType", "04", "txnSubType", "00", "queryId", "822611231559503264132", "origQryId", original, "orderId", "R2", "txnAmt", "2550"),
	"refund-undoing": with("txnType", "31", "queryId", "822611231559503264133", "origQryId", original, "orderId", "R3"),
	"others":         with("txnType", "72"),
	"no-amount":      with("txnAmt", "99.00"),
	"no-original":    with("txnType", "04"),
	"strange-money":  with("currencyCode", "999"),
}

func TestGolden(t *testing.T) {
	for name, fields := range recorded {
		webhooktest.Record(t, "testdata", name, sign(t, "signer", fields))
	}
	webhooktest.Record(t, "testdata", "paid-sandbox", sign(t, "sandbox", with()))
	webhooktest.Golden(t, newProvider(t, Options{}), "testdata", at)
}

func TestForms(t *testing.T) {
	webhooktest.Forms(t, newProvider(t, Options{}), sign(t, "signer", with()), "signature", "signPubKeyCert", "signMethod", "version", "txnAmt", "orderId", "queryId")
}

func TestRefusesWhatUnionPayDidNotSign(t *testing.T) {
	p := newProvider(t, Options{})
	genuine := sign(t, "signer", with())
	if _, err := p.Open(genuine); err != nil {
		t.Fatal(err)
	}
	change := func(from, to string) webhook.Request {
		r := genuine
		r.Body = []byte(strings.Replace(string(r.Body), from, to, 1))
		return r
	}
	late := genuine
	late.At = at.AddDate(200, 0, 0)
	for name, r := range map[string]webhook.Request{
		"another amount":         change("txnAmt=9900", "txnAmt=9901"),
		"a field more":           change("txnAmt=9900", "txnAmt=9900&reserved=x"),
		"a field less":           change("traceNo=326412&", ""),
		"a field twice":          change("txnAmt=9900", "txnAmt=9900&txnAmt=9900"),
		"an encoded twin":        change("txnAmt=9900", "txnAmt=9900&txn%41mt=1"),
		"another method":         sign(t, "signer", with("signMethod", "11")),
		"an older version":       sign(t, "signer", with("version", "5.0.0")),
		"another company":        sign(t, "other", with()),
		"no signature":           change("signature=", "signatur="),
		"no certificate":         change("signPubKeyCert=", "signPubKeyCerd="),
		"certificate of no kind": change("BEGIN+CERTIFICATE", "BEGIN+X"),
		"no form":                {Method: "POST", At: at, Body: []byte("%zz")},
		"empty":                  {Method: "POST", At: at},
		"out of date":            late,
	} {
		if events, err := p.Open(r); !errors.Is(err, webhook.ErrUnverified) || events != nil {
			t.Errorf("%s: %v, %v", name, events, err)
		}
	}
	strangers, err := New(Options{PublicKeys: []string{file(t, "root.pem")}}) // without the middle one
	if err != nil {
		t.Fatal(err)
	}
	if _, err := strangers.Open(genuine); !errors.Is(err, webhook.ErrUnverified) {
		t.Errorf("a chain with a hole: %v", err)
	}
}

func TestNewNamesTheMend(t *testing.T) {
	for want, o := range map[string]Options{
		"no root among public_keys":                     {},
		"no root among public_keys: anybody could sign": {PublicKeys: []string{file(t, "middle.pem")}},
		"public key 1 is not one certificate in PEM":    {PublicKeys: []string{"acp_prod_root.cer"}},
		"public key 2 is not one certificate":           {PublicKeys: []string{file(t, "root.pem"), file(t, "signer.key")}},
		"order is neither orderId nor reqReserved":      {PublicKeys: []string{file(t, "root.pem")}, Order: "merId"},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestTheOperatorsChoices(t *testing.T) {
	r := sign(t, "signer", with("reqReserved", "A2002"))
	for merchant, want := range map[string]order.Kind{"777290058110048": order.KindPayment, "777290058110049": order.KindNote} {
		if events, err := newProvider(t, Options{Merchant: merchant}).Open(r); err != nil || events[0].Kind != want {
			t.Errorf("%s: %+v, %v", merchant, events, err)
		}
	}
	if events, err := newProvider(t, Options{Order: "reqReserved"}).Open(r); err != nil || events[0].Order != "A2002" {
		t.Errorf("%+v, %v", events, err)
	}
}

// FuzzOpen changes a genuine notification; whatever is believed must say what
// it said.
func FuzzOpen(f *testing.F) {
	p := newProvider(f, Options{})
	genuine := sign(f, "signer", with())
	webhooktest.FuzzSame(f, p, genuine, sign(f, "other", with()))
}

func BenchmarkOpen(b *testing.B) {
	p := newProvider(b, Options{})
	r := sign(b, "signer", with("reqReserved", strings.Repeat("0123456789abcdef", 64)))
	b.SetBytes(int64(len(r.Body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Open(r); err != nil {
			b.Fatal(err)
		}
	}
}
