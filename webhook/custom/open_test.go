package custom_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/custom"
)

const (
	secret   = "pdl_ntfset_01gkdqjv6s_Qv8wXo4Yz"
	previous = "pdl_ntfset_00aaaaaaaa_Jk2LmNp7Q"
	body     = `{"id":"evt_1","data":{"order_id":"A1001","payment_id":"p1","status":"PAID","amount":"9900","currency":"cny"}}`
	address  = "https://pay.example.com/webhooks/shop?account=7"
)

var (
	now = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	ts  = strconv.FormatInt(now.Unix(), 10)
)

func shopEvent() custom.Event {
	return custom.Event{
		ID: "id", Order: "data.order_id", Payment: "data.payment_id", Status: "data.status",
		Statuses: map[string]string{"PAID": "paid", "FAILED": "failed", "REFUNDED": "refunded", "CHARGEBACK": "disputed", "PING": "ignore"},
		Amount:   "data.amount", Currency: "data.currency",
	}
}

func config(v custom.Verify) custom.Config { return custom.Config{Verify: v, Event: shopEvent()} }

// The signatures of some senders, described as an operator would.
var (
	paddle = custom.Verify{
		Algorithm: "hmac-sha256", Header: "Paddle-Signature", Field: "h1", Separator: ";",
		Signed: "{timestamp}:{body}", Timestamp: custom.Timestamp{Field: "ts", Tolerance: time.Minute},
	}
	github = custom.Verify{Algorithm: "hmac-sha256", Header: "X-Hub-Signature-256", Prefix: "sha256=", Signed: "{body}"}
	square = custom.Verify{
		Algorithm: "hmac-sha256", Header: "x-square-hmacsha256-signature", Encoding: "base64", Signed: "{url}{body}",
	}
	shop = custom.Verify{
		Algorithm: "hmac-sha512", Header: "X-Signature", Prefix: "v1=", Separator: ",", Encoding: "base64url",
		Signed:    "{method} {path}?account={query:account}\n{header:X-Shop}\n{id}.{timestamp}.{{{body}}}",
		Timestamp: custom.Timestamp{Header: "X-Time", Unit: "ms"},
		ID:        custom.ID{Header: "X-Id"},
	}
)

func signature(newHash func() hash.Hash, key, text string) []byte {
	h := hmac.New(newHash, []byte(key))
	h.Write([]byte(text))
	return h.Sum(nil)
}

func hexMAC(key, text string) string { return hex.EncodeToString(signature(sha256.New, key, text)) }

func request(header map[string]string) webhook.Request {
	h := http.Header{}
	for name, value := range header {
		h.Set(name, value)
	}
	return webhook.Request{Method: "POST", URL: address, Header: h, Body: []byte(body), At: now}
}

func newProvider(t testing.TB, c custom.Config, secrets ...string) *custom.Provider {
	t.Helper()
	p, err := custom.New(c, secrets, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func wantPaid(t *testing.T, events []order.Event, err error) {
	t.Helper()
	want := order.Event{ID: "evt_1", Order: "A1001", Payment: "p1", Kind: order.KindPayment, Status: order.Paid,
		Amount: 9900, Currency: "CNY", Livemode: true, Type: "PAID"}
	if err != nil || len(events) != 1 || events[0] != want {
		t.Fatalf("got  %+v, %v\nwant %+v", events, err, want)
	}
}

func wantUnverified(t *testing.T, events []order.Event, err error) {
	t.Helper()
	if !errors.Is(err, webhook.ErrUnverified) || events != nil {
		t.Fatalf("got %v, %v; want it not verified", events, err)
	}
}

func paddleRequest(signatures string) webhook.Request {
	return request(map[string]string{"Paddle-Signature": "ts=" + ts + ";" + signatures})
}

func shopRequest() webhook.Request {
	ms := strconv.FormatInt(now.UnixMilli(), 10)
	text := "POST /webhooks/shop?account=7\nacme\nn1." + ms + ".{" + body + "}"
	return request(map[string]string{
		"X-Shop": "acme", "X-Id": "n1", "X-Time": ms,
		"X-Signature": "v0=abc, v1=" + base64.RawURLEncoding.EncodeToString(signature(sha512.New, secret, text)),
	})
}

func TestOpensLikeSendersSign(t *testing.T) {
	hexKey := hex.EncodeToString([]byte(secret))
	with := func(v custom.Verify, change func(*custom.Verify)) custom.Verify { change(&v); return v }
	for name, c := range map[string]struct {
		verify  custom.Verify
		secrets []string
		request webhook.Request
	}{
		"paddle":               {paddle, []string{secret}, paddleRequest("h1=" + hexMAC(secret, ts+":"+body))},
		"paddle, second of h1": {paddle, []string{secret}, paddleRequest("h1=" + hexMAC(previous, ts+":"+body) + "; h1=" + hexMAC(secret, ts+":"+body))},
		"paddle, old secret":   {paddle, []string{secret, previous}, paddleRequest("h1=" + hexMAC(previous, ts+":"+body))},
		"github":               {github, []string{secret}, request(map[string]string{"X-Hub-Signature-256": "sha256=" + hexMAC(secret, body)})},
		"upper-case hex":       {github, []string{secret}, request(map[string]string{"X-Hub-Signature-256": "sha256=" + strings.ToUpper(hexMAC(secret, body))})},
		"secret in hex": {with(github, func(v *custom.Verify) { v.SecretEncoding = "hex" }), []string{hexKey},
			request(map[string]string{"X-Hub-Signature-256": "sha256=" + hexMAC(secret, body)})},
		"secret in base64": {with(github, func(v *custom.Verify) { v.SecretEncoding = "base64" }), []string{base64.StdEncoding.EncodeToString([]byte(secret))},
			request(map[string]string{"X-Hub-Signature-256": "sha256=" + hexMAC(secret, body)})},
		"SHA-1": {with(github, func(v *custom.Verify) { v.Algorithm = "hmac-sha1" }), []string{secret},
			request(map[string]string{"X-Hub-Signature-256": "sha256=" + hex.EncodeToString(signature(sha1.New, secret, body))})},
		"square": {square, []string{secret},
			request(map[string]string{"X-Square-Hmacsha256-Signature": base64.StdEncoding.EncodeToString(signature(sha256.New, secret, address+body))})},
		"square behind a proxy": {with(square, func(v *custom.Verify) { v.URL = "https://shop.example/hook" }), []string{secret},
			request(map[string]string{"X-Square-Hmacsha256-Signature": base64.StdEncoding.EncodeToString(signature(sha256.New, secret, "https://shop.example/hook"+body))})},
	} {
		t.Run(name, func(t *testing.T) {
			events, err := newProvider(t, config(c.verify), c.secrets...).Open(c.request)
			wantPaid(t, events, err)
		})
	}
	t.Run("a shop's own", func(t *testing.T) {
		c := config(shop)
		c.Event.ID = ""
		events, err := newProvider(t, c, secret).Open(shopRequest())
		if err != nil || len(events) != 1 || events[0].ID != "n1" || events[0].Status != order.Paid {
			t.Fatalf("got %+v, %v", events, err)
		}
	})
}

func TestRefuses(t *testing.T) {
	good := "h1=" + hexMAC(secret, ts+":"+body)
	set := func(value string) func(*webhook.Request) {
		return func(r *webhook.Request) { r.Header.Set("Paddle-Signature", value) }
	}
	p := newProvider(t, config(paddle), secret)
	for name, change := range map[string]func(*webhook.Request){
		"no header":              func(r *webhook.Request) { r.Header = nil },
		"header twice":           func(r *webhook.Request) { r.Header.Add("Paddle-Signature", "ts="+ts+";"+good) },
		"empty header":           set(""),
		"no signature":           set("ts=" + ts),
		"empty signature":        set("ts=" + ts + ";h1="),
		"no timestamp":           set(good),
		"timestamp twice":        set("ts=" + ts + ";ts=" + ts + ";" + good),
		"empty timestamp":        set("ts=;" + good),
		"timestamp with a sign":  set("ts=+" + ts + ";" + good),
		"timestamp out of range": set("ts=9" + ts + "0000000000;" + good),
		"year 10000":             set("ts=253402300800;" + good),
		"signature of another":   set("ts=" + ts + ";h1=" + hexMAC(previous, ts+":"+body)),
		"signature of body":      set("ts=" + ts + ";h1=" + hexMAC(secret, body)),
		"signature in base64":    set("ts=" + ts + ";h1=" + base64.StdEncoding.EncodeToString(signature(sha256.New, secret, ts+":"+body))),
		"signature cut short":    set("ts=" + ts + ";" + good[:len(good)-2]),
		"another field":          set("ts=" + ts + ";h2" + good[2:]),
		"another separator":      set("ts=" + ts + "," + good),
		"too many signatures":    set("ts=" + ts + ";" + strings.Repeat("h1=00;", 16) + good),
		"changed body":           func(r *webhook.Request) { r.Body[5] ^= 1 },
		"empty body":             func(r *webhook.Request) { r.Body = nil },
		"a minute and more old":  func(r *webhook.Request) { r.At = now.Add(61 * time.Second) },
		"ahead by a minute":      func(r *webhook.Request) { r.At = now.Add(-61 * time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			r := paddleRequest(good)
			change(&r)
			events, err := p.Open(r)
			wantUnverified(t, events, err)
			if strings.Contains(err.Error(), good[3:]) || strings.Contains(err.Error(), secret) {
				t.Errorf("error quotes a signature or secret: %v", err)
			}
		})
	}
	r := paddleRequest(good)
	r.At = now.Add(time.Minute)
	events, err := p.Open(r)
	wantPaid(t, events, err)
}

func TestRefusesWhatAShopSigned(t *testing.T) {
	c := config(shop)
	c.Event.ID = ""
	p := newProvider(t, c, secret)
	for name, change := range map[string]func(*webhook.Request){
		"another method":        func(r *webhook.Request) { r.Method = "PUT" },
		"another path":          func(r *webhook.Request) { r.URL = strings.Replace(address, "shop", "shop2", 1) },
		"another query":         func(r *webhook.Request) { r.URL = strings.Replace(address, "7", "8", 1) },
		"query parameter twice": func(r *webhook.Request) { r.URL = address + "&account=7" },
		"no query":              func(r *webhook.Request) { r.URL, _, _ = strings.Cut(address, "?") },
		"address that is none":  func(r *webhook.Request) { r.URL = "https://%zz" },
		"another header":        func(r *webhook.Request) { r.Header.Set("X-Shop", "evil") },
		"signed header twice":   func(r *webhook.Request) { r.Header.Add("X-Shop", "acme") },
		"no signed header":      func(r *webhook.Request) { r.Header.Del("X-Shop") },
		"another id":            func(r *webhook.Request) { r.Header.Set("X-Id", "n2") },
		"no id":                 func(r *webhook.Request) { r.Header.Del("X-Id") },
		"empty id":              func(r *webhook.Request) { r.Header.Set("X-Id", "") },
		"id twice":              func(r *webhook.Request) { r.Header.Add("X-Id", "n1") },
		"no time":               func(r *webhook.Request) { r.Header.Del("X-Time") },
		"time of seconds":       func(r *webhook.Request) { r.Header.Set("X-Time", ts) },
		"no prefix": func(r *webhook.Request) {
			_, s, _ := strings.Cut(r.Header.Get("X-Signature"), "v1=")
			r.Header.Set("X-Signature", s)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := shopRequest()
			change(&r)
			events, err := p.Open(r)
			wantUnverified(t, events, err)
		})
	}
}

// "n1.1700…" as an id would let one request be told as two events.
func TestRefusesAnIDThatEatsTheTimestamp(t *testing.T) {
	c := config(custom.Verify{Algorithm: "hmac-sha256", Header: "X-Sig", Signed: "{id}.{timestamp}.{body}",
		Timestamp: custom.Timestamp{Header: "X-Time"}, ID: custom.ID{Header: "X-Id"}})
	p := newProvider(t, c, secret)
	// The sender signed the id "a" and a body that a customer could shape.
	r := request(map[string]string{"X-Id": "a." + ts, "X-Time": ts})
	r.Header.Set("X-Sig", hexMAC(secret, "a."+ts+"."+ts+"."+body))
	events, err := p.Open(r)
	wantUnverified(t, events, err)
}

func TestTimeInTheBody(t *testing.T) {
	v := github
	v.Timestamp = custom.Timestamp{Path: "data.time", Unit: "rfc3339", Tolerance: time.Hour}
	p := newProvider(t, config(v), secret)
	open := func(b string) ([]order.Event, error) {
		r := request(map[string]string{"X-Hub-Signature-256": "sha256=" + hexMAC(secret, b)})
		r.Body = []byte(b)
		return p.Open(r)
	}
	timed := func(at string) string { return strings.Replace(body, `"data":{`, `"data":{"time":"`+at+`",`, 1) }
	events, err := open(timed("2026-11-23T07:30:00Z"))
	wantPaid(t, events, err)
	for _, b := range []string{timed("2026-11-23T06:59:59Z"), timed("2026-11-23T09:00:01Z"), timed("soon"), body} {
		events, err := open(b)
		wantUnverified(t, events, err)
	}
}

func pemOf(t *testing.T, public any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestPublicKeys(t *testing.T) {
	sum := sha256.Sum256([]byte(body))
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))
	ecKey := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	edPublic, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r, s, err := ecdsa.Sign(rand.Reader, ecKey, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	raw := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	_, oneLine, _ := strings.Cut(strings.ReplaceAll(pemOf(t, &ecKey.PublicKey), "\n", ""), "-----BEGIN PUBLIC KEY-----")
	oneLine, _, _ = strings.Cut(oneLine, "-----")
	pkcs1 := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey)}))
	template := &x509.Certificate{SerialNumber: r}
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE",
		Bytes: must(x509.CreateCertificate(rand.Reader, template, template, &rsaKey.PublicKey, rsaKey))}))
	pkcs := must(rsa.SignPKCS1v15(rand.Reader, rsaKey, crypto.SHA256, sum[:]))
	pss := must(rsa.SignPSS(rand.Reader, rsaKey, crypto.SHA256, sum[:], nil))

	for name, c := range map[string]struct {
		algorithm, form, key string
		signature            []byte
		opens                bool
	}{
		"RSA":                      {"rsa-sha256", "", pemOf(t, &rsaKey.PublicKey), pkcs, true},
		"RSA, PKCS 1 key":          {"rsa-sha256", "", pkcs1, pkcs, true},
		"RSA, certificate":         {"rsa-sha256", "", certificate, pkcs, true},
		"RSA-PSS":                  {"rsa-pss-sha256", "", pemOf(t, &rsaKey.PublicKey), pss, true},
		"RSA-PSS for PKCS 1":       {"rsa-sha256", "", pemOf(t, &rsaKey.PublicKey), pss, false},
		"PKCS 1 for RSA-PSS":       {"rsa-pss-sha256", "", pemOf(t, &rsaKey.PublicKey), pkcs, false},
		"ECDSA":                    {"ecdsa-sha256", "asn1", pemOf(t, &ecKey.PublicKey), must(ecdsa.SignASN1(rand.Reader, ecKey, sum[:])), true},
		"ECDSA raw":                {"ecdsa-sha256", "raw", pemOf(t, &ecKey.PublicKey), raw, true},
		"ECDSA, base64 of the PEM": {"ecdsa-sha256", "raw", oneLine, raw, true},
		"ECDSA raw for ASN.1":      {"ecdsa-sha256", "asn1", pemOf(t, &ecKey.PublicKey), raw, false},
		"ECDSA ASN.1 for raw":      {"ecdsa-sha256", "raw", pemOf(t, &ecKey.PublicKey), must(ecdsa.SignASN1(rand.Reader, ecKey, sum[:])), false},
		"ECDSA of zeros":           {"ecdsa-sha256", "raw", pemOf(t, &ecKey.PublicKey), make([]byte, 64), false},
		"Ed25519":                  {"ed25519", "", pemOf(t, edPublic), ed25519.Sign(edKey, []byte(body)), true},
		"Ed25519, bare":            {"ed25519", "", base64.StdEncoding.EncodeToString(edPublic), ed25519.Sign(edKey, []byte(body)), true},
		"Ed25519, short":           {"ed25519", "", pemOf(t, edPublic), []byte("short"), false},
		"HMAC with the public key": {"rsa-sha256", "", pkcs1, signature(sha256.New, pkcs1, body), false},
	} {
		t.Run(name, func(t *testing.T) {
			v := custom.Verify{Algorithm: c.algorithm, ECDSA: c.form, Header: "X-Sig", Encoding: "base64", Signed: "{body}"}
			p, err := custom.New(config(v), nil, []string{c.key})
			if err != nil {
				t.Fatal(err)
			}
			events, err := p.Open(request(map[string]string{"X-Sig": base64.StdEncoding.EncodeToString(c.signature)}))
			if c.opens {
				wantPaid(t, events, err)
			} else {
				wantUnverified(t, events, err)
			}
			if _, err := p.Simulate(webhook.Simulation{ID: "e1", Order: "A1", Status: order.Paid, At: now}); err == nil {
				t.Error("signed without a private key")
			}
		})
	}
	small := &rsa.PublicKey{N: must(rsa.GenerateKey(rand.Reader, 1024)).N, E: 65537}
	for name, c := range map[string]struct{ algorithm, key, want string }{
		"RSA of 1024 bits":     {"rsa-sha256", pemOf(t, small), "1024 bits"},
		"curve P-384":          {"ecdsa-sha256", pemOf(t, &must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)).PublicKey), "P-256"},
		"key of another kind":  {"ed25519", pemOf(t, &ecKey.PublicKey), "another kind"},
		"private key":          {"ed25519", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(edKey))})), "is a PRIVATE KEY"},
		"no key":               {"ed25519", "whatever it is", "not a readable public key"},
		"base64 of what?":      {"rsa-sha256", "AAAA", "not a readable public key"},
		"unreadable PEM":       {"rsa-sha256", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "not a readable public key"},
		"unreadable PKCS 1":    {"rsa-sha256", "-----BEGIN RSA PUBLIC KEY-----\nAAAA\n-----END RSA PUBLIC KEY-----\n", "not a readable public key"},
		"unreadable certifica": {"rsa-sha256", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "not a readable certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := custom.New(config(custom.Verify{Algorithm: c.algorithm, Header: "X-Sig", Signed: "{body}"}), nil, []string{c.key})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func FuzzOpen(f *testing.F) {
	c := config(shop)
	c.Event.ID = ""
	p := newProvider(f, c, secret)
	known := shopRequest()
	f.Add(known.Header.Get("X-Signature"), known.Header.Get("X-Time"), "n1", address, known.Body)
	f.Add("v1=,v1=%,=,", "-1", "n.1", "://", []byte(`{`))
	f.Fuzz(func(t *testing.T, sig, at, id, address string, body []byte) {
		r := shopRequest()
		r.Header["X-Signature"], r.Header["X-Time"], r.Header["X-Id"] = []string{sig}, []string{at}, []string{id}
		r.URL, r.Body = address, body
		_, err := p.Open(r)
		if !errors.Is(err, webhook.ErrUnverified) && (id != "n1" || at != known.Header.Get("X-Time") || string(body) != string(known.Body)) {
			t.Error("opened what nobody signed")
		}
		if err != nil && !errors.Is(err, webhook.ErrUnverified) && !errors.Is(err, webhook.ErrUnreadable) {
			t.Errorf("an error of neither kind: %v", err)
		}
	})
}
