package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/order/sqlite"
)

// childLedger is the environment variable that makes this program a gateway of
// sorts on the ledger that it names, until it is killed.
const childLedger = "PAYBELL_TEST_CHILD_LEDGER"

func TestMain(m *testing.M) {
	if path := os.Getenv(childLedger); path != "" {
		fmt.Println(child(path))
		return
	}
	os.Exit(m.Run())
}

// child opens a ledger and records events without end. It prints "open", and
// then the id of each event that is recorded.
func child(path string) error {
	ctx := context.Background()
	store, err := sqlite.Open(ctx, path, sqlite.Options{})
	if err != nil {
		return err
	}
	fmt.Println("open")
	ledger := order.NewLedger(store, order.LedgerOptions{})
	go func() {
		for i := range 4 {
			go func() {
				for n := 0; ; n++ {
					id := fmt.Sprintf("%d-%d-%d", os.Getpid(), i, n)
					if _, err := ledger.Record(ctx, order.Callback{Source: "shop", ReceivedAt: time.Now()}, []order.Event{{
						Source: "shop", ID: id, Order: fmt.Sprint("A", n%7), Kind: order.KindPayment, Status: order.Pending,
					}}); err != nil {
						return
					}
					fmt.Println(id)
				}
			}()
		}
	}()
	return ledger.Run(ctx)
}

// startChild runs child in a process of its own. The returned function kills
// it, and returns what it had printed since it was open.
func startChild(t *testing.T, path string) (lines *bufio.Scanner, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childLedger+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	kill = func() {
		if !killed {
			killed = true
			cmd.Process.Kill()
			cmd.Wait()
		}
	}
	t.Cleanup(kill)
	lines = bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "open" {
		t.Fatalf("the child said %q", lines.Text())
	}
	return lines, kill
}
