package main

import (
	"bufio"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/clientaddr"
)

// A testDoor is a server behind a listener with a small reserve.
type testDoor struct {
	*listener
	t       *testing.T
	address string
	conns   chan *conn    // as they are accepted
	held    chan struct{} // one for each request that is held

	mu      sync.Mutex
	reasons map[string]int // of refusals
}

func startDoor(t *testing.T, c listenerConfig) *testDoor {
	t.Helper()
	tcp, err := listenAt("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &testDoor{t: t, address: tcp.Addr().String(), conns: make(chan *conn, 10_000), held: make(chan struct{}), reasons: map[string]int{}}
	c.refused = func(reason string) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.reasons[reason]++
	}
	d.listener = newListener(tcp, c)
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/hold" {
				d.held <- struct{}{}
				<-r.Context().Done()
			}
			io.WriteString(w, "ok\n")
		}),
		ConnState: d.changed, ConnContext: d.inContext,
	}
	go server.Serve(tee{d}) // ends with Close
	t.Cleanup(func() { server.Close() })
	return d
}

// A tee shows the test what is accepted.
type tee struct{ *testDoor }

func (l tee) Accept() (net.Conn, error) {
	c, err := l.testDoor.Accept()
	if err == nil {
		l.conns <- c.(*conn)
	}
	return c, err
}

func (d *testDoor) refusals(reason string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reasons[reason]
}

// dialFrom connects from an address of this machine; "": from any.
func dialFrom(t testing.TB, from, to string) net.Conn {
	t.Helper()
	dialer := net.Dialer{Timeout: patience}
	if from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	c, err := dialer.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// dial connects, and waits until the connection was accepted.
func (d *testDoor) dial(from string) (net.Conn, *conn) {
	d.t.Helper()
	client := dialFrom(d.t, from, d.address)
	select {
	case c := <-d.conns:
		return client, c
	case <-time.After(patience):
		d.t.Fatal("a connection was not accepted")
	}
	return nil, nil
}

// hold connects with a request that is not answered.
func (d *testDoor) hold(from string) net.Conn {
	d.t.Helper()
	client, _ := d.dial(from)
	io.WriteString(client, "GET /hold HTTP/1.1\r\nHost: gateway\r\n\r\n")
	select {
	case <-d.held:
	case <-time.After(patience):
		d.t.Fatal("a request did not come")
	}
	return client
}

// ask sends a request on a connection and returns the answer, whose body is read.
func ask(c net.Conn, request string) (*http.Response, string, error) {
	go io.WriteString(c, request) // the answer may come before all is sent
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return nil, "", err
	}
	body, err := io.ReadAll(response.Body)
	return response, string(body), err
}

const getLivez = "GET /livez HTTP/1.1\r\nHost: gateway\r\n\r\n"

func (d *testDoor) wantOK(c net.Conn) {
	d.t.Helper()
	if response, _, err := ask(c, getLivez); err != nil || response.StatusCode != http.StatusOK {
		d.t.Fatalf("answered %v, %v", response, err)
	}
}

// wantRefused dials, sends a request, and wants an answer that names a problem.
func (d *testDoor) wantRefused(from, request string, status int, name string) {
	d.t.Helper()
	response, body, err := ask(dialFrom(d.t, from, d.address), request)
	if err != nil {
		d.t.Fatalf("no answer: %v", err)
	}
	p := wantProblem(d.t, response, body, status, name)
	seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
	if err != nil || seconds < 1 || seconds > 5 || !response.Close {
		d.t.Errorf("%+v comes with Retry-After %q, closes: %v", p, response.Header.Get("Retry-After"), response.Close)
	}
}

// wantClosed wants the server to have closed a connection.
func wantClosed(t testing.TB, c net.Conn) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection is open: read %d bytes, %v", n, err)
	}
}

// eventually waits until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for began := time.Now(); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("%s: not after %v", what, patience)
		}
	}
}

func (l *listener) counts() (open, peers, quiet int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open, len(l.peers), l.fresh.Len() + l.idle.Len()
}

func (l *listener) idlers() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.idle.Len()
}

func TestRefusedClientSeesWhy(t *testing.T) {
	d := startDoor(t, listenerConfig{reserve: 16}) // 14, and 2 farewells
	var last net.Conn
	for range 14 {
		last = d.hold("")
	}
	big := "POST /webhooks/shop HTTP/1.1\r\nHost: gateway\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 100_000)
	for _, request := range []string{getLivez, big, "nonsense", ""} {
		d.wantRefused("", request, http.StatusServiceUnavailable, "busy")
	}
	if n := d.refusals(refusedReserve); n != 4 {
		t.Errorf("%d refusals were counted, want 4", n)
	}
	last.Close()
	eventually(t, "the place of one that went is free", func() bool { open, _, _ := d.counts(); return open == 13 })
	c, _ := d.dial("")
	d.wantOK(c)
}

func TestRefusedClientThatStaysHoldsUpNobody(t *testing.T) {
	d := startDoor(t, listenerConfig{reserve: 16})
	for range 14 {
		d.hold("")
	}
	var stayed []net.Conn
	for range 200 { // far more than there are farewells for
		stayed = append(stayed, dialFrom(t, "", d.address))
	}
	for _, c := range stayed {
		if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Fatalf("a refused connection stays open: %v", err)
		}
	}
	eventually(t, "all farewells are over", func() bool { return len(d.farewells) == 0 })
}

func TestAddressHasItsShare(t *testing.T) {
	d := startDoor(t, listenerConfig{reserve: 16, shared: true, loopback: true, proxies: clientaddr.Proxies{netip.MustParsePrefix("127.0.0.9/32")}})
	for range 4 {
		d.hold("127.0.0.2")
	}
	d.wantRefused("127.0.0.2", getLivez, http.StatusTooManyRequests, "too-many-connections-of-address")
	if n := d.refusals(refusedAddress); n != 1 {
		t.Errorf("%d refusals were counted", n)
	}
	c, _ := d.dial("127.0.0.3")
	d.wantOK(c)
	for range 5 { // a proxy brings many
		d.dial("127.0.0.9")
	}
}

func TestNoShareWhereNoneIsWanted(t *testing.T) {
	for name, c := range map[string]listenerConfig{
		"loopback":            {reserve: 16, shared: true},
		"no limit of address": {reserve: 16, loopback: true},
	} {
		t.Run(name, func(t *testing.T) {
			d := startDoor(t, c)
			for range 14 {
				d.dial("127.0.0.2")
			}
		})
	}
}

func TestIdleConnectionsMakeRoom(t *testing.T) {
	d := startDoor(t, listenerConfig{reserve: 16})
	var idle []net.Conn
	for i := range 14 {
		c, _ := d.dial("")
		d.wantOK(c)
		idle = append(idle, c)
		eventually(t, "it is idle", func() bool { return d.idlers() == i+1 })
	}
	d.wantOK(idle[0]) // it is not the longest idle any more
	eventually(t, "it is idle again", func() bool { return d.idlers() == 14 })
	for range 3 {
		c, _ := d.dial("")
		d.wantOK(c)
	}
	for _, c := range idle[1:4] {
		wantClosed(t, c)
	}
	d.wantOK(idle[0])
	d.wantOK(idle[4])
	if n := d.refusals(refusedReserve); n != 0 {
		t.Errorf("%d were refused", n)
	}
}

func TestSilentNewcomersMakeRoomAfterASecond(t *testing.T) {
	d := startDoor(t, listenerConfig{reserve: 16})
	var silent []net.Conn
	for range 14 {
		c, _ := d.dial("")
		silent = append(silent, c)
	}
	time.Sleep(freshFor)
	for i := range 14 {
		c, _ := d.dial("")
		io.WriteString(c, "GET /livez HTTP/1.1\r\nHost:") // and no more
		wantClosed(t, silent[i])
	}
	if n := d.refusals(refusedReserve); n != 0 {
		t.Errorf("%d were refused", n)
	}
}

func TestSeatedConnectionsLeaveTheReserve(t *testing.T) {
	d := startDoor(t, listenerConfig{reserve: 16, shared: true, loopback: true})
	for range 50 {
		client, c := d.dial("127.0.0.2")
		d.wantOK(client)
		c.Seated()
		c.Seated() // a second stream of HTTP/2
		c.Unseated()
	}
	open, peers, _ := d.counts()
	if open != 0 || peers != 0 {
		t.Fatalf("%d are counted, of %d addresses", open, peers)
	}
	client, c := d.dial("127.0.0.2")
	c.Seated()
	c.Unseated() // its long poll was answered
	if open, peers, _ = d.counts(); open != 1 || peers != 1 {
		t.Errorf("%d are counted, of %d addresses, want the one without a seat", open, peers)
	}
	c.Seated()
	client.Close()
	eventually(t, "it is closed", func() bool { d.listener.mu.Lock(); defer d.listener.mu.Unlock(); return c.closed })
	c.Unseated() // after the end
	c.Close()    // twice
	if open, peers, _ = d.counts(); open != 0 || peers != 0 {
		t.Errorf("%d are counted, of %d addresses, and all are seated or closed", open, peers)
	}
}

// TestSeatedConnectionsAreNotClosed: a stream of HTTP/2 may be seated while
// net/http thinks the connection idle.
func TestSeatedConnectionsAreNotClosed(t *testing.T) {
	d := startDoor(t, listenerConfig{reserve: 16})
	client, c := d.dial("")
	d.wantOK(client)
	c.Seated()
	time.Sleep(freshFor)
	for range 14 {
		d.hold("")
	}
	d.wantRefused("", getLivez, http.StatusServiceUnavailable, "busy")
	d.wantOK(client)
}

func TestAddressesOfIPv6ShareBySixtyFour(t *testing.T) {
	if l, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Skip("no IPv6 here:", err)
	} else {
		l.Close()
	}
	tcp, err := listenAt("[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	l := newListener(tcp, listenerConfig{reserve: 16, shared: true, loopback: true})
	client := dialFrom(t, "", tcp.Addr().String())
	defer client.Close()
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	if got := accepted.(*conn).peer; got != netip.MustParseAddr("::") {
		t.Errorf("counted as %v", got)
	}
}

func TestNothingIsCountedOfACrowdThatLeft(t *testing.T) {
	d := startDoor(t, listenerConfig{reserve: 32, shared: true, loopback: true})
	var crowd sync.WaitGroup
	answers := make(chan int, 10_000)
	for i := range 16 {
		crowd.Go(func() {
			for range 40 {
				c := dialFrom(t, "127.0.0."+strconv.Itoa(2+i%4), d.address)
				switch rand.IntN(4) {
				case 0: // says nothing
				case 1:
					io.WriteString(c, "GET / HT")
				default:
					if response, _, err := ask(c, getLivez); err == nil {
						answers <- response.StatusCode
					}
				}
				select {
				case one := <-d.conns:
					if rand.IntN(2) == 0 {
						one.Seated()
						one.Unseated()
					}
				default:
				}
				c.Close()
			}
		})
	}
	crowd.Wait()
	close(answers)
	seen := map[int]int{}
	for status := range answers {
		seen[status]++
	}
	t.Log("answers:", seen)
	if seen[http.StatusOK] == 0 {
		t.Error("nobody got in")
	}
	eventually(t, "all are forgotten", func() bool {
		open, peers, quiet := d.counts()
		return open == 0 && peers == 0 && quiet == 0 && len(d.farewells) == 0
	})
}
