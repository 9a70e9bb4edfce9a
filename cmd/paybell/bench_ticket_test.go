package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// BenchmarkConnect is what a stream costs until its first state has come, by who
// asks for it: 64 customers at a time, each of whom goes again. A ticket costs a
// commit more, which many share. Tickets live 30 s, so that it is for
// -benchtime=10000x.
func BenchmarkConnect(b *testing.B) {
	for _, by := range []string{"token", "ticket"} {
		b.Run(by, func(b *testing.B) {
			g, base, _ := benchGateway(b, 0)
			minter, err := buildMinter(g.config, nil)
			if err != nil {
				b.Fatal(err)
			}
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
			requests := make(chan *http.Request, b.N)
			each(b, b.N, func(i int) {
				token, _, err := minter.Mint("", []string{fmt.Sprint("A", i)}, 15*time.Minute)
				if err != nil {
					b.Error(err)
					return
				}
				address := base + "/v1/sse"
				if by == "ticket" {
					address += "?ticket=" + buyTicket(b, client, base, token)
					token = ""
				}
				request, err := http.NewRequestWithContext(b.Context(), "GET", address, nil)
				if err != nil {
					b.Error(err)
					return
				}
				if token != "" {
					request.Header.Set("Authorization", "Bearer "+token)
				}
				requests <- request
			})
			b.ResetTimer()
			each(b, b.N, func(int) {
				answer, err := client.Do(<-requests)
				if err != nil {
					b.Error(err)
					return
				}
				defer answer.Body.Close()
				for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
					if strings.HasPrefix(lines.Text(), "data:") {
						return
					}
				}
				b.Errorf("answered %d, and no state came", answer.StatusCode)
			})
		})
	}
}

// each does n things, 64 at a time.
func each(b *testing.B, n int, do func(i int)) {
	var all sync.WaitGroup
	for worker := range 64 {
		all.Go(func() {
			for i := worker; i < n && !b.Failed(); i += 64 {
				do(i)
			}
		})
	}
	all.Wait()
}

func buyTicket(b *testing.B, client *http.Client, base, token string) string {
	request, err := http.NewRequestWithContext(b.Context(), "POST", base+"/v1/tickets", nil)
	if err != nil {
		b.Error(err)
		return ""
	}
	request.Header.Set("Authorization", "Bearer "+token)
	answer, err := client.Do(request)
	if err != nil {
		b.Error(err)
		return ""
	}
	defer answer.Body.Close()
	var sold struct{ Ticket string }
	if err := json.NewDecoder(answer.Body).Decode(&sold); err != nil || sold.Ticket == "" {
		b.Errorf("no ticket: %d %v", answer.StatusCode, err)
	}
	return sold.Ticket
}
