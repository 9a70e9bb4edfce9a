// Package problem writes the errors that Paybell answers with over HTTP, in
// the form of RFC 9457 (problem details). Whoever answers HTTP may import it.
package problem

import (
	"bytes"
	"encoding/json"
	"io"
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
	p.fill(w.Header())
	w.WriteHeader(p.Status)
	w.Write(p.body())
}

// Response returns p as a whole answer of HTTP/1.1, after which the connection
// ends, for those who answer on a connection of which nothing was read.
func (p Problem) Response() []byte {
	body := p.body()
	answer := http.Response{
		StatusCode: p.Status, ProtoMajor: 1, ProtoMinor: 1, Close: true,
		Header: http.Header{"Date": {time.Now().UTC().Format(http.TimeFormat)}},
		Body:   io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
	p.fill(answer.Header)
	var whole bytes.Buffer
	answer.Write(&whole) // to memory, which takes all
	return whole.Bytes()
}

func (p Problem) fill(h http.Header) {
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((p.RetryAfter+time.Second-1)/time.Second)))
	}
	if p.Status == http.StatusUnauthorized && h.Get("WWW-Authenticate") == "" {
		h.Set("WWW-Authenticate", "Bearer")
	}
}

func (p Problem) body() []byte {
	body, _ := json.Marshal(struct { // strings and an int always marshal
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail,omitempty"`
	}{Prefix + p.Name, p.Title, p.Status, p.Detail})
	return append(body, '\n')
}
