package doctor

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// A Severity says how much a finding means.
type Severity string

// The severities.
const (
	Fault   Severity = "fault"   // customers see late, or never, that they have paid
	Warning Severity = "warning" // it works now, or for some, or lets in whom it should not
	Note    Severity = "note"    // good to know
)

// A Proxy is a kind of server that may stand before a gateway.
type Proxy string

// The proxies for which there are mends. Gateway is none: what is to be mended
// in Paybell's own configuration, whatever stands before it.
const (
	Nginx      Proxy = "nginx"
	HAProxy    Proxy = "haproxy"
	Caddy      Proxy = "caddy"
	Cloudflare Proxy = "cloudflare"
	ALB        Proxy = "alb"
	Gateway    Proxy = "paybell"
)

// Proxies are all that may be asked for.
var Proxies = []Proxy{Nginx, HAProxy, Caddy, Cloudflare, ALB}

// A Report is what an examination found.
type Report struct {
	URL      string        `json:"url"`
	Proxy    Proxy         `json:"proxy,omitempty"` // the one whose mends are told; empty: all
	Took     time.Duration `json:"-"`
	Facts    []Fact        `json:"facts"`
	Findings []*Finding    `json:"findings"` // the worst first
	LeftOut  []string      `json:"left_out"` // what was not examined, and why

	origin string // that was asked about
}

// A Fact is something measured, in words.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// A Finding is something that is not as it should be.
type Finding struct {
	Code     string   `json:"code"` // stable, such as "stream-buffered"
	Severity Severity `json:"severity"`
	Seen     []string `json:"seen"`  // by how many transports it shows
	Means    string   `json:"means"` // to a customer who waits
	Mend     []Mend   `json:"mend"`

	kind *kind
}

// A Mend is what to write where.
type Mend struct {
	Where Proxy    `json:"where"`
	Lines []string `json:"lines"`
}

// A kind is what all findings of a code have in common.
type kind struct {
	code     string
	severity Severity
	means    string
	mends    map[Proxy]string // lines each
}

// Count says how many findings there are of a severity.
func (r *Report) Count(s Severity) int {
	n := 0
	for _, f := range r.Findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// MarshalJSON adds how long it took, in seconds.
func (r *Report) MarshalJSON() ([]byte, error) {
	type plain Report
	return json.Marshal(struct {
		*plain
		Seconds float64 `json:"seconds"`
	}{(*plain)(r), r.Took.Round(time.Millisecond).Seconds()})
}

// find adds a finding, or what was seen to one of the same kind.
func (r *Report) find(k *kind, seen string) {
	for _, f := range r.Findings {
		if f.kind == k {
			if !slices.Contains(f.Seen, seen) {
				f.Seen = append(f.Seen, seen)
			}
			return
		}
	}
	r.Findings = append(r.Findings, &Finding{Code: k.code, Severity: k.severity, Seen: []string{seen}, Means: k.means, kind: k})
}

func (r *Report) leaveOut(what string) { r.LeftOut = append(r.LeftOut, what) }

// finish puts the findings in order, and adds their mends.
func (r *Report) finish(took time.Duration) {
	r.Took = took
	rank := map[Severity]int{Fault: 0, Warning: 1, Note: 2}
	slices.SortStableFunc(r.Findings, func(a, b *Finding) int { return rank[a.Severity] - rank[b.Severity] })
	where := Proxies
	if r.Proxy != "" {
		where = []Proxy{r.Proxy}
	}
	for _, f := range r.Findings {
		for _, p := range slices.Concat([]Proxy{Gateway}, where) {
			if text := f.kind.mends[p]; text != "" {
				text = strings.ReplaceAll(text, askedOrigin, r.origin)
				f.Mend = append(f.Mend, Mend{p, strings.Split(strings.TrimSpace(text), "\n")})
			}
		}
	}
}
