//go:build unix

package fault_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paybell/paybell/fault/checker"
)

// A crowd is all clients of a run.
type crowd struct {
	targets []target
	record  *record
	stream  *http.Client // whose answers may never end

	up     atomic.Int64 // clients whose connection stands
	asking atomic.Int64 // … and those who have asked for one and not been answered
	group  sync.WaitGroup
	ctx    context.Context // nil: nobody has come yet
	end    context.CancelFunc
}

func newCrowd(targets []target, log *record) *crowd {
	return &crowd{targets: targets, record: log, stream: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 4096, IdleConnTimeout: 5 * time.Second, DisableCompression: true},
	}}
}

// A client waits for orders over one transport, comes back whenever its
// connection ends, and remembers nothing but what it saw last.
type client struct {
	*crowd
	name      string
	transport string
	orders    []string
	brief     bool // has tokens of a few seconds
	keeps     bool // has one token, whatever becomes of it
	pass      pass

	conn  int
	node  string
	last  map[string]checker.State
	retry time.Duration // when it was told to come back; 0: nobody said
}

// join has one more client come, until the crowd leaves or ctx ends.
func (c *crowd) join(ctx context.Context, one *client) {
	if c.ctx == nil {
		c.ctx, c.end = context.WithCancel(ctx)
	}
	c.group.Go(func() { one.stay(c.ctx) })
}

// come connects a number of clients, each to an order of the list, and some to
// two, over each transport in turn.
func (c *crowd) come(ctx context.Context, number int, orders []string) {
	for i := range number {
		one := &client{
			crowd: c, name: fmt.Sprintf("c%d", i), transport: []string{"websocket", "sse", "poll"}[i%3],
			orders: []string{orders[i%len(orders)]}, brief: i%20 == 7, last: map[string]checker.State{},
		}
		if other := orders[rand.IntN(len(orders))]; one.transport != "poll" && i%10 == 0 && other != one.orders[0] {
			one.orders = append(one.orders, other)
		}
		c.join(ctx, one)
	}
}

// leave lets all clients go.
func (c *crowd) leave() {
	c.end()
	c.group.Wait()
	c.stream.CloseIdleConnections()
}

// stay connects again and again: when it is told to, or with full jitter over a
// span that doubles.
func (c *client) stay(ctx context.Context) {
	pause(ctx, rand.N(500*time.Millisecond))
	for span := 200 * time.Millisecond; ctx.Err() == nil; {
		c.conn, c.retry = c.conn+1, 0
		stood := time.Now()
		to := c.targets[rand.IntN(len(c.targets))]
		c.node = to.name
		c.asking.Add(1)
		c.connect(ctx, to.address())
		c.asking.Add(-1)
		if time.Since(stood) > 2*time.Second {
			span = 200 * time.Millisecond
		}
		if wait := c.retry; wait > 0 {
			pause(ctx, wait)
			continue
		}
		pause(ctx, rand.N(span))
		span = min(2*span, 2*time.Second)
	}
}

// connect waits over the client's transport until the connection ends. It has a new
// token each time, unless it keeps the one that it came with.
func (c *client) connect(ctx context.Context, base string) {
	if !c.keeps {
		life := 900
		if c.brief {
			life = 3 + rand.IntN(4)
		}
		c.pass = issue(c.orders, "", life)
	}
	switch c.transport {
	case "websocket":
		c.webSocket(ctx, base)
	case "sse":
		c.sse(ctx, base)
	default:
		c.poll(ctx, base)
	}
}

func (c *client) note(r checker.Receipt) {
	r.Client, r.Conn, r.Node, r.Transport = c.name, c.conn, c.node, c.transport
	if r.At == 0 {
		r.At = now()
	}
	c.record.write(r)
}

// stands notes that the connection is there, and returns what notes its end.
func (c *client) stands() (ends func(code int, reason string)) {
	c.note(c.came(checker.Opened))
	c.up.Add(1)
	return func(code int, reason string) {
		c.up.Add(-1)
		c.note(checker.Receipt{What: checker.Closed, Code: code, Reason: reason})
	}
}

// came is a receipt that says with what token the client came.
func (c *client) came(what string) checker.Receipt {
	return checker.Receipt{
		What: what, Orders: c.orders, Expires: c.pass.expires, Token: c.pass.id, Subject: c.pass.subject, Issued: c.pass.issued,
	}
}

func (c *client) refused(code int, reason string) {
	r := c.came(checker.Refused)
	r.Code, r.Reason = code, reason
	c.note(r)
}

func (c *client) got(typ string, s *checker.State) {
	if s == nil {
		return
	}
	c.last[s.Order] = *s
	c.note(checker.Receipt{What: checker.Received, Type: typ, State: s})
}

// A farewell is what the gateway says before it lets a client go.
type farewell struct {
	Reason  string `json:"reason"`
	RetryMS int    `json:"retry_ms"`
}

func (c *client) told(f farewell) {
	c.retry = time.Duration(f.RetryMS) * time.Millisecond
	c.note(checker.Receipt{What: checker.Told, Reason: f.Reason, RetryMS: f.RetryMS})
}

var tokens atomic.Int64

// A pass is a token, and what it says.
type pass struct {
	token, id, subject string
	issued, expires    checker.Time
}

// mint makes a token that names no subject, and says when it ends.
func mint(orders []string, life int) (token string, expires checker.Time) {
	p := issue(orders, "", life)
	return p.token, p.expires
}

// issue makes a token as a merchant's backend does.
func issue(orders []string, subject string, life int) pass {
	issued := time.Now().Unix()
	p := pass{
		id: fmt.Sprintf("t%d", tokens.Add(1)), subject: subject,
		issued: checker.Time(issued) * checker.Second, expires: checker.Time(issued+int64(life)) * checker.Second,
	}
	says := map[string]any{"iss": "fault", "aud": "paybell", "iat": issued, "exp": issued + int64(life), "jti": p.id, "orders": orders}
	if subject != "" {
		says["sub"] = subject
	}
	claims, err := json.Marshal(says)
	if err != nil {
		panic(err) // it is numbers and texts
	}
	part := base64.RawURLEncoding.EncodeToString
	signed := part([]byte(`{"alg":"HS256","typ":"JWT","kid":"k1"}`)) + "." + part(claims)
	mac := hmac.New(sha256.New, []byte(tokenSecret))
	mac.Write([]byte(signed))
	p.token = signed + "." + part(mac.Sum(nil))
	return p
}
