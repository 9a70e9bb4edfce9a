package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/problem"
	"github.com/paybell/paybell/order"
)

// A sessionAnswer is what POST /v1/sessions returns.
type sessionAnswer struct {
	Token     *string
	ExpiresAt *time.Time `json:"expires_at"`
	Order     order.State
	URLs      map[string]string
}

// A problemAnswer is an error as the protocol describes it.
type problemAnswer struct {
	Type, Title, Detail string
	Status              int
}

// wantProblem checks that an answer is the problem of a name in all its parts.
func wantProblem(t testing.TB, response *http.Response, content string, status int, name string) problemAnswer {
	t.Helper()
	if got := response.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("answered %d %s: %s", response.StatusCode, got, content)
	}
	p := decode[problemAnswer](t, content)
	if response.StatusCode != status || p.Status != status || p.Type != problem.Prefix+name || p.Title == "" || p.Detail == "" {
		t.Errorf("answered %d %+v, want %d %s", response.StatusCode, p, status, name)
	}
	if response.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s may be cached", name)
	}
	return p
}

// fails sends a request as the merchant's backend and wants a problem.
func (gw *testGateway) fails(status int, name, method, address, body string, headers ...string) problemAnswer {
	gw.t.Helper()
	response, content := gw.do(method, address, string(gw.config.Auth.APIKeys[0]), body, headers...)
	return wantProblem(gw.t, response, content, status, name)
}

func TestSessionRegistersAnOrderAndOpensIt(t *testing.T) {
	gw := startGateway(t)
	a := decode[sessionAnswer](t, gw.backend(http.StatusCreated, "POST", "/v1/sessions",
		`{"order":"A/1?x","amount":9900,"currency":"CNY","expires_in":60,"subject":"u42",
		  "return_url":"https://shop.example/thanks","expires_at":"2999-11-23T09:00:00Z","livemode":true}`))
	if a.Order.Order != "A/1?x" || a.Order.Version != 1 || a.Order.Amount != 9900 || a.Order.Currency != "CNY" || a.Order.Status != order.Created {
		t.Errorf("the order is %+v", a.Order)
	}
	if life := time.Until(*a.ExpiresAt); life < 50*time.Second-patience || life > time.Minute {
		t.Errorf("the token lives for %v", life)
	}
	want := map[string]string{
		"ws":   strings.Replace(gw.base, "http", "ws", 1) + "/v1/ws",
		"sse":  gw.base + "/v1/sse?order=A%2F1%3Fx",
		"poll": gw.base + "/v1/orders/A%2F1%3Fx",
	}
	for name, address := range want {
		if a.URLs[name] != address {
			t.Errorf("the URL %s is %s, want %s", name, a.URLs[name], address)
		}
	}
	response, content := gw.do("GET", a.URLs["poll"], *a.Token, "")
	if response.StatusCode != http.StatusOK || decode[order.State](t, content).Order != "A/1?x" {
		t.Errorf("polling was answered %d: %s", response.StatusCode, content)
	}
	claims, err := gw.gateway.verifier.Verify(*a.Token)
	if err != nil || claims.Subject != "u42" {
		t.Errorf("the token says %+v, %v", claims, err)
	}
}

func TestSessionNeedsOnlyAnOrder(t *testing.T) {
	gw := startGateway(t)
	for _, body := range []string{`{"order":"A1"}`, `{"order":"A1","amount":null,"currency":null,"livemode":null,"expires_in":null}`} {
		a := decode[sessionAnswer](t, gw.backend(http.StatusCreated, "POST", "/v1/sessions", body))
		if life := time.Until(*a.ExpiresAt); life < 5*time.Minute-patience || life > 5*time.Minute {
			t.Errorf("without expires_in the token lives for %v", life)
		}
	}
}

func TestSessionURLsWithoutPublicURLAreThoseAskedAt(t *testing.T) {
	var base string
	gw := startGatewayWith(t, t.TempDir()+"/l.db", func(c *config) { base, c.PublicURL = c.PublicURL, "" })
	gw.base = strings.Replace(base, "127.0.0.1", "localhost", 1)
	a := decode[sessionAnswer](t, gw.backend(http.StatusCreated, "POST", "/v1/sessions", `{"order":"A1"}`))
	if a.URLs["poll"] != gw.base+"/v1/orders/A1" || !strings.HasPrefix(a.URLs["ws"], "ws://localhost:") {
		t.Errorf("the URLs are %v", a.URLs)
	}
}

func TestSessionWithoutASigningKeyHasNoToken(t *testing.T) {
	gw := startGatewayWith(t, t.TempDir()+"/l.db", func(c *config) { c.Auth.Keys = []keyConfig{publicKeyOnly} })
	content := gw.backend(http.StatusCreated, "POST", "/v1/sessions", `{"order":"A1"}`)
	if a := decode[sessionAnswer](t, content); a.Token != nil || a.ExpiresAt != nil || !strings.Contains(content, `"token":null`) {
		t.Errorf("answered %s", content)
	}
}

// publicKeyOnly verifies and cannot sign.
var publicKeyOnly = keyConfig{ID: "pub", Algorithm: "EdDSA", PublicKey: `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
`}

func TestSessionOnTheSameTermsRenewsTheToken(t *testing.T) {
	gw := startGateway(t)
	terms := `"order":"A1","amount":100,"currency":"EUR","return_url":"https://a.example/","expires_at":"2999-01-01T10:00:00Z","livemode":false`
	first := decode[sessionAnswer](t, gw.backend(http.StatusCreated, "POST", "/v1/sessions", `{`+terms+`}`))
	again := decode[sessionAnswer](t, gw.backend(http.StatusCreated, "POST", "/v1/sessions", `{"subject":"u9","expires_in":900,`+terms+`}`))
	sameMoment := strings.Replace(terms, "10:00:00Z", "12:00:00+02:00", 1)
	gw.backend(http.StatusCreated, "POST", "/v1/sessions", `{`+sameMoment+`}`)
	if *first.Token == *again.Token || again.Order.Version != 1 || again.ExpiresAt.Before(*first.ExpiresAt) {
		t.Errorf("renewed: %+v", again)
	}
	for what, other := range map[string]string{
		"amount":      strings.Replace(terms, `:100`, `:101`, 1),
		"currency":    strings.Replace(terms, `EUR`, `USD`, 1),
		"return_url":  strings.Replace(terms, `a.example`, `b.example`, 1),
		"expires_at":  strings.Replace(terms, `2999`, `2998`, 1),
		"livemode":    strings.Replace(terms, `false`, `true`, 1),
		"no terms":    `"order":"A1"`,
		"no livemode": strings.TrimSuffix(terms, `,"livemode":false`),
	} {
		t.Run(what, func(t *testing.T) {
			gw.fails(http.StatusConflict, "terms-differ", "POST", "/v1/sessions", `{`+other+`}`)
		})
	}
}

func TestSessionSaysWhatIsWrongWithAField(t *testing.T) {
	gw := startGateway(t)
	long := strings.Repeat("x", 129)
	for body, want := range map[string]string{
		``:                           "must be a JSON object",
		`[]`:                         "must be a JSON object",
		`{"order":"A1"} {}`:          "must be a JSON object",
		`{"order":"A1","order":"B"}`: "duplicate name",
		`{"order":"A1","x":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`: "nested deeper",
		"{\"order\":\"A\xff\"}":    "must be a JSON object",
		`{}`:                       "order is empty",
		`{"order":17}`:             "order is not a string",
		`{"order":"A 1"}`:          "order has a character other than printable ASCII",
		`{"order":"Ä"}`:            "order has a character other than printable ASCII",
		`{"order":".."}`:           "order is a path",
		`{"order":"` + long + `"}`: "order is longer than 128 bytes",
		`{"order":"A1","subject":"` + long + `"}`:                       "subject is longer than 128 bytes",
		`{"order":"A1","subject":{}}`:                                   "subject is not a string",
		`{"order":"A1","amout":5,"currency":"EUR"}`:                     `unknown field "amout"; did you mean "amount"?`,
		`{"order":"A1","Amount":5}`:                                     `unknown field "Amount"; did you mean "amount"?`,
		`{"order":"A1","zzzzzzzzzzzz":5}`:                               `unknown field "zzzzzzzzzzzz"`,
		`{"order":"A1","amount":5}`:                                     "amount and currency belong together",
		`{"order":"A1","currency":"EUR"}`:                               "amount and currency belong together",
		`{"order":"A1","amount":"5","currency":"EUR"}`:                  "amount is a whole number",
		`{"order":"A1","amount":5.0,"currency":"EUR"}`:                  "amount is a whole number",
		`{"order":"A1","amount":0,"currency":"EUR"}`:                    "amount is a whole number",
		`{"order":"A1","amount":-1,"currency":"EUR"}`:                   "amount is a whole number",
		`{"order":"A1","amount":1e999999,"currency":"E"}`:               "amount is a whole number",
		`{"order":"A1","amount":1000000000000000,"currency":"EUR"}`:     "amount is a whole number",
		`{"order":"A1","amount":99999999999999999999,"currency":"EUR"}`: "amount is a whole number",
		`{"order":"A1","amount":5,"currency":"eur"}`:                    "currency is an ISO 4217 code in capitals",
		`{"order":"A1","amount":5,"currency":5}`:                        "currency is not a string",
		`{"order":"A1","expires_in":0}`:                                 "from 1 to 900",
		`{"order":"A1","expires_in":901}`:                               "from 1 to 900",
		`{"order":"A1","expires_in":-5}`:                                "from 1 to 900",
		`{"order":"A1","expires_in":"60"}`:                              "from 1 to 900",
		`{"order":"A1","expires_in":60.5}`:                              "from 1 to 900",
		`{"order":"A1","livemode":"true"}`:                              "livemode is true or false",
		`{"order":"A1","return_url":"javascript:alert(1)"}`:             "return_url is not an absolute https URL",
		`{"order":"A1","return_url":"/thanks"}`:                         "return_url is not an absolute https URL",
		`{"order":"A1","return_url":false}`:                             "return_url is not a string",
		`{"order":"A1","expires_at":"tomorrow"}`:                        "expires_at is when the order ends, in RFC 3339",
		`{"order":"A1","expires_at":1790000000}`:                        "expires_at is not a string",
		`{"order":"A1","expires_at":"9999-12-31T23:59:59-01:00"}`:       "expires_at is outside the years 1970 to 9999",
		`{"order":"A1","expires_at":"9999-12-31T23:59:59-23:00"}`:       "expires_at is outside the years 1970 to 9999",
		`{"order":"A1","expires_at":"0000-01-01T00:00:00+23:00"}`:       "expires_at is outside the years 1970 to 9999",
		`{"order":"A1","expires_at":"0001-01-01T00:00:00Z"}`:            "expires_at is outside the years 1970 to 9999",
		`{"order":"A1","expires_at":"2001-01-01T00:00:00Z"}`:            "expires_at is in the past",
	} {
		if p := gw.fails(http.StatusBadRequest, "bad-request", "POST", "/v1/sessions", body); !strings.Contains(p.Detail, want) {
			t.Errorf("%s: the detail is %q, want %q in it", body, p.Detail, want)
		}
	}
	if _, changes := gw.timeline("A1"); len(changes) > 0 {
		t.Error("a refused session registered its order")
	}
	for _, life := range []int{1, 900} {
		gw.backend(http.StatusCreated, "POST", "/v1/sessions", fmt.Sprintf(`{"order":"A1","expires_in":%d}`, life))
	}
}

func TestIdempotencyKeyIsForOneRequest(t *testing.T) {
	gw := startGateway(t)
	for _, c := range []struct{ address, body, other string }{
		{"/v1/sessions", `{"order":"A1","amount":5,"currency":"EUR"}`, `{"order":"A2"}`},
		{"/v1/orders/A1/events", `{"status":"pending"}`, `{"status":"paid"}`},
	} {
		gw.backend(http.StatusCreated, "POST", c.address, c.body, "Idempotency-Key", "k1")
		want := http.StatusCreated
		if c.address != "/v1/sessions" {
			want = http.StatusOK
		}
		gw.backend(want, "POST", c.address, c.body, "Idempotency-Key", "k1")
		gw.fails(http.StatusUnprocessableEntity, "idempotency-key-reused", "POST", c.address, c.other, "Idempotency-Key", "k1")
	}
	gw.backend(http.StatusCreated, "POST", "/v1/orders/A2/events", `{"status":"paid"}`, "Idempotency-Key", "k1") // another address
	if s := gw.state("A1"); s.Status != order.Pending {
		t.Errorf("a refused event made the order %s", s.Status)
	}
	for _, key := range []string{"", "two words", strings.Repeat("k", 129)} {
		gw.fails(http.StatusBadRequest, "bad-request", "POST", "/v1/sessions", `{"order":"A9"}`, "Idempotency-Key", key)
	}
}

func TestIdempotencyKeyUsedAtOnce(t *testing.T) {
	gw := startGateway(t)
	statuses := make(chan int, 20)
	var group sync.WaitGroup
	for i := range cap(statuses) {
		group.Go(func() {
			body := `{"status":"paid","amount":5,"currency":"EUR"}`
			if i%2 == 1 {
				body = `{"status":"failed"}`
			}
			response, _ := gw.do("POST", "/v1/orders/A1/events", string(gw.config.Auth.APIKeys[0]), body, "Idempotency-Key", "k1")
			statuses <- response.StatusCode
		})
	}
	group.Wait()
	close(statuses)
	count := map[int]int{}
	for status := range statuses {
		count[status]++
	}
	if count[http.StatusCreated] != 1 || count[http.StatusOK] != 9 || count[http.StatusUnprocessableEntity] != 10 {
		t.Errorf("the answers were %v, want one 201, nine 200, ten 422", count)
	}
}

func TestAPIKeyIsNeeded(t *testing.T) {
	gw := startGateway(t)
	closed := startGatewayWith(t, t.TempDir()+"/l.db", func(c *config) { c.Auth.APIKeys = nil })
	key := string(gw.config.Auth.APIKeys[0])
	for _, c := range []struct {
		what          string
		gw            *testGateway
		authorization []string
	}{
		{"missing", gw, nil},
		{"wrong", gw, []string{"Bearer " + key + "x"}},
		{"of another case", gw, []string{"Bearer " + strings.ToLower(key)}},
		{"empty", gw, []string{"Bearer "}},
		{"another scheme", gw, []string{"Basic " + key}},
		{"twice", gw, []string{"Bearer " + key, "Bearer " + key}},
		{"a customer's token", gw, []string{"Bearer " + gw.session("A1")}},
		{"none configured", closed, []string{"Bearer " + key}},
		{"none configured, none sent", closed, nil},
		{"none configured, an empty one sent", closed, []string{"Bearer "}},
	} {
		for _, route := range []string{"POST /v1/sessions", "POST /v1/orders/A1/events", "GET /v1/orders/A1/timeline"} {
			t.Run(c.what+" "+route, func(t *testing.T) {
				method, path, _ := strings.Cut(route, " ")
				request, err := http.NewRequestWithContext(t.Context(), method, c.gw.base+path, strings.NewReader(`{"order":"A1","status":"paid"}`))
				if err != nil {
					t.Fatal(err)
				}
				request.Header["Authorization"] = c.authorization
				response, err := http.DefaultClient.Do(request)
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
				content, _ := io.ReadAll(response.Body)
				wantProblem(t, response, string(content), http.StatusUnauthorized, "api-key-invalid")
				if response.Header.Get("WWW-Authenticate") != "Bearer" {
					t.Errorf("WWW-Authenticate is %q", response.Header.Get("WWW-Authenticate"))
				}
			})
		}
	}
	if s := gw.state("A1"); s.Status != order.Created {
		t.Errorf("a stranger made the order %s", s.Status)
	}
}

func TestMerchantRequestsOfAWrongForm(t *testing.T) {
	gw := startGateway(t)
	large := `{"order":"` + strings.Repeat("x", maxMerchantBody) + `"}`
	for _, c := range []struct {
		status                int
		name, allow           string
		method, address, body string
	}{
		{405, "method-not-allowed", "POST", "GET", "/v1/sessions", ""},
		{405, "method-not-allowed", "POST", "HEAD", "/v1/sessions", ""},
		{405, "method-not-allowed", "POST", "DELETE", "/v1/sessions", ""},
		{405, "method-not-allowed", "POST", "PUT", "/v1/orders/A1/events", "{}"},
		{405, "method-not-allowed", "GET", "POST", "/v1/orders/A1/timeline", "{}"},
		{405, "method-not-allowed", "GET", "HEAD", "/v1/sse?order=A1", ""},
		{404, "not-found", "", "POST", "/v1/sessions/", ""},
		{404, "not-found", "", "GET", "/v1/orders/A1/nothing", ""},
		{404, "not-found", "", "GET", "/v1/orders/", ""},
		{404, "not-found", "", "GET", "/v2/sessions", ""},
		{413, "too-large", "", "POST", "/v1/sessions", large},
		{413, "too-large", "", "POST", "/v1/orders/A1/events", large},
		{400, "bad-request", "", "POST", "/v1/orders/%20/events", `{"status":"paid"}`},
		{400, "bad-request", "", "POST", "/v1/orders/%00/events", `{"status":"paid"}`},
		{400, "bad-request", "", "GET", "/v1/orders/%C3%84/timeline", ""},
	} {
		t.Run(c.method+" "+c.address, func(t *testing.T) {
			response, content := gw.do(c.method, c.address, string(gw.config.Auth.APIKeys[0]), c.body)
			if c.method == "HEAD" {
				if response.StatusCode != c.status || content != "" {
					t.Fatalf("answered %d with %q", response.StatusCode, content)
				}
			} else {
				wantProblem(t, response, content, c.status, c.name)
			}
			if got := response.Header.Get("Allow"); got != c.allow {
				t.Errorf("Allow is %q, want %q", got, c.allow)
			}
		})
	}
	response, content := gw.do("HEAD", "/v1/orders/A1/timeline", string(gw.config.Auth.APIKeys[0]), "")
	if response.StatusCode != http.StatusOK || content != "" {
		t.Errorf("HEAD of a timeline was answered %d with %q", response.StatusCode, content)
	}
	response, _ = gw.do("OPTIONS", "/v1/sessions", "", "")
	if response.StatusCode != http.StatusNoContent || response.Header.Get("Allow") != "POST" {
		t.Errorf("OPTIONS was answered %d %v", response.StatusCode, response.Header)
	}
}

func TestSessionRenewsTheTokenOfAnExpiredOrder(t *testing.T) {
	gw := startGateway(t)
	terms := order.Terms{Amount: 100, Currency: "EUR", ExpiresAt: time.Now().Add(-time.Hour).UTC().Truncate(time.Second)}
	if _, err := gw.gateway.ledger.Register(t.Context(), order.IdempotencyKey{}, "A1", terms); err != nil {
		t.Fatal(err)
	}
	body := `{"order":%q,"amount":100,"currency":"EUR","expires_at":"` + terms.ExpiresAt.Format(time.RFC3339) + `"}`
	if a := decode[sessionAnswer](t, gw.backend(http.StatusCreated, "POST", "/v1/sessions", fmt.Sprintf(body, "A1"))); a.Token == nil {
		t.Errorf("no token: %+v", a)
	}
	gw.fails(http.StatusBadRequest, "bad-request", "POST", "/v1/sessions", fmt.Sprintf(body, "A2"))
}
