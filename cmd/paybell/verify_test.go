package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// verifyConfig writes a configuration with these sources, and returns its path.
func verifyConfig(t *testing.T, sources map[string]string) string {
	t.Helper()
	text := goodAuth + "sources:\n"
	for _, name := range sortedKeys(sources) {
		text += "  " + name + ":\n    " + strings.ReplaceAll(strings.TrimSpace(sources[name]), "\n", "\n    ") + "\n"
	}
	path := filepath.Join(t.TempDir(), "paybell.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// verified runs the command and returns its exit code and what it printed.
func verified(t *testing.T, args ...string) (code int, verdicts []verdict, out string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), append([]string{"verify"}, args...), &stdout, &stderr)
	for d := json.NewDecoder(strings.NewReader(stdout.String())); slices.Contains(args, "--json") && d.More(); {
		var v verdict
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%v in %s", err, &stdout)
		}
		verdicts = append(verdicts, v)
	}
	return code, verdicts, stdout.String() + stderr.String()
}

// TestVerifyReadsTheRecordedRequestsOfEveryProvider: what is verified, and which
// events come of it, is what the provider's own tests say. Beside the requests
// source.yaml says how their source is configured, and its first line at which
// time.
func TestVerifyReadsTheRecordedRequestsOfEveryProvider(t *testing.T) {
	for name := range providers {
		files, err := filepath.Glob("../../webhook/" + name + "/testdata/*/source.yaml")
		if _, missing := os.Stat("../../webhook/" + name + "/testdata/source.yaml"); missing == nil {
			files = append(files, "../../webhook/"+name+"/testdata/source.yaml")
		}
		if err != nil || len(files) == 0 {
			t.Errorf("webhook/%s/testdata has no source.yaml: write there with which secrets its requests are recorded (see CONTRIBUTING.md)", name)
		}
		for _, file := range files {
			t.Run(strings.TrimPrefix(filepath.Dir(file), "../../webhook/"), func(t *testing.T) { verifyFolder(t, file) })
		}
	}
}

func verifyFolder(t *testing.T, source string) {
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	first, rest, _ := strings.Cut(string(text), "\n")
	at, ok := strings.CutPrefix(first, "# at ")
	if !ok {
		t.Fatalf("%s begins with %q, not with: # at 2026-11-23T08:00:00Z", source, first)
	}
	rest = strings.ReplaceAll(rest, "file:", "file:"+absolute(t, filepath.Dir(source))+"/") // files are beside it
	requests, err := filepath.Glob(filepath.Join(filepath.Dir(source), "*.http"))
	if err != nil || len(requests) == 0 {
		t.Fatalf("no requests beside %s", source)
	}
	_, verdicts, out := verified(t, append([]string{
		"--config", verifyConfig(t, map[string]string{"it": rest}), "--source", "it", "--at", at, "--json",
	}, requests...)...)
	if len(verdicts) != len(requests) {
		t.Fatalf("%d verdicts of %d requests: %s", len(verdicts), len(requests), out)
	}
	for i, file := range requests {
		var want struct {
			Error  string
			Events []order.Event
		}
		golden, err := os.ReadFile(strings.TrimSuffix(file, ".http") + ".json")
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(golden, &want); err != nil {
			t.Fatal(err)
		}
		v := verdicts[i]
		if v.Verified == strings.HasPrefix(want.Error, webhook.ErrUnverified.Error()) {
			t.Errorf("%s: verified %t (%s), and its golden error is %q", file, v.Verified, v.Reason, want.Error)
		}
		var events []verdictEvent
		for _, e := range want.Events {
			events = append(events, verdictEvent{e.ID, e.Order, e.Payment, e.Kind, e.Status, e.Amount, e.Currency, e.Method, e.Livemode})
		}
		if !slices.Equal(v.Events, events) {
			t.Errorf("%s became %v, want %v", file, v.Events, events)
		}
	}
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	firstStripe  = "provider: stripe\nsecrets: [whsec_Zk3Vq9Lm4Xc7Tn1Wd6B8Rp2Yh5Jf0Gs]"
	secondStripe = "provider: stripe\nsecrets: [whsec_Hq7Rt2Nw9Kb4Xs6Lm1Pd8Vc3Zf5Jy0Ga]"
)

// TestVerifySaysWhyNot has what happens to merchants' webhooks on their way.
func TestVerifySaysWhyNot(t *testing.T) {
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	config := verifyConfig(t, map[string]string{
		"stripe": firstStripe + "\nmode: live", "shop": secondStripe,
		"square": "provider: custom\nsecrets: [pdl_ntfset_00aaaaaaaa_Jk2LmNp7Q]\nverify: {algorithm: hmac-sha256, header: X-S, signed: \"{url}{body}\"}\n" +
			"event: {id: id, order: order, status: status, statuses: {PAID: paid}}",
	})
	c, err := loadConfig(config, nil)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(source string, live bool, before func(*webhook.Request)) string {
		p, err := simulator(c, source, false)
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.Simulate(webhook.Simulation{
			ID: "evt_1", Order: "A1001", Status: order.Paid, Amount: 9900, Currency: "EUR", Method: "card", At: at, Live: live,
		})
		if err != nil {
			t.Fatal(err)
		}
		if before != nil {
			before(&r)
		}
		return raw(r)
	}
	genuine := sign("stripe", true, nil)
	head, body, _ := strings.Cut(genuine, "\r\n\r\n")
	var compacted bytes.Buffer
	if err := json.Compact(&compacted, []byte(body)); err != nil {
		t.Fatal(err)
	}
	withoutLength := dropLine(head, "Content-Length")
	const late = "2026-11-23T08:12:00Z"
	for name, c := range map[string]struct {
		capture, source, at string
		verified            bool
		reason              string
	}{
		"genuine":                      {genuine, "stripe", "", true, ""},
		"lines end with LF":            {strings.ReplaceAll(genuine, "\r\n", "\n"), "stripe", "", true, ""},
		"an editor's line end":         {genuine + "\n", "stripe", "", true, ""},
		"no length":                    {withoutLength + "\r\n\r\n" + body, "stripe", "", true, ""},
		"still chunked":                {withoutLength + "\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body), "stripe", "", true, ""},
		"was chunked":                  {withoutLength + "\r\nTransfer-Encoding: chunked\r\n\r\n" + body, "stripe", "", true, ""},
		"as HTTP/2 has it":             {":method: POST\n:scheme: https\n:path: /webhooks/stripe\n:authority: pay.example.com\n" + strings.ToLower(afterLine(withoutLength)) + "\n\n" + body, "stripe", "", true, ""},
		"headers alone":                {afterLine(withoutLength) + "\n\n" + body, "stripe", "", true, ""},
		"an address for its target":    {strings.Replace(genuine, "POST /", "POST https://pay.example.com/", 1), "stripe", "", true, ""},
		"test money":                   {sign("stripe", false, nil), "stripe", "", true, "the source's mode is live, and the event is of the other one"},
		"old":                          {genuine, "stripe", late, false, "signed 12m0s ago; the window is 5m0s: a clock may be wrong, or the request is a replay; all else fits, so it was genuine when it was signed, at 2026-11-23T08:00:00Z"},
		"another source's":             {genuine, "shop", "", false, "it is signed with another secret, that of source stripe"},
		"another source's, and old":    {genuine, "shop", late, false, "the window is 5m0s: a clock may be wrong, or the request is a replay. Besides, it is signed with another secret, that of source stripe"},
		"re-serialised":                {withoutLength + "\r\n\r\n" + compacted.String(), "stripe", "", false, "the body was changed after signing: was it parsed and re-serialised? The sender wrote its JSON indented by two"},
		"a line end too many":          {withoutLength + "\r\n\r\n" + body + "\n", "stripe", "", false, "the body was changed after signing: a line end was added to it"},
		"printed, with its old length": {head + "\r\n\r\n" + pretty(t, body), "stripe", "", false, "was it parsed and re-serialised?"},
		"in base64":                    {withoutLength + "\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte(body)) + "\n", "stripe", "", false, "it was written in base64"},
		"as a text of JSON":            {withoutLength + "\r\n\r\n" + quoted(t, body), "stripe", "", false, "it was written as a text of JSON"},
		"its line ends changed":        {withoutLength + "\r\n\r\n" + strings.ReplaceAll(body, "\n", "\r\n"), "stripe", "", false, "the body was changed after signing: its line ends were made CRLF"},
		"another amount":               {strings.Replace(genuine, "9900", "9901", 1), "stripe", "", false, "no signature matches"},
		"cut off":                      {genuine[:len(genuine)-7], "stripe", "", false, "of a body of"},
		"no signature":                 {dropLine(head, "Stripe-Signature") + "\r\n\r\n" + body, "stripe", "", false, "no header Stripe-Signature"},
		"a GET":                        {strings.Replace(genuine, "POST ", "GET ", 1), "stripe", "", false, "Webhooks are posted."},
		"a form":                       {strings.Replace(genuine, "application/json", "application/x-www-form-urlencoded", 1), "stripe", "", false, "The Content-Type is not one that this provider sends."},
		"no request":                   {"hello\n", "stripe", "", false, "not a captured request: line 1 is neither a request line nor a header"},
		"nothing":                      {"", "stripe", "", false, "not a captured request: it has no headers"},
		"signed for another address":   {addressed("https://pay.example.com/webhooks/square"), "square", "", false, "it is signed for another address, https://pay.example.com/webhooks/square"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "captured.http")
			if err := os.WriteFile(file, []byte(c.capture), 0o600); err != nil {
				t.Fatal(err)
			}
			args := []string{"--config", config, "--source", c.source, "--at", c.at, "--json", file}
			if c.at == "" {
				args[5] = fmt.Sprint(at.Unix())
			}
			code, verdicts, out := verified(t, args...)
			if len(verdicts) != 1 || verdicts[0].Verified != c.verified || code == exitDone != c.verified || !strings.Contains(verdicts[0].Reason, c.reason) || c.reason == "" && verdicts[0].Reason != "" {
				t.Errorf("exit code %d: %s\nwant %t, %q", code, out, c.verified, c.reason)
			}
			if strings.Contains(out, "whsec_") {
				t.Errorf("a secret is shown: %s", out)
			}
		})
	}
}

func pretty(t *testing.T, body string) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(body), "", "      "); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func quoted(t *testing.T, body string) string {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// raw writes a request as it goes over the wire.
func raw(r webhook.Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s /webhooks/stripe HTTP/1.1\r\nHost: pay.example.com\r\nContent-Length: %d\r\n", r.Method, len(r.Body))
	for _, name := range sortedKeys(r.Header) {
		fmt.Fprintf(&b, "%s: %s\r\n", name, r.Header[name][0])
	}
	return b.String() + "\r\n" + string(r.Body)
}

// addressed is a request that came to another address than it was signed for.
func addressed(address string) string {
	const body = `{"id":"e1","order":"A1","status":"PAID"}`
	sum := webhook.HMAC(sha256.New, []byte("pdl_ntfset_00aaaaaaaa_Jk2LmNp7Q"), []byte(address+body))
	return fmt.Sprintf("POST /webhooks/square HTTP/1.1\nHost: 127.0.0.1:8080\nX-Forwarded-Host: pay.example.com\nX-S: %x\n\n%s", sum, body)
}

func dropLine(head, name string) string {
	lines := strings.Split(head, "\r\n")
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, name+":") }), "\r\n")
}

func afterLine(head string) string {
	_, rest, _ := strings.Cut(head, "\r\n")
	return rest
}

func chunked(body string) string {
	return fmt.Sprintf("5\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", body[:5], len(body)-5, body[5:])
}

// TestVerifySaysWhatServeDoes asks both about the same requests.
func TestVerifySaysWhatServeDoes(t *testing.T) {
	config := verifyConfig(t, map[string]string{"stripe": firstStripe})
	c, err := loadConfig(config, nil)
	if err != nil {
		t.Fatal(err)
	}
	sources, err := buildSources(c)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/webhooks/{source}", webhook.NewHandler(sources, &wouldRecord{}, webhook.Options{}))
	server := httptest.NewServer(mux)
	defer server.Close()
	e, err := newExaminer(config, "stripe", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range []order.Status{order.Paid, order.Failed, order.Refunded} {
		for _, wrong := range []func(*webhook.Request){
			func(*webhook.Request) {},
			func(r *webhook.Request) { r.Body[0] ^= 1 },
			func(r *webhook.Request) { r.Header.Set("Content-Encoding", "gzip") },
			func(r *webhook.Request) { r.Header.Set("Content-Type", "text/plain") },
		} {
			r, err := sources[0].Provider.(webhook.Simulator).Simulate(webhook.Simulation{
				ID: "evt_1", Order: "A1001", Status: status, Amount: 9900, Currency: "EUR", At: time.Now(),
			})
			if err != nil {
				t.Fatal(err)
			}
			wrong(&r)
			request, err := http.NewRequest(r.Method, server.URL+"/webhooks/stripe", bytes.NewReader(r.Body))
			if err != nil {
				t.Fatal(err)
			}
			request.Header = r.Header
			answer, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			var body bytes.Buffer
			body.ReadFrom(answer.Body)
			answer.Body.Close()
			want := verdictAnswer{answer.StatusCode, answer.Header.Get("Content-Type"), body.String()}
			if v := e.examine("", []byte(raw(r))); *v.Answer != want {
				t.Errorf("verify says %+v, and serve %+v", *v.Answer, want)
			}
		}
	}
}

func TestVerifyIsMisused(t *testing.T) {
	config := verifyConfig(t, map[string]string{"stripe": firstStripe})
	for _, args := range [][]string{
		{},
		{"--config", config, "--source", "stripe"},
		{"--config", config, "-"},
		{"--config", config, "--source", "strpe", "-"},
		{"--config", config, "--source", "stripe", "no-such-file.http"},
		{"--config", config, "--source", "stripe", "--at", "yesterday", "-"},
		{"--config", "no-such-file.yaml", "--source", "stripe", "-"},
	} {
		if code, _, out := verified(t, args...); code != exitMisused {
			t.Errorf("%q: exit code %d: %s", args, code, out)
		}
	}
}

func TestVerifyShowsATableToPeople(t *testing.T) {
	config := verifyConfig(t, map[string]string{"stripe": firstStripe})
	code, _, out := verified(t, "--config", config, "--source", "stripe", "--at", "1795420800",
		"../../webhook/stripe/testdata/paid.http", "../../webhook/stripe/testdata/intent_succeeded_bad_order.http")
	for _, want := range []string{
		"paid.http: verified\n  answered 200 {\"received\":true}\n  EVENT ", " A1001  pi_3SWx2cLkdIwHu7ix0Qm1Rt8Z  payment  paid    CNY 99.00  ",
		"intent_succeeded_bad_order.http: verified, but unreadable: order: order id has a character other than printable ASCII\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if code != exitDone {
		t.Errorf("exit code %d", code)
	}
}
