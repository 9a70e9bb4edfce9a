package main

import (
	"net"
	"strings"
	"testing"
	"time"
)

func TestAnswersThatNobodyReadsEnd(t *testing.T) {
	gw := startGateway(t)
	listener, err := listenAt("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := gw.gateway.server(gw.gateway.public, 300*time.Millisecond)
	go server.Serve(listener) // ends with Close
	defer server.Close()
	stranger, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	stranger.SetDeadline(time.Now().Add(patience))
	requests := strings.Repeat("GET /paybell.js HTTP/1.1\r\nHost: gateway\r\n\r\n", 1000)
	for range 1000 { // far more than the buffers between hold
		if _, err := stranger.Write([]byte(requests)); err != nil {
			if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
				t.Fatal("the connection of a client that reads nothing stays open")
			}
			return // cut off
		}
	}
	t.Fatal("a million answers went somewhere")
}
