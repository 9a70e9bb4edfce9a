package main

import (
	"os/exec"
	"testing"

	"github.com/paybell/paybell/order"
)

// The README shows it so.
func TestCurlFollowsAnOrderFromCreatedToPaid(t *testing.T) {
	gw := startGateway(t)
	curl := exec.CommandContext(t.Context(), "curl", "-sN", gw.base+"/v1/sse?order=A1001", "-H", "Authorization: Bearer "+gw.session("A1001"))
	out, err := curl.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := curl.Start(); err != nil {
		t.Fatalf("%v (make setup)", err)
	}
	w := &openWatch{t: t, events: make(chan sseEvent, 100)}
	go func() {
		defer close(w.events)
		readEvents(out, func() {}, func(e sseEvent) error { // ends with curl
			if e.name != "" {
				w.events <- e
			}
			return nil
		})
	}()
	w.want("snapshot", 1, order.Created)
	pay(gw, "A1001")
	w.want("update", 2, order.Paid)
	if err := curl.Process.Kill(); err != nil {
		t.Error(err)
	}
	for range w.events {
		t.Error("something came after it")
	}
	curl.Wait() // it was killed
}
