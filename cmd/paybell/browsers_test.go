package main

import (
	"crypto/sha512"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

const pageOrigin = "https://shop.example.com"

func startGatewayForPages(t *testing.T) *testGateway {
	return startGatewayWith(t, t.TempDir()+"/l.db", func(c *config) { c.Origins = []string{pageOrigin} })
}

// corsHeaders are the headers of an answer that speak to a browser about other
// origins.
func corsHeaders(h http.Header) (names []string) {
	for _, name := range sortedKeys(h) {
		if strings.HasPrefix(name, "Access-Control-") {
			names = append(names, name)
		}
	}
	return names
}

func TestPagesOfConfiguredOriginsMayAsk(t *testing.T) {
	gw := startGatewayForPages(t)
	for path, method := range map[string]string{"/v1/orders/A1": "GET", "/v1/sse": "GET", "/v1/tickets": "POST", "/v1/orders/A1/ack": "POST"} {
		response, _ := gw.do("OPTIONS", path, "", "", "Origin", pageOrigin,
			"Access-Control-Request-Method", method, "Access-Control-Request-Headers", "authorization,content-type")
		h := response.Header
		if response.StatusCode != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != pageOrigin ||
			h.Get("Access-Control-Allow-Methods") != method || h.Get("Access-Control-Allow-Headers") != "authorization,content-type" ||
			h.Get("Access-Control-Max-Age") != "600" || h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: the preflight was answered %d %v", path, response.StatusCode, h)
		}
		if !strings.Contains(strings.Join(h.Values("Vary"), ","), "Origin") {
			t.Errorf("%s: Vary is %v", path, h.Values("Vary"))
		}
	}
	response, _ := gw.do("GET", "/v1/orders/A1", gw.session("A1"), "", "Origin", pageOrigin)
	h := response.Header
	if response.StatusCode != http.StatusOK || h.Get("Access-Control-Allow-Origin") != pageOrigin || h.Get("Vary") != "Origin" ||
		h.Get("Access-Control-Allow-Credentials") != "" || !strings.EqualFold(h.Get("Access-Control-Expose-Headers"), "ETag, Retry-After") {
		t.Errorf("the answer is %d %v", response.StatusCode, h)
	}
	if response, _ = gw.do("GET", "/v1/orders/A1", "", "", "Origin", pageOrigin); response.Header.Get("Access-Control-Allow-Origin") != pageOrigin {
		t.Error("a page cannot read why it was refused")
	}
	if response, _ = gw.do("DELETE", "/v1/tickets", "", "", "Origin", pageOrigin); response.Header.Get("Allow") != "POST" {
		t.Errorf("DELETE was answered %d %v", response.StatusCode, response.Header)
	}
}

func TestPagesOfOtherOriginsMayNot(t *testing.T) {
	gw := startGatewayForPages(t)
	token := gw.session("A1")
	for _, origin := range []string{
		"https://evil.example", "null", "http://shop.example.com", pageOrigin + ":8443", pageOrigin + ".evil.example",
		"https://evil-shop.example.com", "https://evil.shop.example.com", pageOrigin + "/", pageOrigin + ", " + pageOrigin, "*",
	} {
		for _, path := range []string{"/v1/orders/A1", "/v1/tickets"} {
			response, _ := gw.do("OPTIONS", path, "", "", "Origin", origin,
				"Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "authorization")
			if got := corsHeaders(response.Header); len(got) > 0 {
				t.Errorf("%s: the preflight of %q got %v", path, origin, got)
			}
		}
		response, _ := gw.do("GET", "/v1/orders/A1", token, "", "Origin", origin)
		if got := corsHeaders(response.Header); len(got) > 0 || response.Header.Get("Vary") != "Origin" {
			t.Errorf("%q got %v, Vary %q", origin, got, response.Header.Get("Vary"))
		}
	}
}

func TestPagesHaveNoBusinessWithWebhooksAndBackends(t *testing.T) {
	gw := startGatewayForPages(t)
	for _, path := range []string{"/webhooks/stripe", "/v1/sessions", "/v1/orders/A1/events", "/v1/orders/A1/timeline", "/readyz", "/nothing"} {
		for _, method := range []string{"OPTIONS", "GET", "POST"} {
			response, _ := gw.do(method, path, string(gw.config.Auth.APIKeys[0]), `{"order":"A1"}`,
				"Origin", pageOrigin, "Access-Control-Request-Method", "POST")
			if got := corsHeaders(response.Header); len(got) > 0 {
				t.Errorf("%s %s got %v", method, path, got)
			}
		}
	}
}

func TestOptionsDoesNothing(t *testing.T) {
	gw := startGatewayForPages(t)
	token := gw.session("A1")
	for path, allow := range map[string]string{"/v1/orders/A1": "GET", "/v1/sse": "GET", "/v1/tickets": "POST", "/v1/orders/A1/ack": "POST"} {
		response, content := gw.do("OPTIONS", path, token, "")
		if response.StatusCode != http.StatusNoContent || content != "" || response.Header.Get("Allow") != allow {
			t.Errorf("%s: answered %d %v %s", path, response.StatusCode, response.Header, content)
		}
	}
}

func TestScriptOfAVersionIsLoadedForAYear(t *testing.T) {
	gw := startGateway(t)
	for _, script := range []servedScript{libraryScript, statusScript} {
		response, content := gw.do("GET", "/"+script.versioned, "", "", "Origin", "https://anyone.example")
		h := response.Header
		if response.StatusCode != http.StatusOK || content != string(script.Content) || h.Get("Access-Control-Allow-Origin") != "*" ||
			h.Get("Cross-Origin-Resource-Policy") != "cross-origin" || h.Get("Cache-Control") != "public, max-age=31536000, immutable" {
			t.Errorf("answered %d %v", response.StatusCode, h)
		}
		sum := sha512.Sum384([]byte(content))
		if want := "sha384-" + base64.StdEncoding.EncodeToString(sum[:]); script.Integrity != want {
			t.Errorf("the integrity is %s, want %s", script.Integrity, want)
		}
		wire, err := http.NewRequestWithContext(t.Context(), "GET", gw.base+"/"+script.Name+".0123456789abcdef.js", nil)
		if err != nil {
			t.Fatal(err)
		}
		if response, err = http.DefaultTransport.RoundTrip(wire); err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		h = response.Header
		if response.StatusCode != http.StatusTemporaryRedirect || h.Get("Location") != script.plain || h.Get("Cache-Control") != "no-store" || h.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("another version was answered %d %v", response.StatusCode, h)
		}
		for path, want := range map[string]int{"/paybell.x.js": 404, "/paybell.0123456789abcdef.css": 404, "/paybell.0123456789abcdef.js/x": 404, "/paybell-other.0123456789abcdef.js": 404, "/": 404} {
			if response, _ := gw.do("GET", path, "", ""); response.StatusCode != want {
				t.Errorf("%s was answered %d", path, response.StatusCode)
			}
		}
		if response, _ := gw.do("POST", "/"+script.versioned, "", ""); response.StatusCode != 405 {
			t.Errorf("POST was answered %d", response.StatusCode)
		}
	}
}

func TestScriptIsLoadedOnce(t *testing.T) {
	gw := startGateway(t)
	for _, script := range []servedScript{libraryScript, statusScript} {
		response, content := gw.do("GET", "/"+script.plain, "", "", "Origin", "https://anyone.example")
		h := response.Header
		if response.StatusCode != http.StatusOK || content != string(script.Content) || len(content) == 0 ||
			h.Get("Content-Type") != "text/javascript; charset=utf-8" || h.Get("Access-Control-Allow-Origin") != "*" ||
			h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "public, max-age=300" {
			t.Errorf("answered %d %v with %d bytes", response.StatusCode, h, len(content))
		}
		tag := h.Get("ETag")
		for _, known := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
			response, content := gw.do("GET", "/"+script.plain, "", "", "If-None-Match", known)
			if response.StatusCode != http.StatusNotModified || content != "" || response.Header.Get("ETag") != tag {
				t.Errorf("If-None-Match %s was answered %d", known, response.StatusCode)
			}
		}
		if response, _ := gw.do("GET", "/"+script.plain, "", "", "If-None-Match", `"other"`); response.StatusCode != http.StatusOK {
			t.Errorf("another tag was answered %d", response.StatusCode)
		}
		response, content = gw.do("HEAD", "/"+script.plain, "", "")
		if response.Header.Get("Content-Length") != strconv.Itoa(len(script.Content)) || content != "" {
			t.Errorf("HEAD was answered %v", response.Header)
		}
	}
}
