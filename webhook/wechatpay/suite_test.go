package wechatpay

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/webhooktest"
)

const (
	apiKey   = "Zk3Vq9Lm4Xc7Tn1Wd6B8Rp2Yh5Jf0Gs1"
	otherKey = "Hq7Rt2Nw9Kb4Xs6Lm1Pd8Vc3Zf5Jy0Ga"
	serial   = "PUB_KEY_ID_0114232134912410000000000000"
)

var (
	now = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

	_ webhook.Provider  = (*Provider)(nil)
	_ webhook.Simulator = (*Provider)(nil)
	_ webhook.Answerer  = (*Provider)(nil)
	_ webhook.Modeless  = (*Provider)(nil)
)

func newProvider(t testing.TB, o Options) *Provider {
	t.Helper()
	if o.Secrets == nil {
		o.Secrets = []string{apiKey}
	}
	if o.PublicKeys == nil && o.Certificates == nil {
		o.PublicKeys = []string{serial + " = " + webhooktest.RSAPublic(t, webhooktest.RSAKeys[0])}
	}
	return webhooktest.Must(t, New, o)
}

// notified is a notification of a resource, signed by one of the test keys.
func notified(t testing.TB, private, typ, resource string, at time.Time) webhook.Request {
	t.Helper()
	p := newProvider(t, Options{SimulateKey: private})
	r, err := p.sign(p.simulateKey, serial, p.seal("EV-2018022511223320873", typ, []byte(resource), at), at)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const success = `{"mchid":"1230000109","appid":"wxd678efh567hg6787","out_trade_no":"A1001","transaction_id":"4200001234202611231234567890","trade_type":"JSAPI",` +
	`"trade_state":"SUCCESS","trade_state_desc":"支付成功","bank_type":"CMC","attach":"","success_time":"2026-11-23T15:59:50+08:00","payer":{"openid":"o4GgauInH_RCEdvrrNGrntXDu6D4"},` +
	`"amount":{"total":9900,"payer_total":9400,"currency":"CNY","payer_currency":"CNY"}}`

// The suite's secrets are WeChat Pay's private keys, and what it changes is the
// envelope; what it writes anew is the encrypted resource.
func TestSuite(t *testing.T) {
	webhooktest.Suite(t, webhooktest.Case{
		New: func(secrets ...string) (webhook.Provider, error) {
			var keys []string
			for i, s := range secrets {
				if strings.HasPrefix(s, "-----BEGIN") {
					s = serials[i] + "=" + webhooktest.RSAPublic(t, s)
				}
				keys = append(keys, s)
			}
			p, err := New(Options{Secrets: []string{apiKey}, PublicKeys: keys})
			if err != nil {
				return nil, err
			}
			return p, nil
		},
		Secrets: webhooktest.RSAKeys,
		Sign: func(secret string, body []byte, at time.Time) webhook.Request {
			r := notified(t, secret, "TRANSACTION.SUCCESS", string(body), at)
			for i, key := range webhooktest.RSAKeys {
				if key == secret {
					r.Header.Set(serialHeader, serials[i])
				}
			}
			return r
		},
		Body:    success,
		Headers: []string{signatureHeader, serialHeader, timeHeader, nonceHeader},
		Timed:   true,
		Forgeries: map[string]func(*webhook.Request){
			"AnotherNonce":   func(r *webhook.Request) { r.Header.Set(nonceHeader, "EcYVv2mTa4qyqHFt3wSgMd1y5MsfBqbP") },
			"AnotherTime":    func(r *webhook.Request) { r.Header.Set(timeHeader, "1795420801") },
			"AnotherSerial":  func(r *webhook.Request) { r.Header.Set(serialHeader, "PUB_KEY_ID_9") },
			"AnotherType":    func(r *webhook.Request) { r.Header.Set(typeHeader, "WECHATPAY2-SM2-WITH-SM3") },
			"Probe":          func(r *webhook.Request) { r.Header.Set(signatureHeader, probePrefix+r.Header.Get(signatureHeader)) },
			"LineEndInNonce": func(r *webhook.Request) { r.Header.Set(nonceHeader, "a\nb") },
			"TheNonceInTime": func(r *webhook.Request) { r.Header.Set(timeHeader, "1795420800\nx") },
			"SignatureInURLs": func(r *webhook.Request) {
				r.Header.Set(signatureHeader, strings.ReplaceAll(r.Header.Get(signatureHeader), "=", "%3D"))
			},
		},
	})
}

var serials = []string{serial, serial[:len(serial)-1] + "1", serial[:len(serial)-1] + "2"}

func TestAProbeIsRefusedAndSaysSo(t *testing.T) {
	r := notified(t, webhooktest.RSAKeys[0], "TRANSACTION.SUCCESS", success, now)
	r.Header.Set(signatureHeader, probePrefix+"abc=")
	if _, err := newProvider(t, Options{}).Open(r); !errors.Is(err, webhook.ErrUnverified) || !strings.Contains(err.Error(), "a probe") {
		t.Error(err)
	}
}

// With the wrong APIv3 key nothing may be answered 2xx: it would not come again.
func TestAnotherAPIKeyIsRefused(t *testing.T) {
	r := notified(t, webhooktest.RSAKeys[0], "TRANSACTION.SUCCESS", success, now)
	if _, err := newProvider(t, Options{Secrets: []string{otherKey}}).Open(r); !errors.Is(err, webhook.ErrUnverified) || !strings.Contains(err.Error(), "APIv3 key is another") {
		t.Error(err)
	}
	if events, err := newProvider(t, Options{Secrets: []string{otherKey, apiKey}}).Open(r); err != nil || len(events) != 1 {
		t.Errorf("while it is changed: %v, %v", events, err)
	}
}

// A nonce of another length would make crypto/cipher panic.
func TestEnvelopesThatMakeNoSense(t *testing.T) {
	p := newProvider(t, Options{SimulateKey: webhooktest.RSAKeys[0]})
	good := string(p.seal("EV-1", "TRANSACTION.SUCCESS", []byte(success), now))
	for name, body := range map[string]string{
		"short nonce": strings.Replace(good, `"nonce":"`, `"nonce":"x`, 1), "no nonce": strings.Replace(good, `"nonce":`, `"once":`, 1),
		"another algorithm": strings.Replace(good, "AEAD_AES_256_GCM", "NONE", 1), "no base64": strings.Replace(good, `"ciphertext":"`, `"ciphertext":"!`, 1),
		"no id": strings.Replace(good, `"id":`, `"ID":`, 1), "no resource": `{"id":"EV-1","event_type":"TRANSACTION.SUCCESS"}`,
	} {
		r, err := p.sign(p.simulateKey, serial, []byte(body), now)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Open(r); !errors.Is(err, webhook.ErrUnreadable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// certificateOf is a platform certificate of a key.
func certificateOf(t *testing.T, i int, serial int64, through time.Time) string {
	t.Helper()
	key, err := webhook.ParseRSAPrivate(webhooktest.RSAKeys[i])
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "Tenpay.com sign"}, NotBefore: now.AddDate(-1, 0, 0), NotAfter: through,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// While a merchant is moved from certificates to a public key, both come.
func TestCertificatesAndPublicKeysStandSideBySide(t *testing.T) {
	p := newProvider(t, Options{
		PublicKeys: []string{serial + "=" + webhooktest.RSAPublic(t, webhooktest.RSAKeys[0])},
		Certificates: []string{
			certificateOf(t, 1, 0x5157F09EFDC096DE, now.AddDate(1, 0, 0)), certificateOf(t, 2, 0x4057F09EFDC096DE, now.AddDate(0, 0, -1)),
		},
	})
	for _, c := range []struct {
		key    int
		serial string
		fits   bool
	}{
		{0, serial, true}, {1, "5157F09EFDC096DE", true}, {1, "5157f09efdc096de", true}, {1, serial, false}, {0, "5157F09EFDC096DE", false},
		{2, "4057F09EFDC096DE", false}, // is over
	} {
		r := notified(t, webhooktest.RSAKeys[c.key], "TRANSACTION.SUCCESS", success, now)
		r.Header.Set(serialHeader, c.serial)
		if _, err := p.Open(r); (err == nil) != c.fits {
			t.Errorf("key %d as %s: %v", c.key, c.serial, err)
		}
	}
}

func TestAnotherMerchantsPaymentIsANote(t *testing.T) {
	r := notified(t, webhooktest.RSAKeys[0], "TRANSACTION.SUCCESS", success, now)
	for want, o := range map[order.Kind]Options{
		order.KindPayment: {MerchantID: "1230000109", AppID: "wxd678efh567hg6787"}, order.KindNote: {MerchantID: "1900000109"},
	} {
		events, err := newProvider(t, o).Open(r)
		if err != nil || events[0].Kind != want {
			t.Errorf("%s: %v, %v", want, events, err)
		}
	}
	if events, err := newProvider(t, Options{AppID: "wx0"}).Open(r); err != nil || events[0].Kind != order.KindNote {
		t.Errorf("of another app: %v, %v", events, err)
	}
}

const refundOf = `{"mchid":"1230000109","transaction_id":"4200001234202611231234567890","out_trade_no":"A1001","out_refund_no":"R1","refund_id":"50000000382026112",` +
	`"success_time":"2026-11-23T15:59:55+08:00","user_received_account":"招商银行信用卡0403",`

func TestGolden(t *testing.T) {
	for name, c := range map[string]struct{ typ, resource string }{
		"paid":                 {"TRANSACTION.SUCCESS", success},
		"wallet":               {"TRANSACTION.SUCCESS", success},
		"paid-combined":        {"TRANSACTION.SUCCESS", `{"combine_mchid":"1230000109","combine_appid":"wx1","combine_out_trade_no":"C1","sub_orders":[{"mchid":"1","trade_type":"APP","trade_state":"SUCCESS","out_trade_no":"A1001","transaction_id":"4200001","success_time":"2026-11-23T15:59:50+08:00","amount":{"total_amount":9900,"payer_amount":9900,"currency":"CNY"}},{"mchid":"2","trade_state":"SUCCESS","out_trade_no":"A1002","transaction_id":"4200002","success_time":"2026-11-23T15:59:50+08:00","amount":{"total_amount":100,"payer_amount":100,"currency":"CNY"}}]}`},
		"failed":               {"TRANSACTION.FAIL", strings.Replace(strings.Replace(success, `"SUCCESS"`, `"PAYERROR"`, 1), "支付成功", "余额不足", 1)},
		"revoked":              {"TRANSACTION.SUCCESS", strings.Replace(success, `"SUCCESS"`, `"REVOKED"`, 1)},
		"refund":               {"REFUND.SUCCESS", refundOf + `"refund_status":"SUCCESS","amount":{"total":9900,"refund":9900,"payer_total":9900,"payer_refund":9900}}`},
		"partial-refund":       {"REFUND.SUCCESS", refundOf + `"refund_status":"SUCCESS","amount":{"total":9900,"refund":2500,"payer_total":9900,"payer_refund":2500}}`},
		"abnormal":             {"REFUND.ABNORMAL", refundOf + `"refund_status":"ABNORMAL","amount":{"total":9900,"refund":2500}}`},
		"profit-sharing":       {"TRANSACTION.SUCCESS", `{"mchid":"1230000109","original_type":"profitsharing","transaction_id":"4200001","order_id":"300","receiver":{}}`},
		"complaint":            {"COMPLAINT.CREATE", `{"complaint_id":"200201820200101080076610000","action_type":"CREATE_COMPLAINT"}`},
		"refused-amount":       {"TRANSACTION.SUCCESS", strings.Replace(success, `"total":9900`, `"total":99.00`, 1)},
		"refused-no-amount":    {"TRANSACTION.SUCCESS", strings.Replace(success, `"amount":`, `"amounts":`, 1)},
		"not-verified-of-test": {"TRANSACTION.SUCCESS", success},
	} {
		r := notified(t, webhooktest.RSAKeys[0], c.typ, c.resource, now)
		if name == "not-verified-of-test" {
			r.Header.Set(signatureHeader, probePrefix+r.Header.Get(signatureHeader)[:20])
		}
		webhooktest.Record(t, "testdata", name, r)
	}
	webhooktest.Compare(t, "testdata/public_key.txt", []byte(serial+" = "+webhooktest.RSAPublic(t, webhooktest.RSAKeys[0])))
	webhooktest.Golden(t, newProvider(t, Options{}), "testdata", now.Add(time.Minute))
}

func TestSimulates(t *testing.T) {
	p := newProvider(t, Options{SimulateKey: webhooktest.RSAKeys[0]})
	for _, status := range []order.Status{order.Paid, order.Refunded} {
		r, err := p.Simulate(webhook.Simulation{ID: "EV-1", Order: "A1001", Payment: "4200001", Status: status, Amount: 9900, Currency: "CNY", At: now})
		if err != nil {
			t.Fatal(err)
		}
		events, err := p.Open(r)
		if err != nil || events[0].Status != status || events[0].Order != "A1001" || events[0].Payment != "4200001" || events[0].Amount != 9900 {
			t.Errorf("%s: %+v, %v", status, events, err)
		}
	}
	for _, status := range []order.Status{order.Failed, order.Expired, order.Disputed} {
		if _, err := p.Simulate(webhook.Simulation{Order: "A1001", Status: status, Amount: 1, Currency: "CNY", At: now}); err == nil {
			t.Errorf("%s is simulated, and never notified", status)
		}
	}
}

func TestNewNamesTheMend(t *testing.T) {
	public := webhooktest.RSAPublic(t, webhooktest.RSAKeys[0])
	for want, o := range map[string]Options{
		"no secrets":                                {},
		"neither certificates nor public_keys":      {Secrets: []string{apiKey}},
		"has 33 bytes, and APIv3 keys have 32":      {Secrets: []string{apiKey + "x"}},
		"public key 1 is not its id, PUB_KEY_ID_…":  {Secrets: []string{apiKey}, PublicKeys: []string{public}},
		"public key 1 is a private key":             {Secrets: []string{apiKey}, PublicKeys: []string{serial + "=" + webhooktest.RSAKeys[0]}},
		"certificate 1 is not PEM":                  {Secrets: []string{apiKey}, Certificates: []string{"x"}},
		"simulate_key is not PEM of an RSA private": {Secrets: []string{apiKey}, PublicKeys: []string{serial + "=" + public}, SimulateKey: "x"},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func FuzzResource(f *testing.F) {
	p := newProvider(f, Options{SimulateKey: webhooktest.RSAKeys[0]})
	f.Add("TRANSACTION.SUCCESS", []byte(success))
	f.Add("REFUND.SUCCESS", []byte(refundOf+`"refund_status":"SUCCESS","amount":{"refund":1}}`))
	f.Fuzz(func(t *testing.T, typ string, resource []byte) {
		events, err := p.read(p.seal("EV-1", typ, resource, now))
		webhooktest.Checked(t, events, err)
	})
}
