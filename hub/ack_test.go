package hub

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/paybell/paybell/order"
)

// ack says that a version was shown.
func (n *node) ack(token, id, body string) answer {
	n.t.Helper()
	r := n.get("/v1/orders/"+id+"/ack", token, nil)
	r.Method, r.Body = http.MethodPost, io.NopCloser(strings.NewReader(body))
	return n.do(r)
}

func TestAcknowledgedVersionsAreTold(t *testing.T) {
	n := start(t, Options{})
	n.commit("o", order.Pending)
	n.commit("o", order.Paid)
	token := n.grant(Grant{Subject: "u7", Orders: []string{"o"}})
	for _, body := range []string{`{"version":1,"epoch":"e1"}`, `{"version":2,"epoch":"e1","more":true}`, `{"version":0,"epoch":"e1"}`} {
		if a := n.ack(token, "o", body); a.status != http.StatusNoContent {
			t.Errorf("%s was answered %+v", body, a)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.told) != 2 {
		t.Fatalf("told %+v", n.told)
	}
	for i, one := range n.told {
		if one.Order != "o" || one.Version != int64(i+1) || one.Transport != "ack" || one.Subject != "u7" || one.Count != 1 || one.At.IsZero() {
			t.Errorf("told %+v", one)
		}
	}
}

func TestAcknowledgementsThatAreRefused(t *testing.T) {
	n := start(t, Options{})
	n.commit("o", order.Paid)
	for _, c := range []struct {
		name, token, id, body string
		status                int
		problem               string
	}{
		{"no token", "", "o", `{"version":1,"epoch":"e1"}`, 401, "token-missing"},
		{"another's order", n.token("p"), "o", `{"version":1,"epoch":"e1"}`, 403, "not-your-order"},
		{"a version to come", n.token("o"), "o", `{"version":2,"epoch":"e1"}`, 400, "bad-request"},
		{"another epoch", n.token("o"), "o", `{"version":1,"epoch":"e2"}`, 400, "bad-request"},
		{"no epoch", n.token("o"), "o", `{"version":1}`, 400, "bad-request"},
		{"a negative version", n.token("o"), "o", `{"version":-1,"epoch":"e1"}`, 400, "bad-request"},
		{"a broken version", n.token("o"), "o", `{"version":1.5,"epoch":"e1"}`, 400, "bad-request"},
		{"no body", n.token("o"), "o", ``, 400, "bad-request"},
		{"too long a body", n.token("o"), "o", `{"version":1,"epoch":"e1","x":"` + strings.Repeat("x", maxAck) + `"}`, 400, "bad-request"},
	} {
		if a := n.ack(c.token, c.id, c.body); a.status != c.status || a.problem != c.problem {
			t.Errorf("%s: answered %d %s", c.name, a.status, a.problem)
		}
	}
	n.book.fail(errors.New("disk"))
	if a := n.ack(n.token("o"), "o", `{"version":1,"epoch":"e1"}`); a.status != 503 {
		t.Errorf("without a ledger: answered %d", a.status)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.told) != 0 {
		t.Errorf("told %+v", n.told)
	}
}
