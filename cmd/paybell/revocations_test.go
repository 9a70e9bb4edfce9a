package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybell/paybell/auth"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/order/sqlite"
)

// A revocationAnswer is what POST /v1/revocations returns.
type revocationAnswer struct {
	JTI, Subject, Order, Key, Reason *string
	IssuedBefore                     *time.Time `json:"issued_before"`
	ExpiresAt                        *time.Time `json:"expires_at"`
}

// revoke revokes as the merchant's backend.
func (gw *testGateway) revoke(body string, headers ...string) revocationAnswer {
	gw.t.Helper()
	return decode[revocationAnswer](gw.t, gw.backend(http.StatusCreated, "POST", "/v1/revocations", body, headers...))
}

// sessionOf registers an order for a subject and returns its token.
func (gw *testGateway) sessionOf(subject, id string) string {
	gw.t.Helper()
	content := gw.backend(http.StatusCreated, "POST", "/v1/sessions", fmt.Sprintf(`{"order":%q,"subject":%q}`, id, subject))
	return decode[struct{ Token string }](gw.t, content).Token
}

// polls asks for an order and wants it, or a problem.
func (gw *testGateway) polls(token, id, problem string) {
	gw.t.Helper()
	response, content := gw.do("GET", "/v1/orders/"+id, token, "")
	if problem != "" {
		wantProblem(gw.t, response, content, http.StatusUnauthorized, problem)
	} else if response.StatusCode != http.StatusOK {
		gw.t.Errorf("polling %s was answered %d: %s", id, response.StatusCode, content)
	}
}

// jti reads a token of this gateway's.
func (gw *testGateway) jti(token string) string {
	gw.t.Helper()
	claims, err := gw.gateway.verifier.Verify(token)
	if err != nil {
		gw.t.Fatal(err)
	}
	return claims.ID
}

func TestRevokedSubjectIsSentAwayAndMayComeBack(t *testing.T) {
	gw := startGateway(t)
	token, others := gw.sessionOf("u42", "A1"), gw.sessionOf("u43", "A2")
	w, other := gw.watch("A1", token), gw.watch("A2", others)
	w.next("snapshot")
	other.next("snapshot")

	before := time.Now()
	a := gw.revoke(`{"subject":"u42","reason":"signed out"}`)
	if bye := w.next("goodbye"); !strings.Contains(bye, `"reason":"token_revoked"`) {
		t.Errorf("the stream ended with %s", bye)
	}
	if a.Subject == nil || *a.Subject != "u42" || *a.Reason != "signed out" || a.JTI != nil || !a.IssuedBefore.After(before) ||
		a.IssuedBefore.After(time.Now().Add(time.Second)) || a.ExpiresAt.Sub(*a.IssuedBefore) < 15*time.Minute {
		t.Errorf("answered %+v", a)
	}
	if said := gw.logs.String(); !regexp.MustCompile(`msg="tokens revoked" kind=subject api_key=[0-9a-f]{8}\n`).MatchString(said) || strings.Contains(said, "u42") {
		t.Errorf("the log says\n%s", said)
	}
	gw.polls(token, "A1", "token-revoked")
	renewed := gw.sessionOf("u42", "A1") // at once, and most probably in the same second
	gw.polls(renewed, "A1", "")
	w = gw.watch("A1", renewed)
	w.next("snapshot")
	gw.backend(http.StatusCreated, "POST", "/v1/orders/A1/events", `{"status":"paid","amount":100,"currency":"EUR"}`)
	gw.backend(http.StatusCreated, "POST", "/v1/orders/A2/events", `{"status":"paid","amount":100,"currency":"EUR"}`)
	w.next("update")
	other.next("update") // nobody else was sent away
}

func TestRevocationHoldsOverEveryWay(t *testing.T) {
	gw := startGateway(t)
	token := gw.mint("A1")
	id := gw.jti(token)
	held := make(chan string, 1)
	tag := gw.tag(token, "A1")
	go func() {
		response, content := gw.do("GET", "/v1/orders/A1?wait=60", token, "", "If-None-Match", tag)
		held <- fmt.Sprint(response.StatusCode, " ", content)
	}()
	gw.left(1)
	gw.revoke(fmt.Sprintf(`{"jti":%q}`, id))
	if got := <-held; !strings.HasPrefix(got, "401 ") || !strings.Contains(got, "token-revoked") {
		t.Errorf("a held poll was answered %s", got)
	}
	for _, w := range ways[:1] {
		if _, why := w.try(gw, token, "A1", http.Header{}); why == nil || why.problem != "token-revoked" || why.code != 401 {
			t.Errorf("%s: %+v", w.name, why)
		}
	}
	response, content := gw.do("POST", "/v1/tickets", token, "")
	wantProblem(t, response, content, http.StatusUnauthorized, "token-revoked")
	if metrics := gw.metrics(); !strings.Contains(metrics, `paybell_tokens_total{result="revoked"} 2`) || !strings.Contains(metrics, "paybell_revocations 1") ||
		!strings.Contains(metrics, `paybell_connections_closed_total{cause="token_revoked",transport="poll"} 1`) {
		t.Errorf("the metrics are %s", metrics)
	}
}

// metrics reads those that are about tokens, connections and revocations.
func (gw *testGateway) metrics() (found string) {
	gw.t.Helper()
	_, content := gw.do("GET", gw.admin+"/metrics", "", "")
	for line := range strings.Lines(content) {
		if strings.HasPrefix(line, "paybell_tokens") || strings.HasPrefix(line, "paybell_connections_closed") || strings.HasPrefix(line, "paybell_revocations") {
			found += line
		}
	}
	return found
}

func TestRevokedOrderAndKey(t *testing.T) {
	gw := startGateway(t)
	one, both, other := gw.mint("A1"), gw.mint("A2", "A1"), gw.mint("A2")
	a := gw.revoke(`{"order":"A1"}`)
	if *a.Order != "A1" || a.IssuedBefore == nil || a.ExpiresAt == nil || a.Reason != nil {
		t.Errorf("answered %+v", a)
	}
	gw.polls(one, "A1", "token-revoked")
	gw.polls(both, "A2", "token-revoked") // it names the order too
	gw.polls(other, "A2", "")
	gw.polls(gw.session("A1"), "A1", "")

	if a = gw.revoke(`{"key":"demo"}`); *a.Key != "demo" || a.IssuedBefore != nil || a.ExpiresAt != nil {
		t.Errorf("answered %+v", a)
	}
	gw.polls(other, "A2", "token-revoked")
	content := gw.backend(http.StatusCreated, "POST", "/v1/sessions", `{"order":"A3"}`)
	if s := decode[sessionAnswer](t, content); s.Token != nil || s.ExpiresAt != nil {
		t.Errorf("a session got a token of a revoked key: %s", content)
	}
	if !strings.Contains(gw.logs.String(), "the key that signs is revoked") {
		t.Error("the operator is not told why sessions get no token")
	}
}

func TestRevocationSaysWhatIsWrong(t *testing.T) {
	gw := startGateway(t)
	long := strings.Repeat("x", 129)
	for body, want := range map[string]string{
		``:                                    "must be a JSON object",
		`{}`:                                  "one of jti, subject, order and key",
		`{"subject":null}`:                    "one of jti, subject, order and key",
		`{"jti":"a","subject":"b"}`:           "both jti and subject",
		`{"jti":"a","jti":"b"}`:               "duplicate name",
		`{"subject":7}`:                       "subject is not a string",
		`{"subject":""}`:                      "subject is not text of 1 to 128 bytes",
		`{"jti":"` + long + `"}`:              "jti is not text",
		`{"jti":"a\u0000"}`:                   "jti is not text",
		`{"order":"A 1"}`:                     "order ",
		`{"key":"` + long + `"}`:              "key is not text",
		`{"sub":"u42"}`:                       `unknown field "sub"`,
		`{"jti":"a","reason":7}`:              "reason is not a string",
		`{"jti":"a","expires_at":7}`:          "expires_at is not a string",
		`{"jti":"a","expires_at":"tomorrow"}`: "in RFC 3339",
		`{"jti":"a","expires_at":"2026-01-01T00:00:00Z"}`:                           "sooner than in 15 min 30 s",
		`{"key":"a","expires_at":"2020-01-01T00:00:00Z"}`:                           "in the past",
		`{"key":"a","expires_at":"9999-12-31T23:59:59-01:00"}`:                      "after the year 9999",
		`{"jti":"a","reason":"` + strings.Repeat("x", order.MaxTextLength+1) + `"}`: "reason is not text",
	} {
		t.Run(body[:min(len(body), 40)], func(t *testing.T) {
			gw.t = t
			if p := gw.fails(http.StatusBadRequest, "bad-request", "POST", "/v1/revocations", body); !strings.Contains(p.Detail, want) {
				t.Errorf("the detail is %q, want %q in it", p.Detail, want)
			}
		})
	}
	gw.t = t
	response, content := gw.do("POST", "/v1/revocations", "no api key", `{"jti":"a"}`)
	wantProblem(t, response, content, http.StatusUnauthorized, "api-key-invalid")
	gw.fails(http.StatusMethodNotAllowed, "method-not-allowed", "GET", "/v1/revocations", "")
	gw.fails(http.StatusRequestEntityTooLarge, "too-large", "POST", "/v1/revocations", `{"jti":"`+strings.Repeat("x", 70<<10)+`"}`)
	if n := gw.gateway.revocations.known.Len(); n != 0 {
		t.Errorf("%d refused revocations count", n)
	}
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	if a := gw.revoke(fmt.Sprintf(`{"key":"a","expires_at":%q}`, until.Format(time.RFC3339))); !a.ExpiresAt.Equal(until) {
		t.Errorf("answered %+v", a)
	}
}

func TestRepeatedRevocationCountsOnce(t *testing.T) {
	gw := startGateway(t)
	first := gw.revoke(`{"subject":"u42"}`, "Idempotency-Key", "k1")
	renewed := gw.sessionOf("u42", "A1")
	for time.Now().Before(first.IssuedBefore.Add(10 * time.Millisecond)) { // a second one would be of a later second
		time.Sleep(10 * time.Millisecond)
	}
	again := gw.revoke(`{"subject":"u42"}`, "Idempotency-Key", "k1")
	if !again.IssuedBefore.Equal(*first.IssuedBefore) || !again.ExpiresAt.Equal(*first.ExpiresAt) {
		t.Errorf("answered %+v and then %+v", first, again)
	}
	gw.polls(renewed, "A1", "")
	gw.fails(http.StatusUnprocessableEntity, "idempotency-key-reused", "POST", "/v1/revocations", `{"subject":"u43"}`, "Idempotency-Key", "k1")
	gw.revoke(`{"subject":"u42"}`, "Idempotency-Key", "k2")
	gw.polls(renewed, "A1", "token-revoked")
}

func TestRevocationOutlivesARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paybell.db")
	gw := startGatewayWith(t, path, nil)
	revoked, fine := gw.mint("A1"), gw.mint("A1")
	gw.revoke(fmt.Sprintf(`{"jti":%q}`, gw.jti(revoked)))
	if err := gw.stop(); err != nil {
		t.Fatal(err)
	}
	keys := gw.config.Auth
	gw = startGatewayWith(t, path, func(c *config) { c.Auth = keys })
	gw.polls(revoked, "A1", "token-revoked")
	gw.polls(fine, "A1", "")
}

func TestTooManyRevocationsAreRefused(t *testing.T) {
	gw := startGateway(t)
	gw.gateway.revocations.most = 2
	gw.revoke(`{"jti":"a"}`)
	gw.revoke(`{"jti":"b"}`)
	gw.fails(http.StatusTooManyRequests, "too-many-revocations", "POST", "/v1/revocations", `{"jti":"c"}`)
}

func TestTooManyRevocationsDoNotKeepSubjectsOrdersAndKeysFromBeingRevoked(t *testing.T) {
	gw := startGateway(t)
	gw.gateway.revocations.most = 0
	for _, body := range []string{`{"subject":"u42"}`, `{"order":"A1"}`, `{"key":"leaked"}`} {
		gw.revoke(body)
	}
}

// A changeable feed is another ledger's from some moment on.
type changeable struct{ order.Revocations }

// TestAnotherLedgerIsReadFromItsBeginning: a backup that was restored under a
// running node has fewer revocations than were read, or others.
func TestAnotherLedgerIsReadFromItsBeginning(t *testing.T) {
	ledger := func(values ...string) order.Revocations {
		st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "l.db"), sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { st.Close() })
		err = st.Update(t.Context(), func(tx order.Tx) error {
			var all []*order.Revocation
			for _, value := range values {
				all = append(all, &order.Revocation{ID: value, Kind: order.RevokeToken, Value: value, At: time.Now()})
			}
			return tx.Revoke(t.Context(), all)
		})
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	many := make([]string, 2*revocationPage+revocationPage/2)
	for i := range many {
		many[i] = fmt.Sprint("many ", i)
	}
	feed := &changeable{ledger(many...)}
	known := &auth.Revocations{}
	closed := 0
	r := newRevocations(feed, known, func(list []order.Revocation) int { closed += len(list); return 0 }, slog.New(slog.DiscardHandler))
	read := func(want int, token string) {
		t.Helper()
		if err := r.read(t.Context()); err != nil {
			t.Fatal(err)
		}
		if closed != want || known.Len() != want || !known.Revoked(auth.Claims{ID: token}, time.Now()) {
			t.Errorf("%d were told, %d are known, want %d with %q", closed, known.Len(), want, token)
		}
	}
	read(len(many), "many 2499")
	read(len(many), "many 0") // and none of them a second time
	feed.Revocations = ledger("shorter")
	read(len(many)+1, "shorter")
	feed.Revocations = ledger("as long")
	read(len(many)+2, "as long")
}

// A moody store fails when it is told to.
type moody struct {
	*sqlite.Store
	writes, revocations atomic.Bool // fail
}

func (m *moody) Update(ctx context.Context, fn func(order.Tx) error) error {
	if m.writes.Load() {
		return errors.New("disk full")
	}
	return m.Store.Update(ctx, fn)
}

func (m *moody) Revoked(ctx context.Context, after int64, now time.Time, limit int) (order.Revoked, error) {
	if m.revocations.Load() {
		return order.Revoked{}, errors.New("disk gone")
	}
	return m.Store.Revoked(ctx, after, now, limit)
}

func openMoody(t *testing.T) (*moody, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "paybell.db")
	st, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return &moody{Store: st}, path
}

func TestLedgerThatCannotCommitRevokesNothingAndTakesNoTicket(t *testing.T) {
	st, path := openMoody(t)
	gw := startNode(t, path, st, nil)
	token := gw.session("A1")
	_, content := gw.do("POST", "/v1/tickets", token, "")
	ticket := decode[struct{ Ticket string }](t, content).Ticket

	st.writes.Store(true)
	gw.fails(http.StatusServiceUnavailable, "ledger-unavailable", "POST", "/v1/revocations", `{"order":"A1"}`)
	response, content := gw.do("GET", "/v1/sse?ticket="+ticket, "", "")
	wantProblem(t, response, content, http.StatusServiceUnavailable, "ledger-unavailable")
	gw.polls(token, "A1", "")

	st.writes.Store(false)
	gw.revoke(`{"order":"A1"}`)
	gw.polls(token, "A1", "token-revoked")
}

// TestRevocationThatIsNotReadYetStands: it is durable, and its answer says so.
func TestRevocationThatIsNotReadYetStands(t *testing.T) {
	st, path := openMoody(t)
	gw := startNode(t, path, st, nil)
	token := gw.session("A1")
	w := gw.watch("A1", token)
	w.next("snapshot")
	st.revocations.Store(true)
	gw.revoke(`{"order":"A1"}`)
	gw.polls(token, "A1", "")
	st.revocations.Store(false)
	w.next("goodbye")
	gw.polls(token, "A1", "token-revoked")
}

// TestNobodyIsLetInBeforeRevocationsAreKnown: a gateway that cannot read them does
// not start.
func TestNobodyIsLetInBeforeRevocationsAreKnown(t *testing.T) {
	st, path := openMoody(t)
	st.revocations.Store(true)
	c := demoConfig(0, path)
	g, err := newGateway(c, st, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.run(t.Context(), nil, nil); err == nil || !strings.Contains(err.Error(), "revocations") {
		t.Errorf("it ended with %v", err)
	}
}
