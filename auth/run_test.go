package auth

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// inBubble runs test, and the Verifier that build makes, under a clock that
// only moves when all wait. The source stands outside, so that the clock waits
// for its answers.
func inBubble(t *testing.T, build func() *Verifier, test func(t *testing.T, v *Verifier)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		v := build()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- v.Run(ctx) }()
		test(t, v)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// settle lets d pass, and all that is to happen in it happen.
func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestRunReadsAtOnceAndEveryFiveMinutes(t *testing.T) {
	src := newSource(t)
	src.serves(public("e1", ecKey().Public()))
	token := signedBy(t, "e1", ecKey())
	inBubble(t, func() *Verifier { return src.verifier(t, nil) }, func(t *testing.T, v *Verifier) {
		settle(time.Second)
		wantAccepted(t, v, token)
		settle(55 * time.Minute)
		if n := src.asked.Load(); n < 11 || n > 13 {
			t.Errorf("asked %d times in 55 minutes", n)
		}
	})
}

func TestUnknownKidIsAnsweredAtOnceAndAsksOncePerTenSeconds(t *testing.T) {
	src, newer := newSource(t), newECKey()
	src.serves(public("e1", ecKey().Public()))
	token := signedBy(t, "e2", newer)
	inBubble(t, func() *Verifier { return src.verifier(t, nil) }, func(t *testing.T, v *Verifier) {
		settle(time.Second)
		src.serves(public("e2", newer.Public()))
		for i := range 1000 { // kids that nobody has burn nothing that the new key needs
			wantRefusedBy(t, v, ReasonUnknown, signedBy(t, fmt.Sprint("random", i), newer))
		}
		wantRefusedBy(t, v, ReasonUnknown, token)
		settle(8 * time.Second)
		if n := src.asked.Load(); n != 1 {
			t.Errorf("asked %d times within 9 s", n)
		}
		settle(2 * time.Second)
		wantAccepted(t, v, token)
		for range 100 {
			wantRefusedBy(t, v, ReasonUnknown, signedBy(t, "random", newer))
			settle(time.Second)
		}
		if n := src.asked.Load(); n > 13 {
			t.Errorf("asked %d times in 111 s", n)
		}
	})
}

func TestKeysOutliveTheirSourceByADay(t *testing.T) {
	src := newSource(t)
	src.serves(public("e1", ecKey().Public()))
	var log bytes.Buffer
	token := signedBy(t, "e1", ecKey())
	inBubble(t, func() *Verifier { return src.verifier(t, &log) }, func(t *testing.T, v *Verifier) {
		settle(time.Second)
		src.says(func(w http.ResponseWriter, r *http.Request) { http.Error(w, "EVIL", http.StatusServiceUnavailable) })
		for _, set := range v.sets { // asking as often as it would makes for a long test
			at := set.known.Load()
			set.known.Store(&knownKeys{byID: at.byID, etag: at.etag, at: at.at.Add(-staleFor + 20*time.Minute)})
		}
		settle(19 * time.Minute)
		wantAccepted(t, v, token)
		settle(time.Minute + time.Second)
		wantRefusedBy(t, v, ReasonUnknown, token)
		if n := src.asked.Load(); n < 20 {
			t.Errorf("asked %d times in 20 minutes without an answer", n)
		}
		src.serves(public("e1", ecKey().Public()))
		settle(time.Minute)
		wantAccepted(t, v, token)
	})
	if text := log.String(); !strings.Contains(text, "answer 503") || strings.Contains(text, "EVIL") {
		t.Errorf("log %s", text)
	}
}

func TestRunAfterRefreshDoesNotAskAgain(t *testing.T) {
	src := newSource(t)
	src.serves(public("e1", ecKey().Public()))
	inBubble(t, func() *Verifier { return src.verifier(t, nil) }, func(t *testing.T, v *Verifier) {
		if err := v.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	if n := src.asked.Load(); n > 2 {
		t.Errorf("asked %d times", n)
	}
}

func TestRunWithoutKeySetsWaitsForItsEnd(t *testing.T) {
	inBubble(t, func() *Verifier { return newVerifier(t, Options{}) }, func(t *testing.T, _ *Verifier) { settle(time.Hour) })
}

func TestRunEndsWhileItsSourceIsSilent(t *testing.T) {
	src := newSource(t)
	begun, release := make(chan struct{}), make(chan struct{})
	src.says(func(w http.ResponseWriter, r *http.Request) { close(begun); <-release })
	v := src.verifier(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- v.Run(ctx) }()
	<-begun
	wantRefusedBy(t, v, ReasonUnknown, signedBy(t, "e1", ecKey())) // and does not wait either
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	close(release)
}
