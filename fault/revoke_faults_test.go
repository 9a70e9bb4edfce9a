//go:build unix

package fault_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybell/paybell/fault/checker"
)

// Tokens are revoked by their id, their subject and their order at any of three
// nodes, one of which dies meanwhile. Who holds such a token tries again for ever;
// all others must go on as if nothing were.
func TestFaultRevoked(t *testing.T) {
	share(t)
	b, _ := newCluster(t, "tokens revoked", 3, settings{})
	b.plan.Bounds.Bus = staleWithoutBus()
	b.plan.Bounds.Revoked = either(5*checker.Second, 10*checker.Second)
	orders := either(300, 60)
	l := load{story: busyStory(b.seed, orders, 400, anHourAgo()), rate: either(200, 80), crowd: either(1000, 60)}

	v := newRevoking(b)
	l.leave = v.leave
	l.breaks = func(ctx context.Context) {
		for round := range either(4, 1) {
			v.round(fmt.Sprintf("k%d-", round), l.story.orders[round*orders/4:][:either(60, 24)])
			pause(ctx, either(8*time.Second, 500*time.Millisecond))
		}
		if ctx.Err() != nil {
			t.Error("all webhooks were told before all rounds were over")
		}
	}
	b.run(l)
}

// A node that does not end connections whose token was revoked would be seen.
func TestFaultControlRevokedInName(t *testing.T) {
	onlyLong(t)
	b, _ := newCluster(t, "revoked, and connections stay", 3, settings{weak: []weakness{
		{"hub/revoke.go", "		c.revoke(len(hit))\n", "		_ = c\n"},
	}})
	b.plan.Bounds.Revoked = 5 * checker.Second
	v := newRevoking(b)
	l := load{story: busyStory(b.seed, 60, 400, anHourAgo()), rate: 80, crowd: 60, notice: []string{"I10"}, leave: v.leave}
	l.breaks = func(ctx context.Context) {
		v.ends = false
		v.round("k-", l.story.orders[:24])
		pause(ctx, 8*time.Second)
	}
	b.run(l)
}

// A revoking is clients that keep their tokens, and a backend that revokes most.
type revoking struct {
	*bed
	doomed, spared *crowd
	ends           bool // connections are expected to end
	client         *http.Client
}

func newRevoking(b *bed) *revoking {
	v := &revoking{bed: b, ends: true, client: &http.Client{Timeout: 10 * time.Second}}
	v.doomed, v.spared = newCrowd(b.each(), b.log.clients), newCrowd(b.each(), b.log.clients)
	return v
}

func (v *revoking) leave() {
	for _, c := range []*crowd{v.doomed, v.spared} {
		if c.end != nil {
			c.leave()
		}
	}
	v.client.CloseIdleConnections()
}

// round has three clients come for each order, one over each transport and all of
// one subject. Of four such households one is spared; the others' tokens are
// revoked, each in its way, and a node is killed in the middle.
func (v *revoking) round(name string, orders []string) {
	doomed, spared := v.come(name, orders)
	for kept := int64(len(spared)); v.spared.up.Load() < kept || v.doomed.up.Load() < int64(len(doomed)); {
		time.Sleep(20 * time.Millisecond)
		if v.t.Context().Err() != nil || v.t.Failed() {
			return
		}
	}
	rand.Shuffle(len(doomed), func(i, j int) { doomed[i], doomed[j] = doomed[j], doomed[i] })
	done := map[string]bool{}
	dies := v.nodes[rand.IntN(len(v.nodes))]
	half := len(doomed) / 2
	for _, c := range doomed[:half] {
		v.revoke(c, done)
	}
	v.breaks(checker.NodeFault, dies.name, func() int {
		dies.kill()
		for _, c := range doomed[half:] {
			v.revoke(c, done)
		}
		dies.start(v.t)
		return 1
	})
	if !v.ends {
		return
	}
	for deadline := time.Now().Add(30 * time.Second); v.doomed.up.Load() > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			v.t.Errorf("%d clients stay whose token was revoked", v.doomed.up.Load())
			return
		}
	}
	v.probe(doomed, spared)
}

// households are by what the tokens of an order's three clients are revoked, in turn.
var households = []string{"jti", "subject", "order", ""}

// come has clients with tokens of their own come, and returns those whose tokens
// will be revoked and those who keep theirs.
func (v *revoking) come(name string, orders []string) (doomed, spared []*client) {
	for i, id := range orders {
		for _, transport := range []string{"websocket", "sse", "poll"} {
			c := &client{
				crowd: v.doomed, name: name + fmt.Sprint(i) + transport, transport: transport, orders: []string{id},
				keeps: true, pass: issue([]string{id}, name+fmt.Sprint(i), 900), last: map[string]checker.State{},
			}
			if households[i%len(households)] == "" {
				c.crowd = v.spared
				spared = append(spared, c)
			} else {
				doomed = append(doomed, c)
			}
			c.crowd.join(v.t.Context(), c)
		}
	}
	return doomed, spared
}

// way is by what a client's token is revoked.
func way(c *client) (kind, value string) {
	var household int
	fmt.Sscanf(c.pass.subject[strings.IndexByte(c.pass.subject, '-')+1:], "%d", &household)
	switch kind = households[household%len(households)]; kind {
	case "jti":
		return kind, c.pass.id
	case "subject":
		return kind, c.pass.subject
	}
	return kind, c.orders[0]
}

// revoke asks random nodes to revoke a client's token until one has. What others of
// its household had revoked already is done.
func (v *revoking) revoke(c *client, done map[string]bool) {
	kind, value := way(c)
	if done[value] {
		return
	}
	done[value] = true
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		to := v.nodes[rand.IntN(len(v.nodes))]
		one := checker.Revocation{Sent: now(), Node: to.name, Kind: kind, Value: value}
		one.Code, one.IssuedBefore = v.post(to, kind, value)
		one.Answered = now()
		v.log.revocations.write(one)
		switch {
		case one.Code/100 == 2:
			return
		case one.Code/100 == 4 || time.Now().After(deadline):
			v.t.Errorf("revocation by %s at %s: %d", kind, to.name, one.Code)
			return
		}
	}
}

// post asks a node once. The answer 0 is none.
func (v *revoking) post(to *node, kind, value string) (code int, issuedBefore checker.Time) {
	body, err := json.Marshal(map[string]string{kind: value, "reason": "a test"})
	if err != nil {
		panic(err) // it is texts
	}
	request, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, to.public+"/v1/revocations", strings.NewReader(string(body)))
	if err != nil {
		panic(err) // the address is our own
	}
	request.Header.Set("Authorization", "Bearer "+apiKey)
	request.Header.Set("Idempotency-Key", "revoke-"+value)
	response, err := v.client.Do(request)
	if err != nil {
		return 0, 0
	}
	defer response.Body.Close()
	var answer struct {
		IssuedBefore time.Time `json:"issued_before"`
	}
	if json.NewDecoder(response.Body).Decode(&answer) == nil && !answer.IssuedBefore.IsZero() {
		issuedBefore = checker.Time(answer.IssuedBefore.UnixMicro())
	}
	return response.StatusCode, issuedBefore
}

// probe brings each token to every node: in the end all refuse what was revoked,
// and none refuses what was not.
func (v *revoking) probe(doomed, spared []*client) {
	for _, n := range v.nodes {
		for _, c := range doomed {
			for deadline := time.Now().Add(30 * time.Second); v.ask(c, n) != checker.Revoked; time.Sleep(50 * time.Millisecond) {
				if time.Now().After(deadline) {
					kind, _ := way(c)
					v.t.Errorf("%s lets a token in that was revoked by %s", n.name, kind)
					break
				}
			}
		}
		for _, c := range spared {
			if reason := v.ask(c, n); reason != "" {
				v.t.Errorf("%s refuses a token that nobody revoked: %s", n.name, reason)
			}
		}
	}
}

// ask polls a node once with the token of another client, writes down what becomes of
// it, and returns why it was refused.
func (v *revoking) ask(of *client, n *node) string {
	c := &client{
		crowd: newCrowd(nil, v.log.clients), name: "probe " + n.name + of.name, transport: "poll", orders: of.orders,
		node: n.name, pass: of.pass, last: map[string]checker.State{},
	}
	c.conn = int(probes.Add(1))
	request, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, n.public+"/v1/orders/"+of.orders[0], nil)
	if err != nil {
		panic(err) // the address is our own
	}
	request.Header.Set("Authorization", "Bearer "+of.pass.token)
	response, err := v.client.Do(request)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		reason := problem(response)
		c.refused(response.StatusCode, reason)
		return reason
	}
	var s checker.State
	if err := json.NewDecoder(response.Body).Decode(&s); err != nil {
		return err.Error()
	}
	ends := c.stands()
	c.got(checker.Polled, &s)
	ends(0, "")
	io.Copy(io.Discard, response.Body)
	return ""
}

var probes atomic.Int64
