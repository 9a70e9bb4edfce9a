package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestReadinessProbesShareOneCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("no space left on device")
		checks, result := 0, error(nil)
		r := readiness{check: func(context.Context) error {
			checks++
			runtime.Gosched() // to those who then wait for this check
			return result
		}}
		burst := func(want error) {
			t.Helper()
			var all sync.WaitGroup
			for range 100 {
				all.Go(func() {
					if err := r.ledger(); err != want {
						t.Errorf("got %v, want %v", err, want)
					}
				})
			}
			all.Wait()
		}
		burst(nil)
		result = broken
		time.Sleep(time.Second - time.Nanosecond)
		burst(nil)
		if checks != 1 {
			t.Errorf("200 probes in a second made %d checks", checks)
		}
		time.Sleep(time.Nanosecond)
		burst(broken)
		time.Sleep(time.Second)
		result = nil
		burst(nil)
		if checks != 3 {
			t.Errorf("2 s later there were %d checks", checks)
		}
	})
}

func TestReadinessGivesUpOnAStuckLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := readiness{check: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		began := time.Now()
		if err := r.ledger(); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 2*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestStrangersAreNotToldWhyANodeIsNotReady(t *testing.T) {
	gw := startGateway(t)
	for why, fail := range map[string]func(failed bool){
		"a commit to the ledger failed": func(failed bool) {
			gw.gateway.lastFailure.Store(0)
			if failed {
				gw.gateway.lastFailure.Store(time.Now().Add(time.Hour).UnixNano())
			}
		},
		"shutting down": gw.gateway.leaving.Store,
		"the ledger takes no writes": func(failed bool) {
			r := &gw.gateway.ready
			r.mu.Lock()
			defer r.mu.Unlock()
			r.asked = time.Time{}
			if failed {
				r.asked, r.err = time.Now().Add(time.Hour), errors.New("disk full")
			}
		},
	} {
		fail(true)
		for base, told := range map[string]bool{gw.base: false, gw.admin: true} {
			response, content := gw.do("GET", base+"/readyz", "", "")
			p := wantProblem(t, response, content, http.StatusServiceUnavailable, "not-ready")
			if response.Header.Get("Retry-After") == "" || strings.Contains(p.Detail, why) != told {
				t.Errorf("%s: answered %+v, told why: want %v", why, p, told)
			}
		}
		fail(false)
		if response, content := gw.do("GET", "/readyz", "", ""); response.StatusCode != http.StatusOK {
			t.Errorf("%s: afterwards %d: %s", why, response.StatusCode, content)
		}
	}
}

// TestProbeThatHangsUpDoesNotFailTheNode has a caller that is gone before the
// ledger answers; the next one must not inherit its end.
func TestProbeThatHangsUpDoesNotFailTheNode(t *testing.T) {
	gw := startGateway(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, ctx := range []context.Context{gone, t.Context()} {
		answer := httptest.NewRecorder()
		gw.gateway.public.ServeHTTP(answer, httptest.NewRequestWithContext(ctx, "GET", "/readyz", nil))
		if answer.Code != http.StatusOK {
			t.Errorf("answered %d: %s", answer.Code, answer.Body)
		}
	}
}
