package main

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/paybell/paybell/hub"
	"github.com/paybell/paybell/internal/clientaddr"
	"github.com/paybell/paybell/internal/problem"
)

// Why a connection was refused before anything was read of it, as metrics name it.
const (
	refusedReserve     = "reserve"            // the reserve is used up
	refusedAddress     = "reserve_of_address" // one address has its share of the reserve
	refusedDescriptors = "descriptors"        // the process may open no more
)

var (
	noRoom = problem.Problem{
		Status: http.StatusServiceUnavailable, Name: "busy", Title: "Too busy",
		Detail: "More requests are under way than this node has room for. Try again after Retry-After.", RetryAfter: time.Second,
	}
	noRoomForAddress = problem.Problem{
		Status: http.StatusTooManyRequests, Name: "too-many-connections-of-address", Title: "Too many connections from this address",
		Detail: "Try again after Retry-After. If this is the address of a proxy, name it in \"trusted_proxies\" in the gateway's configuration.", RetryAfter: time.Second,
	}
)

const (
	perAddressShare  = 4                      // the part of the reserve that one address may use
	freshFor         = time.Second            // how long a newcomer may say nothing before it must make room
	farewell         = 500 * time.Millisecond // how long a refused client may take to ask, and to read why
	farewellBytes    = 256 << 10              // how much of its request is taken meanwhile
	outOfDescriptors = 20 * time.Millisecond  // how long to wait before another look
)

// A listener accepts connections for an HTTP server, and keeps count of those that
// are no waiting client's: from being accepted until they are closed, or the hub
// has a seat for them. They live on a reserve of descriptors, so that webhooks get
// in however many clients wait. Where the reserve is used up, connections that
// say nothing make room, the longest silent first, and else the newcomer is told
// to come again. Accept never waits for a client.
type listener struct {
	*net.TCPListener
	most    int                   // connections at once
	share   int                   // of them from one address
	counted func(netip.Addr) bool // whether the share is for an address
	tls     bool                  // strangers are spoken to in TLS only
	refused func(reason string)

	farewells chan struct{} // one for each that is being told why it was refused

	spare *os.File // a descriptor to give up when there is no other; Accept's

	mu    sync.Mutex
	open  int
	peers map[netip.Addr]int
	fresh list.List // of *conn of which no request has come yet, the oldest first
	idle  list.List // of *conn between two requests, the longest idle first
}

// A listenerConfig says what a listener counts.
type listenerConfig struct {
	reserve  int // descriptors
	shared   bool
	loopback bool // counts by addresses of this machine too
	proxies  clientaddr.Proxies
	tls      bool
	refused  func(reason string)
}

// newListener returns a listener over l, which must be one for TCP. An address has a share of the
// reserve, unless it is a proxy's, or shared is false.
func newListener(l net.Listener, c listenerConfig) *listener {
	farewells := max(c.reserve/16, 2)
	return &listener{
		TCPListener: l.(*net.TCPListener), most: c.reserve - farewells, share: c.reserve / perAddressShare, tls: c.tls, refused: c.refused,
		counted: func(address netip.Addr) bool {
			return c.shared && address.IsValid() && (c.loopback || !address.IsLoopback()) && !c.proxies.Contain(address)
		},
		farewells: make(chan struct{}, farewells), peers: map[netip.Addr]int{},
	}
}

// A conn is a connection that a listener counts.
type conn struct {
	*net.TCPConn
	listener *listener
	peer     netip.Addr // it counts for; not valid: none
	since    time.Time

	// Guarded by the listener's mu.
	seats  int // of the hub's clients that are on it; several with HTTP/2
	closed bool
	quiet  *list.List    // fresh or idle; nil: neither
	place  *list.Element // in it
}

// Accept returns the next connection for which there is room.
func (l *listener) Accept() (net.Conn, error) {
	for {
		tcp, err := l.accept()
		if err != nil {
			l.spare.Close()
			l.spare = nil
			return nil, err
		}
		if tcp == nil {
			continue
		}
		c := &conn{TCPConn: tcp, listener: l, peer: l.peerOf(tcp), since: time.Now()}
		gone, reason := l.admit(c)
		if gone != nil {
			gone.TCPConn.Close()
		}
		if reason == "" {
			return c, nil
		}
		l.refuse(tcp, reason)
	}
}

// peerOf returns what the share of a connection's address is counted under.
func (l *listener) peerOf(c *net.TCPConn) netip.Addr {
	tcp, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	address := tcp.AddrPort().Addr().Unmap().WithZone("")
	if !l.counted(address) {
		return netip.Addr{}
	}
	if address.Is6() {
		return netip.PrefixFrom(address, 64).Masked().Addr()
	}
	return address
}

// accept takes the next connection. Where the process may open no more
// descriptors, it gives up the spare one for it, so that the client can be told,
// and returns nil when that is all that can be done. Accepting again at once would
// only find the same, and net/http, told of the error, would pause for all.
func (l *listener) accept() (*net.TCPConn, error) {
	if l.spare == nil {
		l.openSpare()
	}
	c, err := l.AcceptTCP()
	if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) {
		return c, err
	}
	if !pending(l.TCPListener, outOfDescriptors) { // the error comes even when nobody does
		return nil, nil
	}
	l.spare.Close()
	l.spare = nil
	if c, err = l.AcceptTCP(); err != nil { // somebody else was faster
		time.Sleep(outOfDescriptors)
		return nil, nil
	}
	if l.openSpare() || l.evict() && l.openSpare() {
		return c, nil
	}
	l.refuse(c, refusedDescriptors)
	return nil, nil
}

func (l *listener) openSpare() bool {
	var err error
	l.spare, err = os.Open(os.DevNull)
	return err == nil
}

// admit counts a connection, or says why not. Where another must make room for
// it, that is returned, not counted any more and to be closed.
func (l *listener) admit(c *conn) (gone *conn, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case c.peer.IsValid() && l.peers[c.peer] >= l.share:
		if gone = l.silentLocked(c.peer); gone == nil {
			return nil, refusedAddress
		}
	case l.open >= l.most:
		if gone = l.silentLocked(netip.Addr{}); gone == nil {
			return nil, refusedReserve
		}
	}
	if gone != nil {
		l.forgetLocked(gone)
	}
	l.countLocked(c)
	c.moveLocked(&l.fresh)
	return gone, ""
}

// evict closes a silent connection, if there is one.
func (l *listener) evict() bool {
	l.mu.Lock()
	gone := l.silentLocked(netip.Addr{})
	if gone != nil {
		l.forgetLocked(gone)
	}
	l.mu.Unlock()
	return gone != nil && gone.TCPConn.Close() == nil
}

// silentLocked returns the connection that should make room: of a peer, or when
// that is not valid of any.
func (l *listener) silentLocked(peer netip.Addr) *conn {
	for _, quiet := range []*list.List{&l.idle, &l.fresh} {
		for e := quiet.Front(); e != nil; e = e.Next() {
			c := e.Value.(*conn)
			if quiet == &l.fresh && time.Since(c.since) < freshFor {
				break
			}
			if c.seats == 0 && (!peer.IsValid() || c.peer == peer) {
				return c
			}
		}
	}
	return nil
}

func (l *listener) countLocked(c *conn) {
	l.open++
	if c.peer.IsValid() {
		l.peers[c.peer]++
	}
}

func (l *listener) uncountLocked(c *conn) {
	l.open--
	if !c.peer.IsValid() {
		return
	}
	if l.peers[c.peer]--; l.peers[c.peer] == 0 {
		delete(l.peers, c.peer)
	}
}

// forgetLocked ends the counting of a connection for good.
func (l *listener) forgetLocked(c *conn) {
	if c.closed {
		return
	}
	c.closed = true
	c.moveLocked(nil)
	if c.seats == 0 {
		l.uncountLocked(c)
	}
}

// moveLocked puts a connection at the end of a list of quiet ones, or into none.
func (c *conn) moveLocked(to *list.List) {
	if c.quiet != nil {
		c.quiet.Remove(c.place)
		c.place = nil
	}
	if c.quiet = to; to != nil {
		c.place = to.PushBack(c)
	}
}

// Close ends the connection, and its count.
func (c *conn) Close() error {
	err := c.TCPConn.Close()
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	c.listener.forgetLocked(c)
	return err
}

// Seated and Unseated make a conn a [hub.Connection].
func (c *conn) Seated() {
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	if c.seats++; c.seats == 1 && !c.closed {
		c.listener.uncountLocked(c)
	}
}

func (c *conn) Unseated() {
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	if c.seats--; c.seats == 0 && !c.closed {
		c.listener.countLocked(c)
	}
}

// changed is the server's ConnState hook.
func (l *listener) changed(of net.Conn, state http.ConnState) {
	c := connOf(of)
	if c == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case c.closed:
	case state == http.StateIdle:
		c.moveLocked(&l.idle)
	case state != http.StateNew:
		c.moveLocked(nil)
	}
}

// inContext is the server's ConnContext hook.
func (l *listener) inContext(ctx context.Context, of net.Conn) context.Context {
	if c := connOf(of); c != nil {
		return hub.WithConnection(ctx, c)
	}
	return ctx
}

// connOf returns the conn below a server's connection, or nil.
func connOf(of net.Conn) *conn {
	if secure, ok := of.(*tls.Conn); ok {
		of = secure.NetConn()
	}
	c, _ := of.(*conn)
	return c
}

// refuse answers a connection whose request nobody reads, and closes it. As many
// as there are farewells for may take their time over it; where there are more,
// or descriptors are short, the answer goes at once and may be lost.
func (l *listener) refuse(c *net.TCPConn, reason string) {
	l.refused(reason)
	if l.tls {
		c.Close()
		return
	}
	answer := noRoom
	if reason == refusedAddress {
		answer = noRoomForAddress
	}
	answer.RetryAfter += rand.N(4 * time.Second)
	if reason != refusedDescriptors {
		select {
		case l.farewells <- struct{}{}:
			go func() {
				seeOff(c, answer)
				<-l.farewells
			}()
			return
		default:
		}
	}
	c.Write(answer.Response()) // fits into a new connection's buffer
	c.Close()
}

// seeOff answers in a way that a client gets to see. Some take an answer for an
// error that comes before they have asked, and a connection that is closed with
// bytes to read is reset, which overtakes the answer.
func seeOff(c *net.TCPConn, answer problem.Problem) {
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(farewell))
	c.Read(make([]byte, 512)) // or it says nothing, and is told all the same
	c.SetDeadline(time.Now().Add(farewell))
	c.Write(answer.Response())
	c.CloseWrite()
	io.CopyN(io.Discard, c, farewellBytes)
}
