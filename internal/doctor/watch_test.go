package doctor

import (
	"context"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// A firewall that swallows what it does not like, instead of answering: here a
// handshake with a token.
func TestAHandshakeThatIsNeverAnsweredIsNotWaitedForWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		defer there.Close()
		go func() {
			buffer := make([]byte, 4096)
			for {
				if _, err := there.Read(buffer); err != nil {
					return
				}
			}
		}()
		base, err := Check("http://pay.example.com")
		if err != nil {
			t.Fatal(err)
		}
		dial := func(context.Context, string, string) (net.Conn, error) { return here, nil }
		e := &exam{
			base: base, o: Options{Token: "t", Tell: func(string) {}}, report: &Report{},
			one: &http.Client{Transport: &http.Transport{DialContext: dial}},
		}
		began := time.Now()
		if l := e.openSocket(t.Context()); l != nil {
			t.Error("it opened")
		}
		if took := time.Since(began); took > patience {
			t.Errorf("it took %v", took)
		}
		if len(e.report.Findings) != 1 || e.report.Findings[0].Code != socketRefused.code {
			t.Errorf("found %+v", e.report.Findings)
		}
	})
}
