package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paybell/paybell/auth"
	"github.com/paybell/paybell/hub"
	"github.com/paybell/paybell/internal/clientaddr"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// A store is what a gateway needs of a ledger's durable side.
type store interface {
	order.Store
	order.Journal
	order.Due
	order.Revocations
	Shrink(context.Context) error // its caches; called in calm times
}

// A gateway is one node with all its parts joined: a payment's way from the
// webhook to the screen can be read in newGateway, top to bottom.
type gateway struct {
	config   *config
	budget   budget
	proxies  clientaddr.Proxies
	log      *slog.Logger
	metrics  *metrics
	ledger   *order.Ledger
	due      order.Due
	shrink   func(context.Context) error
	verifier *auth.Verifier
	hub      *hub.Hub
	nodes    nodes
	follower *hub.Follower
	fetches  *webhook.Fetches // nil: no provider needs it
	teller   *tellTale
	public   *http.ServeMux
	admin    *http.ServeMux

	unnamedProxy sync.Once // is logged

	leaving     atomic.Bool  // told to stop: not ready any more
	lastFailure atomic.Int64 // of a commit, in Unix nanoseconds
	ready       readiness
	revocations *revocations
	heartbeat   *heartbeat // nil: nobody shares the ledger
}

// newGateway joins the parts over a store. It starts nothing.
func newGateway(c *config, st store, log *slog.Logger) (*gateway, error) {
	g := &gateway{config: c, log: log, metrics: newMetrics(), due: st, shrink: st.Shrink}

	var err error
	if g.budget, err = shareOut(descriptorLimit(), c.Limits, log); err != nil {
		return nil, err
	}
	if g.proxies, err = buildProxies(c); err != nil {
		return nil, err
	}
	sources, err := buildSources(c)
	if err != nil {
		return nil, err
	}
	if g.nodes, err = openBus(c, busMetrics{g.metrics}, log); err != nil {
		return nil, err
	}
	g.ledger = order.NewLedger(st, order.LedgerOptions{Batch: c.commitBatch, Publish: g.nodes.Publish, Observe: g.committed})
	g.ready.check = g.ledger.Check
	if g.fetches, err = buildFetches(sources, st, g.ledger, g.metrics, log); err != nil {
		return nil, err
	}
	webhooks := webhook.NewHandler(sources, g.ledger, webhook.Options{
		Log: log, Observe: g.metrics.webhook, BaseURL: c.PublicURL, ToFetch: g.fetches.Wake,
	})
	revoked := &auth.Revocations{}
	if g.verifier, err = buildVerifier(c, revoked, log); err != nil {
		return nil, err
	}
	g.teller = newTellTale(g.ledger, g.metrics.untold.Inc, log)
	g.hub = hub.New(g.ledger, g.authorize, hub.Options{
		Revoked: g.revoked, Tickets: g.ledger, TicketSecret: []byte(c.ClusterSecret),
		Limits: g.hubLimits(), Address: g.address, Origins: c.pageOrigins(), Told: g.teller.tell, Observer: g.metrics, Log: log,
	})
	g.follower = hub.NewFollower(st, g.hub, hub.FollowerOptions{Observer: g.metrics.follower(), Log: log})
	g.revocations = newRevocations(st, revoked, g.hub.Revoke, log)
	if nodes, ok := st.(order.Nodes); ok {
		g.heartbeat = &heartbeat{nodes: nodes, share: g.hub.Share, log: log}
	}
	g.metrics.gauge("paybell_revocations", "Revocations that stand.", revoked.Len)

	backend, err := newMerchant(c, g.ledger, g.revocations, log)
	if err != nil {
		return nil, err
	}
	g.public = g.publicRoutes(webhooks, backend)
	if c.Hosted.Enabled {
		page, err := newHosted(c, g.hub, g.ledger)
		if err != nil {
			return nil, err
		}
		g.public.Handle("/pay/{order}", methods{http.MethodGet: http.HandlerFunc(page.show), http.MethodPost: http.HandlerFunc(page.enter)})
	}
	g.admin = g.adminRoutes()
	return g, nil
}

// authorize is the hub's door, kept by package auth.
func (g *gateway) authorize(token string) (hub.Grant, error) {
	claims, err := g.verifier.Verify(token)
	if err != nil {
		result := "invalid"
		switch {
		case errors.Is(err, auth.ErrExpired):
			result, err = "expired", fmt.Errorf("%w", hub.ErrExpired)
		case errors.Is(err, auth.ErrRevoked):
			result, err = "revoked", fmt.Errorf("%w", hub.ErrRevoked)
		}
		g.metrics.tokens.WithLabelValues(result).Inc()
		return hub.Grant{}, err
	}
	g.metrics.tokens.WithLabelValues("accepted").Inc()
	return hub.Grant{
		TokenID: claims.ID, Subject: claims.Subject, Orders: claims.Orders, Expires: claims.Expires,
		Issued: claims.IssuedAt, KeyID: claims.KeyID,
	}, nil
}

func (g *gateway) committed(writes int, took time.Duration, err error) {
	g.metrics.commit(writes, took, err)
	if err != nil {
		g.lastFailure.Store(time.Now().UnixNano())
		g.log.Error("commit to the ledger", "err", err)
	}
}

// Limits on slow and large requests. They end where a connection is hijacked or
// a handler sets deadlines of its own.
const (
	readHeaderTimeout = 5 * time.Second
	bodyTimeout       = 10 * time.Second
	answerTimeout     = 30 * time.Second
	idleTimeout       = 15 * time.Second
	maxHeaderBytes    = 16 << 10
)

// server serves a handler, whose answers a client must take in within a time. 0:
// for as long as it likes.
func (g *gateway) server(handler http.Handler, answer time.Duration) *http.Server {
	return &http.Server{
		Handler:           g.guard(handler, answer),
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
		HTTP2: &http.HTTP2Config{
			SendPingTimeout: 20 * time.Second, PingTimeout: 10 * time.Second, WriteByteTimeout: 10 * time.Second,
		},
	}
}

// guard bounds how long a body may take, whoever reads it: what a handler leaves
// of one, net/http reads before the next request, and would wait for without end.
// And it says where a handler broke down, but not in which words, since these
// may quote the request.
//
// The time to take the answer in begins with the request. Handlers that stream or
// hold a request set deadlines of their own.
func (g *gateway) guard(next http.Handler, answer time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if cause != http.ErrAbortHandler {
				g.log.Error("panic", "type", fmt.Sprintf("%T", cause), "stack", string(debug.Stack()))
			}
			panic(http.ErrAbortHandler)
		}()
		controller := http.NewResponseController(w)
		if r.ContentLength != 0 {
			controller.SetReadDeadline(time.Now().Add(bodyTimeout))
		}
		if answer > 0 {
			controller.SetWriteDeadline(time.Now().Add(answer))
		}
		next.ServeHTTP(w, r)
	})
}

// run serves until ctx ends, or until the storage breaks or a listener fails,
// which is its error. Then everything stops in the other direction: readiness
// first, watchers next, the ledger last.
func (g *gateway) run(ctx context.Context, public, admin net.Listener) error {
	g.readKeySets(ctx)
	if err := g.revocations.begin(ctx); err != nil {
		return err
	}
	parts, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	failed := make(chan error, 8)
	var ledger, others sync.WaitGroup
	spawn := func(group *sync.WaitGroup, what string, run func() error) {
		group.Go(func() {
			if err := run(); err != nil {
				failed <- fmt.Errorf("%s: %w", what, err)
			}
		})
	}
	writes, stopWrites := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWrites()
	spawn(&ledger, "bus", func() error { return g.nodes.Run(writes, g.follower) })
	spawn(&ledger, "ledger", func() error { return g.ledger.Run(writes) })
	spawn(&others, "hub", func() error { return g.hub.Run(parts) })
	spawn(&others, "follower", func() error { g.follower.Run(parts); return nil })
	spawn(&others, "token keys", func() error { return g.verifier.Run(parts) })
	spawn(&others, "expiry", func() error { return g.ledger.Expire(parts, g.due, g.log) })
	spawn(&others, "retention", func() error { return g.ledger.Forget(parts, g.log) })
	spawn(&others, "revocations", func() error { g.revocations.run(parts); return nil })
	if g.heartbeat != nil {
		spawn(&others, "heartbeat", func() error { g.heartbeat.run(parts); return nil })
	}
	if g.fetches != nil {
		spawn(&others, "fetches", func() error { return g.fetches.Run(parts) })
	}
	spawn(&others, "readiness", func() error { g.watchReadiness(parts); return nil })
	spawn(&others, "timelines", func() error { g.teller.run(parts); return nil })
	spawn(&others, "memory", func() error { newMemory(g.shrink, g.log).run(parts); return nil })

	servers := []*http.Server{g.server(g.public, answerTimeout), g.server(g.admin, 0)} // a profile takes its time
	door := g.listener(public)
	servers[0].ConnState, servers[0].ConnContext = door.changed, door.inContext
	spawn(&others, "listen", func() error { return closed(g.serve(servers[0], door)) })
	spawn(&others, "listen (admin)", func() error { return closed(servers[1].Serve(admin)) })

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	g.shutdown(servers, err == nil)
	stop()
	others.Wait()
	stopWrites()
	ledger.Wait()
	return err
}

// readKeySets saves the first tokens from being refused. A source of keys that
// does not answer holds up nothing for long: its tokens are refused until it does.
func (g *gateway) readKeySets(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := g.verifier.Refresh(ctx); err != nil {
		g.log.Warn("start without all token keys", "err", err)
	}
}

func (g *gateway) serve(s *http.Server, l net.Listener) error {
	if g.config.TLS.Cert != "" {
		return s.ServeTLS(l, g.config.TLS.Cert, g.config.TLS.Key)
	}
	return s.Serve(l)
}

func closed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// shutdown fails the readiness, holds on for half the drain window so that load
// balancers notice, and then sends the watchers away before it closes the
// listeners, because http.Server.Shutdown neither ends WebSockets nor cuts open
// streams. Webhooks are answered to the last. A gateway that broke holds nothing.
func (g *gateway) shutdown(servers []*http.Server, hold bool) {
	g.leaving.Store(true)
	g.log.Info("draining", "clients", g.hub.Clients(), "window", g.config.Drain)
	ctx, cancel := context.WithTimeout(context.Background(), g.config.Drain)
	defer cancel()
	if hold {
		time.Sleep(g.config.Drain / 2)
	}
	g.hub.Drain(ctx, g.config.Drain)
	ctx, cancel = context.WithTimeout(context.Background(), bodyTimeout+5*time.Second)
	defer cancel()
	for _, s := range servers {
		if err := s.Shutdown(ctx); err != nil {
			s.Close()
		}
	}
}
