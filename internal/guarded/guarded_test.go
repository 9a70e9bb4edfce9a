package guarded

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A server is a real one with a certificate of its own, on the loopback
// interface. httptest's certificate is for example.com.
type server struct {
	at    netip.AddrPort
	roots *x509.CertPool
	asked atomic.Int64 // connections, whether or not they come to a request
}

func serve(t *testing.T, handler http.HandlerFunc) *server {
	t.Helper()
	s := &server{roots: x509.NewCertPool()}
	h := httptest.NewUnstartedServer(handler)
	h.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.asked.Add(1)
		}
	}
	h.StartTLS()
	t.Cleanup(h.Close)
	s.at = netip.MustParseAddrPort(h.Listener.Addr().String())
	s.roots.AddCert(h.Certificate())
	return s
}

func (s *server) client(t *testing.T, o Options) *Client {
	o.Hosts = []string{"example.com"}
	return ForTest(t, o, s.at, s.roots)
}

func TestGetsWhatItMay(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte(r.URL.Path + " " + r.Header.Get("Authorization")))
	})
	got, err := s.client(t, Options{}).Get(t.Context(), "https://example.com/a", http.Header{"Authorization": {"Bearer x"}})
	if err != nil || string(got) != "/a Bearer x" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := s.client(t, Options{}).Get(t.Context(), "https://example.com:443/a", nil); err != nil {
		t.Error(err)
	}
}

func TestAddressesThatAreRefusedUnasked(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {})
	c := s.client(t, Options{})
	for _, address := range []string{
		"http://example.com/", "https://example.com:8443/", "https://example.com:/", "https://user@example.com/", "https://example.com@127.0.0.1/",
		"https://127.0.0.1/", "https://[::1]/", "https://example.com.evil.example/", "https://evil.example/?https://example.com/",
		"https://example.com./", "https://EXAMPLE.com/", "https://sub.example.com/", "https:example.com", "//example.com/", "", "ftp://example.com/",
		"https://example.com\\@evil.example/", "https://example.com%00.evil.example/",
	} {
		if _, err := c.Get(t.Context(), address, nil); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if n := s.asked.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

func TestARedirectLeadsNowhere(t *testing.T) {
	inner := serve(t, func(w http.ResponseWriter, r *http.Request) {})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://"+inner.at.String()+"/", http.StatusFound)
	})
	_, err := s.client(t, Options{}).Get(t.Context(), "https://example.com/", nil)
	if status := new(StatusError); !errors.As(err, &status) || status.Status != http.StatusFound {
		t.Error(err)
	}
	if n := inner.asked.Load(); n != 0 {
		t.Errorf("it was followed: %d connections", n)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	stop := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/large":
			w.Write(bytes.Repeat([]byte("x"), 101))
		case "/full":
			w.Write(bytes.Repeat([]byte("x"), 100))
		case "/slow":
			<-stop
		case "/missing":
			http.NotFound(w, r)
		}
	})
	t.Cleanup(func() { close(stop) })
	c := s.client(t, Options{MaxBytes: 100, Timeout: time.Second})
	if _, err := c.Get(t.Context(), "https://example.com/large", nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if body, err := c.Get(t.Context(), "https://example.com/full", nil); err != nil || len(body) != 100 {
		t.Errorf("just as large as it may: %d bytes, %v", len(body), err)
	}
	if _, err := c.Get(t.Context(), "https://example.com/missing", nil); err == nil {
		t.Error("404 is taken for an answer")
	}
	_, err := c.Get(t.Context(), "https://example.com/slow?token=t0ken", nil)
	if timeout := net.Error(nil); !errors.As(err, &timeout) || !timeout.Timeout() || strings.Contains(err.Error(), "t0ken") {
		t.Errorf("too slow: %v", err)
	}
}

func TestAStrangersCertificateIsRefused(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { t.Error("asked") })
	c := ForTest(t, Options{Hosts: []string{"api.paypal.example"}}, s.at, s.roots) // the certificate is another host's
	if _, err := c.Get(t.Context(), "https://api.paypal.example/", nil); err == nil {
		t.Error("a certificate of another name is believed")
	}
	c = ForTest(t, Options{Hosts: []string{"example.com"}}, s.at, x509.NewCertPool())
	if _, err := c.Get(t.Context(), "https://example.com/", nil); err == nil {
		t.Error("a certificate of nobody is believed")
	}
}

// unguarded asks a client, as production builds it but for the port, which tests
// cannot listen on, and the resolver.
func unguarded(t *testing.T, s *server, answers ...netip.Addr) *Client {
	c := New(Options{Hosts: []string{"example.com", "localhost"}, Roots: s.roots, Timeout: 5 * time.Second})
	_, c.port, _ = net.SplitHostPort(s.at.String())
	c.dialer.Resolver = resolver(t, answers...)
	return c
}

func TestNamesThatResolveToOurselvesReachNothing(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { t.Error("reached") })
	for _, address := range []string{"127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "127.8.9.10"} {
		_, err := unguarded(t, s, netip.MustParseAddr(address)).Get(t.Context(), "https://example.com/", nil)
		if !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", address, err)
		}
	}
	t.Setenv("HTTPS_PROXY", "http://"+s.at.String())
	if _, err := unguarded(t, s, netip.MustParseAddr("127.0.0.1")).Get(t.Context(), "https://example.com/", nil); !errors.Is(err, ErrRefused) {
		t.Errorf("with a proxy in the environment: %v", err)
	}
	if n := s.asked.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

// TestItIsTheAddressThatIsRefused lets the same client through to the same
// server, so that the tests above are known to ask in earnest.
func TestItIsTheAddressThatIsRefused(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("reached")) })
	c := unguarded(t, s, netip.MustParseAddr("127.0.0.1"))
	c.allow = func(netip.AddrPort) bool { return true }
	if body, err := c.Get(t.Context(), "https://example.com/", nil); err != nil || string(body) != "reached" {
		t.Errorf("%q, %v", body, err)
	}
}

// TestARebindingResolverReachesNothing: the first answer is of the public
// internet, and every one after it is our own address.
func TestARebindingResolverReachesNothing(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { t.Error("reached") })
	first, own := netip.MustParseAddr("93.184.215.14"), netip.MustParseAddr("127.0.0.1")
	c := unguarded(t, s, first, own)
	looked, err := c.dialer.Resolver.LookupNetIP(t.Context(), "ip4", "example.com") // as a check before the fetch would
	if err != nil || len(looked) != 1 || !public(netip.AddrPortFrom(looked[0], 443)) {
		t.Fatalf("the first answer is %v, %v", looked, err)
	}
	for i := range 3 {
		if _, err := c.Get(t.Context(), "https://example.com/", nil); !errors.Is(err, ErrRefused) {
			t.Errorf("try %d: %v", i+1, err)
		}
	}
	if n := s.asked.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

// resolver is one that asks a DNS server of ours, which gives each of the answers
// once, and the last one for ever.
func resolver(t *testing.T, answers ...netip.Addr) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		packet := make([]byte, 1500)
		for given := 0; ; {
			n, from, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			answer, used := dnsAnswer(packet[:n], answers[min(given, len(answers)-1)])
			if used {
				given++
			}
			conn.WriteTo(answer, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// dnsAnswer answers a question (RFC 1035 section 4) for an address of a's kind,
// and says that of the other kind there is none.
func dnsAnswer(question []byte, a netip.Addr) (answer []byte, used bool) {
	end := 12
	for question[end] != 0 {
		end += int(question[end]) + 1
	}
	kind := binary.BigEndian.Uint16(question[end+1:])
	answer = append([]byte{}, question[:end+5]...)
	answer[2], answer[3] = 0x81, 0x80
	copy(answer[6:12], make([]byte, 6))
	if want := map[bool]uint16{true: 1, false: 28}[a.Is4()]; kind != want {
		return answer, false
	}
	answer[7] = 1
	data := a.AsSlice()
	answer = append(answer, 0xc0, 12)
	answer = binary.BigEndian.AppendUint16(answer, kind)
	answer = append(answer, 0, 1, 0, 0, 0, 0)
	answer = binary.BigEndian.AppendUint16(answer, uint16(len(data)))
	return append(answer, data...), true
}

func TestOnlyThePublicInternetIsPublic(t *testing.T) {
	for _, address := range []string{
		"0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "169.254.169.254", "172.31.255.255", "192.0.0.8", "192.0.2.9", "192.88.99.1",
		"192.168.0.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:a00:1::1", "3fff::1",
		"fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "2606:4700::1%eth0",
	} {
		if public(netip.AddrPortFrom(netip.MustParseAddr(address), 443)) {
			t.Errorf("%s counts as public", address)
		}
	}
	for _, address := range []string{"8.8.8.8", "64.4.250.31", "173.0.84.1", "100.63.0.1", "100.128.0.1", "172.32.0.1", "2606:4700::6810:84e5", "2a04:4e42::1", "2400:3200::1"} {
		if !public(netip.AddrPortFrom(netip.MustParseAddr(address), 443)) {
			t.Errorf("%s does not count as public", address)
		}
	}
}
