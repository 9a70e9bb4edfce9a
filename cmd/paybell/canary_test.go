package main

import (
	"bufio"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// A plant is a text that must not come out where it is looked for.
type plant struct {
	what, text string
	private    bool // it may be in the ledger, and nowhere else
}

// A canary looks for plants in whatever a gateway lets out.
type canary struct {
	plants []plant
	leaks  []string
}

func (c *canary) plant(what, text string) string {
	c.plants = append(c.plants, plant{what: what, text: text})
	return text
}

// private plants what the ledger keeps for the merchant alone.
func (c *canary) private(what, text string) string {
	c.plants = append(c.plants, plant{what, text, true})
	return text
}

// look notes every plant in content, as it is and in the forms in which logs
// and databases may write it.
func (c *canary) look(where, content string) {
	for _, p := range c.plants {
		if p.private && where == "the ledger" {
			continue
		}
		raw := []byte(p.text)
		for _, form := range []string{
			p.text, url.QueryEscape(p.text), hex.EncodeToString(raw), base64.StdEncoding.EncodeToString(raw),
			base64.RawURLEncoding.EncodeToString(raw),
		} {
			if strings.Contains(content, form) {
				c.leaks = append(c.leaks, fmt.Sprintf("%s is in %s", p.what, where))
				break
			}
		}
	}
}

// A token made by hand, with a secret: the expired and forged ones too.
func handmade(secret string, claims map[string]any) string {
	part := func(v any) string {
		content, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(content)
	}
	signed := part(map[string]any{"alg": "HS256", "kid": "demo", "typ": "JWT"}) + "." + part(claims)
	code := hmac.New(sha256.New, []byte(secret))
	code.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(code.Sum(nil))
}

// A planted gateway is one that is lived through with plants in everything secret.
type planted struct {
	*testGateway
	canary
	token  string
	ledger string
}

func startPlanted(t *testing.T) *planted {
	l := &planted{ledger: filepath.Join(t.TempDir(), "paybell.db")}
	l.testGateway = startGatewayWith(t, l.ledger, func(c *config) {
		c.Hosted.Enabled = true
		c.ClusterSecret = secret(l.plant("the cluster secret", "CanaryClusterSecret"+rand.Text()))
		c.Auth.Keys[0].Secret = secret(l.plant("the token secret", "CanaryTokenSecret"+rand.Text()))
		c.Auth.APIKeys[0] = secret(l.plant("the API key", "CanaryApiKey"+rand.Text()))
		stripe, shop := c.Sources["stripe"], c.Sources["shop"]
		stripe.secrets()[0] = string(l.plant("stripe's secret", "whsec_CanaryStripe"+rand.Text()))
		l.plant("the shop's secret", strings.TrimPrefix(shop.secrets()[0], "whsec_"))
	})
	return l
}

// meet sends a request, and looks at the answer if it is an error.
func (l *planted) meet(want int, method, address, bearer, body string, headers ...string) string {
	l.t.Helper()
	response, content := l.do(method, address, bearer, body, headers...)
	if response.StatusCode != want {
		l.t.Errorf("%s %s answered %d, want %d: %s", method, address, response.StatusCode, want, content)
	}
	if want >= 400 {
		l.look("an answer", fmt.Sprint(response.Header)+content)
	}
	return content
}

// hook posts a webhook, with its signatures planted.
func (l *planted) hook(want int, source string, r webhook.Request) {
	l.t.Helper()
	for name, values := range r.Header {
		if strings.HasSuffix(name, "-Signature") {
			_, signature, _ := strings.Cut(values[0], "v1")
			l.plant("a signature", signature[1:])
		}
	}
	var headers []string
	for name, values := range r.Header {
		headers = append(headers, name, values[0])
	}
	l.meet(want, "POST", "/webhooks/"+source, "", string(r.Body), headers...)
}

const cardNumber = "4000056655665556"

func (l *planted) webhooks() {
	name := l.private("a customer's name", "Wilhelmina Canary")
	l.plant("a card number", cardNumber)
	note := fmt.Sprintf(`"holder":%q,"pan":"%s","spaced":"4000 0566 5566 5556"`, name, cardNumber)
	paid := `{"type":"payment.paid","data":{"order":"A1","amount":9900,"currency":"EUR",` + note + `}}`
	good := l.sign("shop", paid)
	l.hook(200, "shop", good)
	l.hook(200, "shop", good)
	good.Body = []byte(strings.Replace(paid, "9900", "9901", 1))
	l.hook(401, "shop", good)
	l.hook(200, "shop", l.sign("shop", `{"type":"payment.paid","data":{"order":"A1","amount":{},"currency":"EUR",`+note+`}}`))
	l.hook(200, "shop", l.sign("shop", `{"type":"payment.paid","data":{`+note))
	l.hook(200, "stripe", l.sign("stripe", `{"id":"evt_1","object":"event","type":"payment_intent.succeeded","data":{`+note+`}}`))
	stripe := l.sign("stripe", `{"id":"evt_2",`+note+`}`)
	stripe.Header.Set("Content-Encoding", "gzip")
	l.hook(415, "stripe", stripe)
	l.hook(404, l.plant("a guessed source", "canary-source"), l.sign("shop", paid))
	l.hook(401, "stripe", webhook.Request{Body: []byte(paid), Header: http.Header{
		"Content-Type": {"application/json"}, "Stripe-Signature": {"t=1,v1=CanarySignature"},
	}})
}

func (l *planted) tokens() {
	now := time.Now().Unix()
	claims := map[string]any{
		"iss": l.config.Auth.Issuer, "aud": "paybell", "iat": now - 600, "exp": now - 300, "jti": "canary-jti", "orders": []string{"A1"},
	}
	expired := handmade(string(l.config.Auth.Keys[0].Secret), claims)
	forged := handmade("another secret that is long enough", claims)
	garbage := "canary-garbage-token"
	for _, token := range []string{expired, forged, garbage, l.token + "x"} {
		l.plant("a refused token", token[max(0, len(token)-20):])
		l.meet(401, "GET", "/v1/orders/A1", token, "")
		l.meet(401, "GET", "/v1/sse?order=A1", token, "")
		l.meet(401, "POST", "/v1/tickets", token, `{"order":"A1"}`)
		l.meet(401, "GET", "/v1/ws", token, "")
		l.meet(401, "GET", "/v1/orders/A1?token="+token, "", "")
		l.socket(token)
	}
	l.meet(403, "GET", "/v1/orders/A2", l.token, "")
	l.meet(400, "GET", "/v1/orders/A1", "", "", "Authorization", "Bearer")
	l.socket(l.token)
}

// socket opens a WebSocket as a browser does, with the token as a sub-protocol,
// and looks at what comes first.
func (l *planted) socket(token string) {
	l.t.Helper()
	wire, err := net.Dial("tcp", strings.TrimPrefix(l.base, "http://"))
	if err != nil {
		l.t.Fatal(err)
	}
	defer wire.Close()
	wire.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(wire, "GET /v1/ws?order=A1 HTTP/1.1\r\nHost: gateway\r\nOrigin: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: paybell.v1, bearer.%s\r\n\r\n",
		l.config.Origins[0], token)
	reader := bufio.NewReader(wire)
	response, err := http.ReadResponse(reader, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		l.t.Errorf("the handshake was answered %v, %v", response, err)
		return
	}
	frame := make([]byte, 2)
	io.ReadFull(reader, frame)
	first := make([]byte, min(int(frame[1]), 125))
	if _, err := io.ReadFull(reader, first); err != nil {
		l.t.Errorf("after the handshake: %v", err)
	}
	l.look("a handshake", fmt.Sprint(response.Header)+string(first))
}

func (l *planted) tickets() {
	content := l.meet(201, "POST", "/v1/tickets", l.token, "")
	ticket := l.plant("a ticket", decode[struct{ Ticket string }](l.t, content).Ticket)
	request, err := http.NewRequestWithContext(l.t.Context(), "GET", l.base+"/v1/sse?ticket="+ticket, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		l.t.Fatal(err)
	}
	response.Body.Close()
	l.meet(401, "GET", "/v1/sse?ticket="+ticket, "", "")
	l.meet(401, "GET", "/v1/sse?ticket="+l.plant("a bad ticket", "canary-bad-ticket"), "", "")
}

// pages opens the hosted page in every way, good and bad. What is said to who is let
// in is looked at like an error, but for the pass itself.
func (l *planted) pages() {
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	script := append(form, "Accept", "application/json")
	content := l.meet(201, "POST", "/v1/tickets", l.token, "")
	ticket := l.plant("a ticket", decode[struct{ Ticket string }](l.t, content).Ticket)
	content = l.meet(200, "POST", "/pay/A1", "", "pass="+ticket, script...)
	pass := decode[struct{ Pass string }](l.t, content).Pass
	l.plant("a pass", strings.TrimPrefix(pass, "pass."))
	l.meet(401, "POST", "/pay/A1", "", "pass="+ticket, script...)
	l.meet(401, "POST", "/pay/A1", "", "pass="+ticket, form...)
	l.meet(403, "POST", "/pay/A2", "", "pass="+pass, form...)
	l.meet(403, "POST", "/pay/A2", "", "pass="+l.token, script...)
	l.meet(401, "POST", "/pay/A1", "", "pass="+pass+"x", form...)
	l.meet(401, "POST", "/pay/A1", "", "pass="+l.plant("a bad pass", "canary-bad-pass"), form...)
	l.meet(400, "POST", "/pay/A1", "", strings.Repeat("x", maxHostedForm+1), form...)
	l.meet(401, "POST", "/pay/A1?pass="+pass, "", "", form...)
	for _, address := range []string{"/pay/A1", "/pay/A2", "/pay/A1?pass=" + pass, "/pay/A1?ticket=" + ticket} {
		l.look("a page", l.meet(200, "GET", address, "", "", "Cookie", cookieName("A1")+"="+pass))
		l.look("a page", l.meet(200, "GET", address, "", "", "Cookie", cookieName("A1")+"="+pass+"x"))
		l.look("a page", l.meet(200, "GET", address, "", ""))
	}
}

func (l *planted) backends() {
	key := string(l.config.Auth.APIKeys[0])
	wrong := l.plant("a wrong API key", "canary-wrong-api-key")
	l.meet(401, "POST", "/v1/sessions", wrong, `{"order":"A1"}`)
	l.meet(401, "GET", "/v1/orders/A1/timeline", wrong, "")
	l.meet(401, "POST", "/v1/sessions", "", `{}`, "Authorization", "Basic "+wrong)
	bad := l.plant("an unreadable body", "canary-body")
	for _, body := range []string{bad, `{"order":"A1","subject":"` + bad, `{"order":"` + bad + ` x"}`, `{"order":"A1","return_url":"` + bad + `"}`} {
		l.meet(400, "POST", "/v1/sessions", key, body)
	}
	l.meet(400, "POST", "/v1/orders/A1/events", key, `{"status":"`+bad+`"}`)
	l.meet(400, "POST", "/v1/orders/A1/events", key, `{"status":"paid"}`, "Idempotency-Key", bad+" x")
	l.meet(201, "POST", "/v1/orders/A1/events", key, `{"status":"failed","payment":"p1","reason":"card `+cardNumber+` declined"}`)
	l.meet(409, "POST", "/v1/sessions", key, `{"order":"A1","amount":1,"currency":"EUR","subject":"canary-subject"}`)
}

func TestNothingSecretComesOut(t *testing.T) {
	l := startPlanted(t)
	subject := l.private("a customer's id", "canary-subject")
	content := l.backend(http.StatusCreated, "POST", "/v1/sessions", `{"order":"A1","amount":9900,"currency":"EUR","subject":"`+subject+`"}`)
	l.token = decode[struct{ Token string }](t, content).Token
	for i, part := range strings.Split(l.token, ".") {
		if i > 0 {
			l.plant("a token", part)
		}
	}
	stream := l.watch("A1", l.token)
	stream.want("snapshot", 1, order.Created)
	l.webhooks()
	l.tokens()
	l.tickets()
	l.pages()
	l.backends()

	_, metrics := l.do("GET", l.admin+"/metrics", "", "")
	l.look("the metrics", metrics)
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	l.look("the logs", l.logs.String())
	l.look("the ledger", l.stored())
	for _, leak := range l.leaks {
		t.Error(leak)
	}
	for _, outcome := range []string{"accepted", "duplicate", "unverified", "quarantined", "refused"} {
		if !strings.Contains(l.logs.String(), "outcome="+outcome) {
			t.Errorf("no webhook was %s, so this test shows less than it says", outcome)
		}
	}
	if !strings.Contains(l.stored(), "400005******5556") {
		t.Error("the ledger holds no masked card number: was the body kept?")
	}
}

// stored is the ledger's files, byte by byte.
func (l *planted) stored() string {
	l.t.Helper()
	files, err := filepath.Glob(l.ledger + "*")
	if err != nil || len(files) == 0 {
		l.t.Fatalf("the ledger's files: %v, %v", files, err)
	}
	var all strings.Builder
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			l.t.Fatal(err)
		}
		all.Write(content)
	}
	return all.String()
}

// TestCanarySings shows that TestNothingSecretComesOut can fail.
func TestCanarySings(t *testing.T) {
	for _, form := range []string{"se cret", "se+cret", hex.EncodeToString([]byte("se cret")), base64.StdEncoding.EncodeToString([]byte("se cret"))} {
		var c canary
		c.plant("the secret", "se cret")
		c.look("the logs", `level=INFO msg="token `+form+`"`)
		if len(c.leaks) != 1 {
			t.Errorf("%q was not seen", form)
		}
	}
	var c canary
	c.private("a name", "Wilhelmina")
	c.look("the ledger", "Wilhelmina")
	if len(c.leaks) > 0 {
		t.Error("the ledger may hold names")
	}
	if c.look("an answer", "Wilhelmina"); len(c.leaks) != 1 {
		t.Error("an answer may not")
	}
}
