package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// limitLoopback limits addresses of this machine as if they were others'.
func limitLoopback(c *config) {
	c.Limits.Reserve = 64
	c.from["limits.per_address"] = origin{line: 1}
}

func (gw *testGateway) host() string {
	return strings.TrimPrefix(strings.TrimPrefix(gw.base, "https://"), "http://")
}

// paid sends a webhook over a connection of its own, and returns the status.
func (gw *testGateway) paid(id string) int {
	gw.t.Helper()
	signed, err := gw.signers["shop"].Simulate(webhook.Simulation{
		ID: "evt_" + id, Order: id, Payment: "p_" + id, Status: order.Paid, Amount: 9900, Currency: "EUR", Live: true, At: time.Now(),
	})
	if err != nil {
		gw.t.Fatal(err)
	}
	status, err := send(signed, gw.base+"/webhooks/shop")
	if err != nil {
		gw.t.Fatal(err)
	}
	return status
}

// refusedFor reads a reason's count of refusals out of the metrics.
func (gw *testGateway) refusedFor(reason string) (count int) {
	gw.t.Helper()
	_, content := gw.do("GET", gw.admin+"/metrics", "", "")
	if _, rest, ok := strings.Cut(content, fmt.Sprintf("paybell_connections_refused_total{reason=%q} ", reason)); ok {
		fmt.Sscan(rest, &count)
	}
	return count
}

// TestFewAddressesCannotTakeTheReserve has connections from two addresses that
// say nothing, and webhooks from a third.
func TestFewAddressesCannotTakeTheReserve(t *testing.T) {
	gw := startGatewayWith(t, filepath.Join(t.TempDir(), "l.db"), limitLoopback)
	for i := range 300 {
		dialFrom(t, fmt.Sprint("127.0.0.", 2+i%2), gw.host())
	}
	for i := range 20 {
		if status := gw.paid(fmt.Sprint("A", i)); status/100 != 2 {
			t.Fatalf("webhook %d was answered %d", i, status)
		}
	}
	if gw.refusedFor(refusedAddress) == 0 {
		t.Error("none was refused for its address")
	}
}

// TestSilentCrowdMakesRoomForWebhooks has connections that say nothing from 300
// addresses, which together use the reserve up.
func TestSilentCrowdMakesRoomForWebhooks(t *testing.T) {
	gw := startGatewayWith(t, filepath.Join(t.TempDir(), "l.db"), limitLoopback)
	for i := range 300 {
		dialFrom(t, fmt.Sprintf("127.0.%d.%d", 1+i/200, 1+i%200), gw.host())
	}
	eventually(t, "the reserve is used up", func() bool { return gw.refusedFor(refusedReserve) > 0 })
	time.Sleep(freshFor)
	for i := range 20 {
		if status := gw.paid(fmt.Sprint("A", i)); status/100 != 2 {
			t.Fatalf("webhook %d was answered %d", i, status)
		}
	}
	w := gw.watch("A1", gw.session("A1"))
	w.want("snapshot", 1, order.Paid)
}

func TestAddressOfAClientIsWhatItsProxySays(t *testing.T) {
	proxied := func(peer, forwarded string) *http.Request {
		r := httptest.NewRequest("GET", "/v1/sse", nil)
		r.RemoteAddr = peer
		if forwarded != "" {
			r.Header.Set("X-Forwarded-For", forwarded)
		}
		return r
	}
	gw := startGatewayWith(t, filepath.Join(t.TempDir(), "l.db"), func(c *config) { c.TrustedProxies = []string{"10.0.0.0/8"} })
	for _, test := range []struct{ peer, forwarded, want string }{
		{"198.51.100.1:1", "", "198.51.100.1"},
		{"10.0.0.1:1", "203.0.113.5", "203.0.113.5"},
		{"198.51.100.1:1", "203.0.113.5", "198.51.100.1"},
		{"198.51.100.2:1", "203.0.113.5", "198.51.100.2"},
		{"10.0.0.1:1", "", ""}, // the proxy itself
		{"10.0.0.1:1", "unknown", ""},
		{"@", "203.0.113.5", ""},
	} {
		var want netip.Addr
		if test.want != "" {
			want = netip.MustParseAddr(test.want)
		}
		if got := gw.gateway.address(proxied(test.peer, test.forwarded)); got != want {
			t.Errorf("%q through %s is %v, want %v", test.forwarded, test.peer, got, want)
		}
	}
	if n := strings.Count(gw.logs.String(), "X-Forwarded-For is ignored"); n != 1 {
		t.Errorf("a proxy that was not named is logged %d times, want once", n)
	}
}

// TestAProxyThatIsNotTrustedIsWarnedOf where its address says that it is the
// operator's own.
func TestAProxyThatIsNotTrustedIsWarnedOf(t *testing.T) {
	for peer, level := range map[string]string{"10.0.0.1:1": "WARN", "127.0.0.1:1": "WARN", "[fd00::1]:1": "WARN", "198.51.100.1:1": "INFO"} {
		gw := startGateway(t)
		r := httptest.NewRequest("GET", "/v1/sse", nil)
		r.RemoteAddr = peer
		r.Header.Set("X-Forwarded-For", "203.0.113.5")
		gw.gateway.address(r)
		gw.gateway.address(r)
		if said := gw.logs.String(); strings.Count(said, `level=`+level+` msg="X-Forwarded-For is ignored: trusted_proxies`) != 1 {
			t.Errorf("of %s the log says\n%s", peer, said)
		}
	}
}

func TestLimitsOfTheHubAreTheConfigurations(t *testing.T) {
	gw := startGatewayWith(t, filepath.Join(t.TempDir(), "l.db"), func(c *config) {
		c.Limits = limitsConfig{Connections: 9, PerToken: 2, PerAddress: 3, Rate: 4, Queue: 5, Orders: 6, MessageBytes: 7000, Reserve: 20}
	})
	l := gw.gateway.hubLimits()
	if got := fmt.Sprint(l); got != "{9 2 3 false 4 5 6 7000}" {
		t.Errorf("got %s", got)
	}
	if l := startGatewayWith(t, filepath.Join(t.TempDir(), "m.db"), limitLoopback).gateway.hubLimits(); !l.Loopback || l.PerAddress != 1000 {
		t.Errorf("with a limit of addresses that is set: %+v", l)
	}
}

// selfSigned makes a certificate for loopback, and returns its files.
func selfSigned(t *testing.T) tlsConfig {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := tlsConfig{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}
	for path, block := range map[string]*pem.Block{
		files.Cert: {Type: "CERTIFICATE", Bytes: certificate}, files.Key: {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// TestIdleConnectionsOfTLSMakeRoom covers HTTP/1.1 and HTTP/2 over TLS, where the
// server's connections lie over the listener's.
func TestIdleConnectionsOfTLSMakeRoom(t *testing.T) {
	gw := startGatewayWith(t, filepath.Join(t.TempDir(), "l.db"), func(c *config) {
		c.TLS = selfSigned(t)
		c.Limits.Reserve = 16
	})
	for i := range 40 {
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: i%2 == 0}
		defer transport.CloseIdleConnections()
		client := &http.Client{Transport: transport, Timeout: patience}
		var response *http.Response
		eventually(t, "one that is idle makes room", func() (ok bool) {
			var err error
			response, err = client.Get("https://" + gw.host() + "/livez")
			return err == nil
		})
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if want := 1 + (i+1)%2; response.ProtoMajor != want {
			t.Errorf("connection %d speaks %s", i, response.Proto)
		}
	}
}

// TestDribbledBeginningsEnd: bodies are in TestBodyThatNeverComesHoldsNoConnection.
func TestDribbledBeginningsEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the limit of 5 s")
	}
	t.Parallel()
	plain := startGateway(t)
	secure := startGatewayWith(t, filepath.Join(t.TempDir(), "l.db"), func(c *config) { c.TLS = selfSigned(t) })
	hello := make(chan []byte, 1)
	go func() { // what a TLS client says first
		a, b := net.Pipe()
		go tls.Client(a, &tls.Config{InsecureSkipVerify: true}).Handshake() // ends with the pipe
		first := make([]byte, 16<<10)
		n, _ := b.Read(first)
		hello <- first[:n]
		b.Close()
	}()
	var group sync.WaitGroup
	dribble := func(what, address string, content []byte) {
		group.Go(func() {
			c := dialFrom(t, "", address)
			began := time.Now()
			gone := make(chan struct{})
			go func() {
				io.Copy(io.Discard, c)
				close(gone)
			}()
			for _, b := range content {
				if _, err := c.Write([]byte{b}); err != nil {
					break
				}
				select {
				case <-gone:
				case <-time.After(200 * time.Millisecond):
					continue
				}
				break
			}
			select {
			case <-gone:
				t.Logf("%s: closed after %v", what, time.Since(began).Round(time.Second/10))
			case <-time.After(patience):
				t.Errorf("%s: still open after %v", what, time.Since(began))
			}
		})
	}
	headers := []byte("GET /livez HTTP/1.1\r\nHost: gateway\r\n" + strings.Repeat("X: y\r\n", 500))
	dribble("headers", plain.host(), headers)
	dribble("nothing", plain.host(), nil)
	dribble("TLS handshake", secure.host(), <-hello)
	dribble("nothing, instead of TLS", secure.host(), nil)
	group.Wait()
}

func TestStartSaysWhatIsLowered(t *testing.T) {
	if descriptorLimit() == 0 {
		t.Skip("no limit of descriptors is known here")
	}
	gw := startGatewayWith(t, filepath.Join(t.TempDir(), "l.db"), func(c *config) { c.Limits.Connections = 1<<31 - 1 })
	if logs := gw.logs.String(); !strings.Contains(logs, "limits.connections does not fit") {
		t.Errorf("logged %q", logs)
	}
}
