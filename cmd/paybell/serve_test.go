package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell/internal/rig"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/order/postgres"
)

func TestANodeThatStartsBeforeItsDatabaseWaits(t *testing.T) {
	server := rig.StartPostgres(t)
	url := ledger(server.Database("shop"))
	if err := server.StopFast(); err != nil {
		t.Fatal(err)
	}
	tries, said := 0, &syncBuffer{}
	st, err := awaitLedger(t.Context(), slog.New(slog.NewTextHandler(said, nil)), func(ctx context.Context) (openStore, error) {
		if tries++; tries == 2 {
			server.Restart()
		}
		return openLedger(ctx, url, false)
	})
	if err != nil {
		t.Fatal(err)
	}
	st.Close()
	if got := said.String(); strings.Count(got, "wait for the ledger") != 1 || strings.Contains(got, rig.PostgresPassword) {
		t.Errorf("the log says\n%s", got)
	}

	// What somebody must mend is not waited for.
	wrong := ledger(strings.Replace(string(url), rig.PostgresPassword, "wr0ng", 1))
	tries = 0
	if _, err := awaitLedger(t.Context(), slog.New(slog.DiscardHandler), func(ctx context.Context) (openStore, error) {
		tries++
		return openLedger(ctx, wrong, false)
	}); tries != 1 || !errors.Is(err, postgres.ErrRefused) {
		t.Errorf("with a wrong password, after %d tries: %v", tries, err)
	}
}

func TestAStartDoesNotWaitForever(t *testing.T) {
	away := fmt.Errorf("open: %w", order.ErrUnavailable)
	open := func(context.Context) (openStore, error) { return nil, away }
	synctest.Test(t, func(t *testing.T) {
		var said strings.Builder
		began := time.Now()
		if _, err := awaitLedger(t.Context(), slog.New(slog.NewTextHandler(&said, nil)), open); err != away || time.Since(began) != ledgerPatience {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if n := strings.Count(said.String(), "wait for the ledger"); n != 6 {
			t.Errorf("the log says\n%s", &said)
		}
	})
	synctest.Test(t, func(t *testing.T) { // ctrl-C
		ctx, stop := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer stop()
		began := time.Now()
		if _, err := awaitLedger(ctx, slog.New(slog.DiscardHandler), open); !errors.Is(err, away) || time.Since(began) != 1500*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}
