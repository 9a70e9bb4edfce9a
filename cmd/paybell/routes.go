package main

import (
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"

	"github.com/rs/cors"

	"github.com/paybell/paybell/internal/problem"
)

// methods are the handlers of one address.
type methods map[string]http.Handler

// ServeHTTP answers in the form that all errors have, which http.ServeMux does
// not when it looks for methods itself.
func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	handler, ok := m[r.Method]
	if !ok && r.Method == http.MethodHead {
		handler, ok = m[http.MethodGet]
	}
	if !ok {
		m.refuse(w, r)
		return
	}
	handler.ServeHTTP(w, r)
}

func (m methods) refuse(w http.ResponseWriter, r *http.Request) {
	allowed := strings.Join(sortedKeys(m), ", ")
	w.Header().Set("Allow", allowed)
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	problem.Problem{
		Status: http.StatusMethodNotAllowed, Name: "method-not-allowed", Title: "Method not allowed",
		Detail: "This address takes " + allowed + ".",
	}.Write(w)
}

// publicRoutes is every address that the world can reach.
func (g *gateway) publicRoutes(webhooks http.Handler, m *merchant) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("/webhooks/{source}", webhooks)

	browsers := g.browsers()
	page := func(method string, handler http.HandlerFunc) http.Handler {
		return browsers(methods{method: handler})
	}
	mux.Handle("/v1/ws", methods{http.MethodGet: http.HandlerFunc(g.hub.WebSocket)})
	mux.Handle("/v1/sse", page(http.MethodGet, onlyGet(g.hub.SSE)))
	mux.Handle("/v1/orders/{order}", page(http.MethodGet, g.hub.Poll))
	mux.Handle("/v1/orders/{order}/ack", page(http.MethodPost, g.hub.Ack))
	mux.Handle("/v1/tickets", page(http.MethodPost, g.hub.Tickets))
	mux.Handle("/paybell.js", methods{http.MethodGet: libraryScript})
	mux.Handle("/paybell-status.js", methods{http.MethodGet: statusScript})
	mux.HandleFunc("/{script}", versionedScript)

	mux.Handle("/v1/sessions", methods{http.MethodPost: http.HandlerFunc(m.session)})
	mux.Handle("/v1/revocations", methods{http.MethodPost: http.HandlerFunc(m.revoke)})
	mux.Handle("/v1/orders/{order}/events", methods{http.MethodPost: http.HandlerFunc(m.event)})
	mux.Handle("/v1/orders/{order}/timeline", methods{http.MethodGet: http.HandlerFunc(m.timeline)})

	g.health(mux, true)
	mux.HandleFunc("/", notFound)
	return mux
}

// onlyGet refuses HEAD, whose answer ends with its head: a stream has no end at
// which the connection's next request could be read.
func onlyGet(handler http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			methods{http.MethodGet: handler}.refuse(w, r)
			return
		}
		handler(w, r)
	}
}

// adminRoutes is what the operator sees and nobody else.
func (g *gateway) adminRoutes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("/metrics", g.metrics.handler())
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	g.health(mux, false)
	mux.HandleFunc("/", notFound)
	return mux
}

// browsers lets pages of the configured origins, and no others, read answers.
func (g *gateway) browsers() func(http.Handler) http.Handler {
	return cors.New(cors.Options{
		AllowOriginFunc: func(origin string) bool {
			return slices.ContainsFunc(g.config.Origins, func(allowed string) bool { return strings.EqualFold(allowed, origin) })
		},
		AllowedMethods: []string{http.MethodGet, http.MethodPost},
		AllowedHeaders: []string{"Authorization", "Content-Type", "If-None-Match", "Last-Event-ID", "Cache-Control"},
		ExposedHeaders: []string{"ETag", "Retry-After"},
		MaxAge:         600,
	}).Handler
}

func notFound(w http.ResponseWriter, _ *http.Request) {
	problem.Problem{
		Status: http.StatusNotFound, Name: "not-found", Title: "Not found",
		Detail: "There is nothing at this address.",
	}.Write(w)
}
