// Package problem writes the errors that Paybell answers with over HTTP, in
// the form of RFC 9457 (problem details). Whoever answers HTTP may import it.
package problem

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// Prefix begins the type of every problem. What follows is stable and listed in
// docs/protocol.md, so that a client may branch on it.
const Prefix = "urn:paybell:problem:"

// A Problem is one error answer.
type Problem struct {
	Status int
	Name   string // stable, such as "token-expired"
	Title  string // the same for every problem of this name
	Detail string // what happened and how to mend it; chosen for strangers to read

	RetryAfter time.Duration // 0: no Retry-After header
}

// Write answers with p. It never caches, and names no content but its own.
func (p Problem) Write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((p.RetryAfter+time.Second-1)/time.Second)))
	}
	if p.Status == http.StatusUnauthorized && h.Get("WWW-Authenticate") == "" {
		h.Set("WWW-Authenticate", "Bearer")
	}
	body, _ := json.Marshal(struct { // strings and an int always marshal
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail,omitempty"`
	}{Prefix + p.Name, p.Title, p.Status, p.Detail})
	w.WriteHeader(p.Status)
	w.Write(append(body, '\n'))
}
