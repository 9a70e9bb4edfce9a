package clientaddr

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// proxies are an operator's: one address, two networks.
func proxies(t testing.TB) Proxies {
	t.Helper()
	var p Proxies
	for _, text := range []string{"192.0.2.7", "10.0.0.0/8", "2001:db8:ff::/48"} {
		prefix, err := ParseProxy(text)
		if err != nil {
			t.Fatal(err)
		}
		p = append(p, prefix)
	}
	return p
}

func request(peer string, forwarded ...string) *http.Request {
	header := http.Header{"Forwarded": {"for=203.0.113.66"}, "X-Real-Ip": {"203.0.113.66"}}
	if len(forwarded) > 0 {
		header["X-Forwarded-For"] = forwarded
	}
	return &http.Request{RemoteAddr: peer, Header: header}
}

func TestAddressOfAClient(t *testing.T) {
	for name, test := range map[string]struct {
		peer      string
		forwarded []string
		want      string // empty: not valid
	}{
		"no proxy":                          {"198.51.100.1:4000", nil, "198.51.100.1"},
		"spoofed without a proxy":           {"198.51.100.1:4000", []string{"203.0.113.5"}, "198.51.100.1"},
		"spoofed, from beside a proxy":      {"192.0.2.8:4000", []string{"203.0.113.5"}, "192.0.2.8"},
		"one proxy":                         {"192.0.2.7:4000", []string{"203.0.113.5"}, "203.0.113.5"},
		"one proxy, spoofed":                {"192.0.2.7:4000", []string{"198.51.100.9, 203.0.113.5"}, "203.0.113.5"},
		"one proxy, spoofed as a proxy":     {"192.0.2.7:4000", []string{"203.0.113.9, 10.1.1.1, 203.0.113.5"}, "203.0.113.5"},
		"one proxy, rubbish before":         {"192.0.2.7:4000", []string{"\x00<script>,,;, 203.0.113.5"}, "203.0.113.5"},
		"two proxies":                       {"192.0.2.7:4000", []string{"198.51.100.9, 203.0.113.5, 10.2.3.4"}, "203.0.113.5"},
		"two proxies, a line each":          {"192.0.2.7:4000", []string{"198.51.100.9", "203.0.113.5", "10.2.3.4"}, "203.0.113.5"},
		"spaces and tabs":                   {"192.0.2.7:4000", []string{"198.51.100.9 ,\t203.0.113.5 \t,  10.2.3.4 "}, "203.0.113.5"},
		"began at a proxy":                  {"192.0.2.7:4000", []string{"10.9.9.9, 10.2.3.4"}, "192.0.2.7"},
		"proxy that says nothing":           {"192.0.2.7:4000", nil, "192.0.2.7"},
		"proxy that says nothing, in words": {"192.0.2.7:4000", []string{""}, "192.0.2.7"},
		"proxy that does not know":          {"192.0.2.7:4000", []string{"203.0.113.5, unknown"}, "192.0.2.7"},
		"proxy over a socket":               {"192.0.2.7:4000", []string{"203.0.113.5, unix:"}, "192.0.2.7"},
		"nothing after the comma":           {"192.0.2.7:4000", []string{"203.0.113.5,"}, "192.0.2.7"},
		"with a port":                       {"192.0.2.7:4000", []string{"203.0.113.5:61000"}, "203.0.113.5"},
		"IPv6":                              {"[2001:db8:ff::1]:4000", []string{"2001:db8::5"}, "2001:db8::5"},
		"IPv6 with a port":                  {"192.0.2.7:4000", []string{"[2001:db8::5]:61000"}, "2001:db8::5"},
		"IPv6 in brackets":                  {"192.0.2.7:4000", []string{"[2001:db8::5]"}, "2001:db8::5"},
		"IPv6 with a zone":                  {"[fe80::1%eth0]:4000", nil, "fe80::1"},
		"IPv4 as IPv6":                      {"[::ffff:192.0.2.7]:4000", []string{"::ffff:203.0.113.5"}, "203.0.113.5"},
		"nowhere":                           {"192.0.2.7:4000", []string{"0.0.0.0"}, "192.0.2.7"},
		"no port":                           {"192.0.2.7", []string{"203.0.113.5"}, ""},
		"Unix socket":                       {"@", []string{"203.0.113.5"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var want netip.Addr
			if test.want != "" {
				want = netip.MustParseAddr(test.want)
			}
			if got := proxies(t).Client(request(test.peer, test.forwarded...)); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestProxiesAreReadStrictly(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.7": "192.0.2.7/32", "::ffff:192.0.2.7": "192.0.2.7/32", "::1": "::1/128",
		"10.1.2.3/8": "10.0.0.0/8", "2001:db8::1/32": "2001:db8::/32",
	} {
		if got, err := ParseProxy(text); err != nil || got.String() != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"": "is not", "nginx": "is not", "10.0.0.0/33": "is not", "10.0.0/8": "is not", "192.0.2.7:80": "is not", "fe80::1%eth0": "is not",
		"0.0.0.0/0": "every client's word", "::/0": "every client's word", "::ffff:10.0.0.0/104": "write it as IPv4",
	} {
		if got, err := ParseProxy(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v, want %q", text, got, err, want)
		}
	}
}

// FuzzClient has a client write what it likes. Whatever that is, from outside it
// stays the peer, and through a proxy, which adds the client's address at the
// end, it stays that address.
func FuzzClient(f *testing.F) {
	f.Add("203.0.113.5, 10.0.0.1", "unknown")
	f.Add("[::1]:80,", ",")
	f.Add(strings.Repeat("10.0.0.1,", 50), "::ffff:1.2.3.4%x")
	f.Fuzz(func(t *testing.T, first, second string) {
		p := proxies(t)
		client := netip.MustParseAddr("198.51.100.1")
		for what, r := range map[string]*http.Request{
			"outside":                request("198.51.100.1:4000", first, second),
			"proxy adds to the line": request("192.0.2.7:4000", first, second+", 198.51.100.1"),
			"proxy adds a line":      request("192.0.2.7:4000", first, second, "198.51.100.1"),
			"two proxies":            request("192.0.2.7:4000", first, second+",198.51.100.1,10.0.0.9"),
		} {
			if got := p.Client(r); got != client {
				t.Errorf("%s: took %v for the client", what, got)
			}
		}
		p.Client(request("192.0.2.7:4000", first, second))
		p.Client(request(first, second))
	})
}

func BenchmarkClient(b *testing.B) {
	p := proxies(b)
	r := request("192.0.2.7:4000", "198.51.100.9, 203.0.113.5, 10.2.3.4")
	b.ReportAllocs()
	for b.Loop() {
		p.Client(r)
	}
}
