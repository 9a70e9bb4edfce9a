package doctor

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/paybell/paybell/internal/problem"
)

// An answer is what came back to one request.
type answer struct {
	status int
	header http.Header
	proto  string
	body   []byte
	name   string // of the gateway's problem; empty: it is none of a gateway
	detail string
	sent   time.Time
	took   time.Duration
}

// maxBody is more than a gateway answers with.
const maxBody = 64 << 10

// ask sends a request and reads its whole answer, following nothing.
func (e *exam) ask(ctx context.Context, method, path string, header http.Header) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return e.askWithin(ctx, method, path, header)
}

// askWithin is ask for as long as ctx allows.
func (e *exam) askWithin(ctx context.Context, method, path string, header http.Header) (answer, error) {
	r, err := e.request(ctx, method, path, header)
	if err != nil {
		return answer{}, err
	}
	a := answer{sent: time.Now()}
	response, err := e.any.Do(r)
	if err != nil {
		return a, err
	}
	defer response.Body.Close()
	a.status, a.header, a.proto = response.StatusCode, response.Header, response.Proto
	a.body, err = io.ReadAll(io.LimitReader(response.Body, maxBody))
	a.took = time.Since(a.sent)
	a.name, a.detail = problemIn(a.body)
	return a, err
}

func (e *exam) request(ctx context.Context, method, path string, header http.Header) (*http.Request, error) {
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader("{}")
	}
	r, err := http.NewRequestWithContext(ctx, method, e.base.String()+path, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "paybell-doctor")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, values := range header {
		r.Header[name] = values
	}
	return r, nil
}

// problemIn reads the name and detail of a gateway's problem document.
func problemIn(body []byte) (name, detail string) {
	var p struct{ Type, Detail string }
	if json.Unmarshal(body, &p) != nil {
		return "", ""
	}
	name, ours := strings.CutPrefix(p.Type, problem.Prefix)
	if !ours {
		return "", ""
	}
	return clean(name), clean(p.Detail)
}

// what says what an answer is, for people.
func (a answer) what() string {
	text := http.StatusText(a.status)
	if text != "" {
		text = " " + text
	}
	status := clean(strings.TrimSpace(strconv.Itoa(a.status) + text))
	switch server := a.header.Get("Server"); {
	case a.name != "":
		return status + ", " + a.name + " of the gateway"
	case server != "":
		return status + " of " + clean(server)
	}
	return status + ", not of a gateway"
}

// redirects says whether an answer sends elsewhere.
func (a answer) redirects() bool {
	return a.status >= 300 && a.status < 400 && a.header.Get("Location") != ""
}

// clean keeps a stranger's text from commanding the terminal, and short.
func clean(text string) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text))
	if len(runes) > 200 {
		runes = append(runes[:199], '…')
	}
	return string(runes)
}

// with is a header with one field.
func with(name, value string) http.Header { return http.Header{name: {value}} }

// proxyIn says which proxy an answer names; empty: it names none.
func proxyIn(h http.Header) Proxy {
	server := strings.ToLower(h.Get("Server"))
	via := strings.ToLower(strings.Join(h.Values("Via"), ","))
	switch {
	case h.Get("Cf-Ray") != "" || strings.HasPrefix(server, "cloudflare"):
		return Cloudflare
	case strings.HasPrefix(server, "awselb") || strings.Contains(strings.Join(h.Values("Set-Cookie"), ";"), "AWSALB"):
		return ALB
	case strings.HasPrefix(server, "nginx") || strings.HasPrefix(server, "openresty"):
		return Nginx
	case strings.HasPrefix(server, "caddy") || strings.Contains(via, "caddy"):
		return Caddy
	case strings.HasPrefix(server, "haproxy"):
		return HAProxy
	}
	return ""
}
