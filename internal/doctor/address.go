package doctor

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// addressMetric counts clients by whose word the gateway knows their address. It
// is the operator's, so that nobody else learns what a gateway believes.
const addressMetric = "paybell_client_addresses_total"

// addresses reads the metric by its label. nil: it cannot be read.
func (e *exam) addresses(ctx context.Context) map[string]int {
	if e.o.Admin == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(e.o.Admin, "/")+"/metrics", nil)
	if err != nil {
		return nil
	}
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		return nil
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(io.LimitReader(answer.Body, 16<<20))
	if err != nil || answer.StatusCode != http.StatusOK || !bytes.Contains(page, []byte("paybell_")) {
		return nil
	}
	counts := map[string]int{}
	for lines := bufio.NewScanner(bytes.NewReader(page)); lines.Scan(); {
		rest, found := strings.CutPrefix(lines.Text(), addressMetric+`{from="`)
		from, value, complete := strings.Cut(rest, `"} `)
		if n, err := strconv.ParseFloat(value, 64); found && complete && err == nil {
			counts[from] = int(n)
		}
	}
	return counts
}

// judgeAddresses says what the gateway took for the addresses of those who came
// meanwhile, this examination's own connections among them.
func (e *exam) judgeAddresses(before, after map[string]int) {
	if before == nil || after == nil {
		e.report.leaveOut("whether the gateway knows customers' addresses: its metrics say so, at --admin")
		return
	}
	rose := func(from string) bool { return after[from] > before[from] }
	switch {
	case rose("ignored"):
		e.find(unnamedProxy, "requests come with X-Forwarded-For from somebody whom trusted_proxies does not name")
	case rose("forwarded") && e.fronted && (rose("proxy") || rose("peer")):
		e.report.leaveOut("whether the gateway knows customers' addresses: some came by the proxy, and others another way")
	case rose("proxy") && e.fronted:
		e.find(noForwardedFor, "requests come without X-Forwarded-For from a proxy that trusted_proxies names")
	case rose("peer") && e.fronted:
		e.find(noForwardedFor, "requests come without X-Forwarded-For, though there is a proxy")
	case rose("proxy"):
		e.fact("addresses", "none was told, by somebody whom trusted_proxies names: a proxy, or this machine")
	case rose("forwarded"):
		e.fact("addresses", "customers' own, by X-Forwarded-For")
	case !rose("peer") && !rose("local"):
		e.report.leaveOut("whether the gateway knows customers' addresses: the one at --admin is not that which was examined")
	}
}
