package main

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/paybell/paybell/auth"
	"github.com/paybell/paybell/hub"
	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

//go:embed demo
var demoFiles embed.FS

// What everything costs in the demo's shop.
const (
	demoAmount   = 9900
	demoCurrency = "EUR"
	demoPatience = 30 * time.Minute // until an order expires
)

// A demoShop is the shop and its two payment providers. It signs as they would,
// and sends over HTTP to the real handler.
type demoShop struct {
	base    string // of the gateway
	ledger  *order.Ledger
	hub     *hub.Hub
	minter  *auth.Minter
	signers map[string]webhook.Simulator
	run     string // sets the order ids of this run apart
	orders  atomic.Int64
	client  *http.Client
}

func newDemoShop(c *config, g *gateway, run string) (*demoShop, error) {
	minter, err := buildMinter(c, nil)
	if err != nil {
		return nil, err
	}
	sources, err := buildSources(c)
	if err != nil {
		return nil, err
	}
	shop := &demoShop{
		base: c.PublicURL, ledger: g.ledger, hub: g.hub, minter: minter, run: run,
		signers: map[string]webhook.Simulator{}, client: &http.Client{Timeout: 10 * time.Second},
	}
	for _, source := range sources {
		shop.signers[source.Name] = source.Provider.(webhook.Simulator)
	}
	return shop, nil
}

func (s *demoShop) routes(mux *http.ServeMux) {
	files, err := fs.Sub(demoFiles, "demo")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	assets := http.StripPrefix("/demo/", http.FileServerFS(files))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/demo", http.StatusFound)
	})
	mux.HandleFunc("GET /demo", func(w http.ResponseWriter, r *http.Request) {
		s.secure(w, r)
		http.ServeFileFS(w, r, files, "index.html")
	})
	mux.HandleFunc("GET /demo/", func(w http.ResponseWriter, r *http.Request) {
		s.secure(w, r)
		assets.ServeHTTP(w, r)
	})
	mux.HandleFunc("POST /demo/orders", s.order)
	mux.HandleFunc("POST /demo/orders/{order}/token", s.token)
	mux.HandleFunc("POST /demo/orders/{order}/{action}", s.action)
}

func (s *demoShop) secure(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy",
		"default-src 'self'; connect-src 'self' ws://"+r.Host+"; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Cache-Control", "no-store")
}

// order registers a new order, as a shop's backend does when its customer goes
// to the payment page.
func (s *demoShop) order(w http.ResponseWriter, r *http.Request) {
	id := fmt.Sprintf("D-%s-%d", s.run, 1000+s.orders.Add(1))
	terms := order.Terms{
		Amount: demoAmount, Currency: demoCurrency, Mode: order.Test,
		ReturnURL: s.base + "/demo", ExpiresAt: time.Now().UTC().Add(demoPatience).Truncate(time.Second),
	}
	if _, err := s.ledger.Register(r.Context(), order.IdempotencyKey{}, id, terms); err != nil {
		invalid(err.Error()).Write(w)
		return
	}
	token, err := s.mint(id)
	if err != nil {
		invalid(err.Error()).Write(w)
		return
	}
	writeJSON(w, http.StatusCreated, map[string]any{
		"order": id, "amount": demoAmount, "currency": demoCurrency, "decimals": order.Decimals(demoCurrency), "token": token, "page": s.page(id, token),
	})
}

func (s *demoShop) token(w http.ResponseWriter, r *http.Request) {
	token, err := s.mint(r.PathValue("order"))
	if err != nil {
		invalid(err.Error()).Write(w)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"token": token, "page": s.page(r.PathValue("order"), token)})
}

// page is where the hosted page of an order is, as the demo's own page links to it.
func (s *demoShop) page(id, token string) string { return "/pay/" + url.PathEscape(id) + "#" + token }

func (s *demoShop) mint(id string) (string, error) {
	if err := order.CheckID(id); err != nil || !strings.HasPrefix(id, "D-"+s.run+"-") {
		return "", fmt.Errorf("this shop has no such order; order anew")
	}
	token, _, err := s.minter.Mint("demo-customer", []string{id}, 0)
	return token, err
}

// A demoStep is one webhook of an action.
type demoStep struct {
	source string
	status order.Status
	age    time.Duration // how long ago the provider says it happened
	pause  time.Duration // before it is sent
	forged bool
	id     string // of the event; empty: a new one
}

// demoActions are the page's buttons.
var demoActions = map[string][]demoStep{
	"pay-stripe":  {{source: "stripe", status: order.Paid}},
	"pay-backend": {{source: "shop", status: order.Paid}},
	"fail-3ds": {
		{source: "stripe", status: order.RequiresAction},
		{source: "stripe", status: order.Failed, pause: 900 * time.Millisecond},
		{source: "stripe", status: order.Paid, pause: 900 * time.Millisecond},
	},
	"refund": {{source: "stripe", status: order.Refunded}},
	"five-times": {
		{source: "stripe", status: order.Paid, id: "same"}, {source: "stripe", status: order.Paid, id: "same"},
		{source: "stripe", status: order.Paid, id: "same"}, {source: "stripe", status: order.Paid, id: "same"},
		{source: "stripe", status: order.Paid, id: "same"},
	},
	"late-shuffled": {
		{source: "stripe", status: order.Paid, age: time.Minute},
		{source: "stripe", status: order.Created, age: 3 * time.Minute, pause: 600 * time.Millisecond},
		{source: "stripe", status: order.Pending, age: 2 * time.Minute, pause: 600 * time.Millisecond},
	},
	"forged": {{source: "stripe", status: order.Paid, forged: true}},
}

// A sentWebhook is what the page shows of one webhook.
type sentWebhook struct {
	Source string  `json:"source"`
	Event  string  `json:"event"`
	What   string  `json:"what"` // the provider's own name for it
	Status int     `json:"status"`
	SentAt float64 `json:"sent_at"` // milliseconds since 1970
	TookMS float64 `json:"took_ms"`
}

// action does what a button of the page says.
func (s *demoShop) action(w http.ResponseWriter, r *http.Request) {
	id, name := r.PathValue("order"), r.PathValue("action")
	if name == "cut" {
		note := "1 connection cut"
		if n := s.hub.Disconnect(id); n != 1 {
			note = fmt.Sprintf("%d connections cut", n)
		}
		writeJSON(w, http.StatusOK, map[string]any{"webhooks": []sentWebhook{}, "note": note})
		return
	}
	steps, ok := demoActions[name]
	if !ok || order.CheckID(id) != nil {
		notFound(w, r)
		return
	}
	ctx := context.WithoutCancel(r.Context()) // a webhook does not end with the page
	same := fmt.Sprintf("evt_demo_%x", rand.Uint64())
	sent := make([]sentWebhook, 0, len(steps))
	for _, step := range steps {
		if step.id != "" {
			step.id = same
		}
		time.Sleep(step.pause)
		one, err := s.send(ctx, id, step)
		if err != nil {
			invalid(err.Error()).Write(w)
			return
		}
		sent = append(sent, one)
	}
	writeJSON(w, http.StatusOK, map[string]any{"webhooks": sent, "note": ""})
}

// send signs one webhook and posts it to the gateway.
func (s *demoShop) send(ctx context.Context, id string, step demoStep) (sentWebhook, error) {
	if step.id == "" {
		step.id = fmt.Sprintf("evt_demo_%x", rand.Uint64())
	}
	signed, err := s.signers[step.source].Simulate(webhook.Simulation{
		ID: step.id, Order: id, Payment: "pi_demo_" + id, Status: step.status,
		Amount: demoAmount, Currency: demoCurrency, Method: "card", At: time.Now().Add(-step.age),
	})
	if err != nil {
		return sentWebhook{}, err
	}
	what, err := typeOf(signed.Body)
	if err != nil {
		return sentWebhook{}, err
	}
	if step.forged {
		what += " (forged)"
		signed.Body = bytes.Replace(signed.Body, []byte(id), []byte(id+" "), 1)
	}
	request, err := http.NewRequestWithContext(ctx, signed.Method, s.base+"/webhooks/"+step.source, bytes.NewReader(signed.Body))
	if err != nil {
		return sentWebhook{}, err
	}
	request.Header = signed.Header
	began := time.Now()
	response, err := s.client.Do(request)
	if err != nil {
		return sentWebhook{}, err
	}
	response.Body.Close()
	return sentWebhook{
		Source: step.source, Event: step.id, What: what, Status: response.StatusCode,
		SentAt: float64(began.UnixMicro()) / 1000, TookMS: float64(time.Since(began).Microseconds()) / 1000,
	}, nil
}

// typeOf reads what both providers call a body's event, at the same place.
func typeOf(body []byte) (string, error) {
	event, err := strictjson.ParseObject(body)
	if err != nil {
		return "", fmt.Errorf("read what was signed: %w", err)
	}
	return event.String("type"), nil
}
