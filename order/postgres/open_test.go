package postgres_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/rig"
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/order/postgres"
)

// TestNodesStartAtOnce on an empty database: one of them makes the ledger.
func TestNodesStartAtOnce(t *testing.T) {
	server := rig.StartPostgres(t)
	url := server.Database("shop")
	stores := make([]*postgres.Store, 8)
	var wg sync.WaitGroup
	for i := range stores {
		wg.Go(func() {
			store, err := postgres.Open(t.Context(), url, postgres.Options{})
			if err != nil {
				t.Errorf("node %d: %v", i, err)
				return
			}
			t.Cleanup(func() { store.Close() })
			stores[i] = store
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for _, store := range stores {
		if store.Epoch() != stores[0].Epoch() || len(store.Epoch()) != 32 {
			t.Errorf("epochs are %q and %q", store.Epoch(), stores[0].Epoch())
		}
	}
	if got := server.SQL("shop", "SELECT count(*) FROM paybell.migrations WHERE version = 1"); got != "1" {
		t.Errorf("the first migration was applied %s times", got)
	}

	server.SQL("shop", "INSERT INTO paybell.migrations VALUES (99, '0099_later.sql')")
	if _, err := postgres.Open(t.Context(), url, postgres.Options{}); !errors.Is(err, postgres.ErrVersion) || !strings.Contains(err.Error(), "start a newer one") {
		t.Errorf("a ledger of a newer version: %v", err)
	}
}

// TestOpenRefuses what cannot keep a ledger, in words that name no password.
func TestOpenRefuses(t *testing.T) {
	careless := rig.StartPostgres(t, "fsync=off")
	server := rig.StartPostgres(t)
	server.SQL("postgres", "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
	gone := strings.Replace(server.URL("postgres"), "127.0.0.1", "127.0.0.2", 1)
	for what, test := range map[string]struct {
		url  string
		want error
		text string
	}{
		"a server that forgets": {careless.URL("postgres"), postgres.ErrUnfit, "fsync=off"},
		"another encoding":      {server.URL("latin"), postgres.ErrUnfit, "LATIN1"},
		"no such database":      {server.URL("nothing"), postgres.ErrRefused, "the server has no such database: check the URL, or CREATE DATABASE nothing"},
		"a wrong password":      {strings.Replace(server.URL("postgres"), rig.PostgresPassword, "wr0ng", 1), postgres.ErrRefused, "the server does not let the user in: check user and password"},
		"nobody there":          {gone, order.ErrUnavailable, "refused"},
		"a read-only database":  {server.URL("postgres") + "&default_transaction_read_only=on", postgres.ErrRefused, "the role's sessions take no writes"},
		"a bad setting":         {server.URL("postgres") + "&statement_timeout=soon", postgres.ErrRefused, "the server does not take a setting of the session"},
		"not a URL":             {"host=x password=" + rig.PostgresPassword, nil, "the URL does not begin with postgres://"},
		"a bad port":            {strings.Replace(server.URL("postgres"), "127.0.0.1:", "127.0.0.1:x", 1), nil, "the URL has a host that is not HOST or HOST:PORT"},
		"a pool of one":         {server.URL("postgres") + "&pool_max_conns=1", nil, "the URL has a pool_max_conns below 2"},
		"many schemas":          {server.URL("postgres") + "&search_path=a,b", nil, "the URL has a search_path that is not the name of one schema"},
	} {
		_, err := postgres.Open(t.Context(), test.url, postgres.Options{})
		if err == nil || test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if errors.Is(test.want, postgres.ErrRefused) && (errors.Is(err, order.ErrUnavailable) || strings.Contains(err.Error(), "out of reach")) {
			t.Errorf("%s: to be tried again: %v", what, err)
		}
		if strings.Contains(err.Error(), rig.PostgresPassword) || strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("%s: the password is shown: %v", what, err)
		}
	}
}

// TestCommitsWaitForTheDisk whatever a role, a database or a URL says.
func TestCommitsWaitForTheDisk(t *testing.T) {
	server := rig.StartPostgres(t, "synchronous_commit=off")
	server.SQL("postgres", "ALTER ROLE paybell SET synchronous_commit = local")
	for _, suffix := range []string{"", "&synchronous_commit=off", "&synchronous_commit=remote_write"} {
		if got := open(t, inSchema(t, server.URL("postgres")+suffix)).Show(t, "synchronous_commit"); got != "on" {
			t.Errorf("with %q synchronous_commit is %s", suffix, got)
		}
	}
	store := open(t, inSchema(t, server.URL("postgres")+"&synchronous_commit=remote_apply&pool_max_conns=3&statement_timeout=7s"))
	for setting, want := range map[string]string{"synchronous_commit": "remote_apply", "statement_timeout": "7s", "lock_timeout": "5s", "application_name": "paybell"} {
		if got := store.Show(t, setting); got != want {
			t.Errorf("%s is %s, not %s", setting, got, want)
		}
	}
}

// TestAGatewayNeedsFewRights once the tables are there. These are the rights
// that docs/ledger.md names.
func TestAGatewayNeedsFewRights(t *testing.T) {
	server := rig.StartPostgres(t)
	url := server.Database("shop")
	if _, err := postgres.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	server.SQL("shop", `CREATE ROLE gateway LOGIN PASSWORD 'few';
		GRANT USAGE ON SCHEMA paybell TO gateway;
		GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA paybell TO gateway;
		GRANT USAGE ON ALL SEQUENCES IN SCHEMA paybell TO gateway`)
	store := open(t, strings.Replace(url, "paybell:"+rig.PostgresPassword, "gateway:few", 1))
	ledger := run(t, store)
	record(t, ledger, event("e1", "", "p1"))
	if receipt := record(t, ledger, event("e2", "A1", "p1")); len(receipt.Changes) != 1 || receipt.Changes[0].State.Paid != 100 {
		t.Errorf("the receipt is %+v", receipt)
	}
	if err := ledger.Tell(t.Context(), []order.Told{{Order: "A1", Version: 1, Transport: "sse", Count: 1}}); err != nil {
		t.Error(err)
	}
	if _, err := ledger.Register(t.Context(), order.IdempotencyKey{Key: "k\xff\x00"}, "A1", order.Terms{}); err != nil {
		t.Error(err)
	}
	if _, err := ledger.Timeline(t.Context(), "A1"); err != nil {
		t.Error(err)
	}
	if _, err := store.NewEpoch(t.Context()); err != nil {
		t.Error(err)
	}
	if err := store.Update(t.Context(), func(tx order.Tx) error { _, err := tx.Forget(t.Context(), time.Now(), 10); return err }); err != nil {
		t.Error(err)
	}
	if err := store.SettleFetch(t.Context(), order.Fetch{Source: "shop", Ref: "tr_1"}, time.Time{}); err != nil {
		t.Error(err)
	}
	if _, err := store.Beat(t.Context(), "node", time.Minute); err != nil {
		t.Error(err)
	}
	if err := store.Leave(t.Context(), "node"); err != nil {
		t.Error(err)
	}
}

// TestARoleThatMayOnlyReadIsRefused where a gateway starts, with what it lacks.
func TestARoleThatMayOnlyReadIsRefused(t *testing.T) {
	server := rig.StartPostgres(t)
	url := server.Database("shop")
	store := open(t, url)
	record(t, run(t, store), event("e1", "A1", "p1"))
	as := func(role, rights string) string {
		server.SQL("shop", "CREATE ROLE "+role+" LOGIN PASSWORD 'few'; "+rights)
		return strings.Replace(url, "paybell:"+rig.PostgresPassword, role+":few", 1)
	}
	nobody := as("nobody", "")
	reader := as("reader", "GRANT USAGE ON SCHEMA paybell TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA paybell TO reader")
	forgotten := as("forgotten", `GRANT USAGE ON SCHEMA paybell TO forgotten; GRANT USAGE ON ALL SEQUENCES IN SCHEMA paybell TO forgotten;
		GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA paybell TO forgotten; REVOKE DELETE ON paybell.nodes FROM forgotten`)
	for role, at := range map[string]string{"nobody": nobody, "reader": reader, "forgotten": forgotten} {
		_, err := postgres.Open(t.Context(), at, postgres.Options{})
		if want := "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA paybell TO " + role; !errors.Is(err, postgres.ErrRefused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", role, err)
		}
	}
	if _, err := postgres.Open(t.Context(), forgotten, postgres.Options{}); !strings.HasSuffix(err.Error(), "it has no DELETE on nodes") {
		t.Errorf("what is missing: %v", err)
	}
	if _, err := postgres.Inspect(t.Context(), reader); err != nil {
		t.Errorf("to look at a ledger takes more than to read: %v", err)
	}
	_, looked := postgres.Inspect(t.Context(), nobody)
	_, migrated := postgres.Migrate(t.Context(), strings.Replace(reader, "sslmode=disable", "sslmode=disable&search_path=another", 1))
	for what, err := range map[string]error{"look": looked, "migrate": migrated} {
		if err == nil || !strings.Contains(err.Error(), "the role lacks rights: as the owner of the tables, run 'paybell ledger migrate', then GRANT USAGE") {
			t.Errorf("%s: %v", what, err)
		}
	}
	// A copy needs an empty ledger first, and then rights.
	if _, err := postgres.BeginImport(t.Context(), reader); !errors.Is(err, postgres.ErrNotEmpty) {
		t.Errorf("a copy into a filled ledger: %v", err)
	}
	server.SQL("shop", "DELETE FROM paybell.callbacks; DELETE FROM paybell.orders")
	if _, err := postgres.BeginImport(t.Context(), reader); !errors.Is(err, postgres.ErrRefused) || !strings.Contains(err.Error(), "as the owner") {
		t.Errorf("a copy without rights: %v", err)
	}
}

// TestRightsThatAreTakenAwayAreNamed to a gateway that runs, whose webhooks come
// again.
func TestRightsThatAreTakenAwayAreNamed(t *testing.T) {
	server := rig.StartPostgres(t)
	url := server.Database("shop")
	open(t, url)
	server.SQL("shop", `CREATE ROLE gateway LOGIN PASSWORD 'few'; GRANT USAGE ON SCHEMA paybell TO gateway;
		GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA paybell TO gateway; GRANT USAGE ON ALL SEQUENCES IN SCHEMA paybell TO gateway`)
	store := open(t, strings.Replace(url, "paybell:"+rig.PostgresPassword, "gateway:few", 1))
	server.SQL("shop", "REVOKE UPDATE ON ALL TABLES IN SCHEMA paybell FROM gateway")
	if err := run(t, store).Check(t.Context()); err == nil || !strings.Contains(err.Error(), "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA paybell TO gateway") {
		t.Errorf("a write without rights: %v", err)
	}
}

// TestTextThatTheServerCannotHold counts nevertheless.
func TestTextThatTheServerCannotHold(t *testing.T) {
	ledger := run(t, open(t, rig.StartPostgres(t).URL("postgres")))
	e := event("e1", "A1", "p1")
	e.Reason = "a\x00b"
	record(t, ledger, e)
	found, _, err := ledger.Event(t.Context(), "shop", "e1")
	if err != nil || found.Reason != "a\uFFFDb" {
		t.Errorf("the reason is %q, %v", found.Reason, err)
	}
	if err := ledger.Tell(t.Context(), []order.Told{{Order: "A1", Version: 1, Transport: "sse", Subject: "u\x00\xff", Count: 1}}); err != nil {
		t.Error(err)
	}
}

func TestAClosedStoreSaysSo(t *testing.T) {
	store := open(t, rig.StartPostgres(t).URL("postgres"))
	store.Close()
	if err := store.Update(context.Background(), func(order.Tx) error { return nil }); !errors.Is(err, postgres.ErrClosed) {
		t.Errorf("Update returned %v", err)
	}
	if _, err := store.Heads(context.Background()); !errors.Is(err, postgres.ErrClosed) {
		t.Errorf("Heads returned %v", err)
	}
}

// run runs a ledger over a store until t ends.
func run(t testing.TB, store order.Store) *order.Ledger {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ledger := order.NewLedger(store, order.LedgerOptions{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := ledger.Run(ctx); err != nil {
			t.Errorf("the ledger ended with %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return ledger
}

// event is one that says that an order, or who has its payment, got money.
func event(id, orderID, payment string) order.Event {
	return order.Event{
		Source: "shop", ID: id, Order: orderID, Payment: payment, Kind: order.KindPayment, Status: order.Paid,
		Amount: 100, Currency: "EUR", Livemode: true,
	}
}

func record(t testing.TB, ledger *order.Ledger, events ...order.Event) order.Receipt {
	t.Helper()
	receipt, err := ledger.Record(t.Context(), order.Callback{Source: "shop", Body: []byte("{}")}, events)
	if err != nil {
		t.Errorf("record: %v", err)
	}
	return receipt
}
