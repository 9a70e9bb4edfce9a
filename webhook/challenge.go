package webhook

import (
	"net/http"
	"net/url"
)

// A Challenger is a Provider whose sender asks, with a GET and before it sends
// anything, whether the address is the merchant's.
type Challenger interface {
	// Challenge returns the answer to such a question, as plain text, or false
	// where the query is none. Anybody may ask.
	Challenge(query url.Values) (answer []byte, ok bool)
}

// Challenged is the outcome of a sender's question whether the address is the
// merchant's.
const Challenged Outcome = "challenged"

// challenged answers such a question, and says whether the request was one.
func challenged(w http.ResponseWriter, r *http.Request, provider Provider) bool {
	c, ok := provider.(Challenger)
	if !ok || r.Method != http.MethodGet {
		return false
	}
	answer, ok := c.Challenge(r.URL.Query())
	if !ok {
		return false
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Write(answer)
	return true
}
