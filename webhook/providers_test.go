package webhook_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook/webhooktest"
)

// A capability is something that a provider's webhooks can tell.
type capability struct {
	name   string
	proves func(order.Event) bool
}

// capabilities are what a provider's webhooks can tell, and what an event must
// be like to prove it. A golden case is named after the one that it shows:
// "paid", or "paid-jpy" for another form of it.
var capabilities = []capability{
	{"paid", step(order.Paid)},
	{"failed", step(order.Failed)},
	{"canceled", step(order.Canceled)},
	{"expired", step(order.Expired)},
	{"authorized", step(order.Authorized)},
	{"requires-action", step(order.RequiresAction)},
	{"refund", refund},
	{"partial-refund", refund},
	{"dispute", func(e order.Event) bool { return e.Kind == order.KindDispute && e.Status == order.Disputed }},
	{"wallet", func(e order.Event) bool { return slices.Contains(wallets, e.Method) }},
}

// wallets are those that the golden cases pay with. A card's brand, or a bank
// transfer, is none.
var wallets = []string{
	"apple_pay", "google_pay", "alipay", "wechat_pay", "amazonpay", "cash_app", "gcash", "account_money",
}

func step(s order.Status) func(order.Event) bool {
	return func(e order.Event) bool {
		return e.Status == s && (e.Kind == order.KindPayment || e.Kind == order.KindOrder)
	}
}

func refund(e order.Event) bool { return e.Kind == order.KindRefund && e.Status == order.Refunded }

// TestProvidersPage holds docs/providers.md to the folders of the providers: with
// -update it is written anew. A "yes" in its table is a golden case.
func TestProvidersPage(t *testing.T) {
	guides, err := filepath.Glob("*/guide.md")
	if err != nil || len(guides) == 0 {
		t.Fatalf("no guides: %v", err)
	}
	var head, body bytes.Buffer
	head.WriteString(pageHead)
	for _, c := range capabilities {
		head.WriteString(" " + c.name + " |")
	}
	head.WriteString("\n| --- |" + strings.Repeat(" --- |", len(capabilities)) + "\n")
	for _, file := range guides {
		name := filepath.Dir(file)
		guide, silent := readGuide(t, file)
		cases := readCases(t, name)
		fmt.Fprintf(&head, "| [%s](#%s) |", name, name)
		for _, c := range capabilities {
			proved := c.proved(t, name, cases)
			said := "no"
			switch {
			case proved && slices.Contains(silent, c.name):
				t.Errorf("%s says that %s is never told, and a golden case tells it", file, c.name)
			case proved:
				said = "yes"
			case slices.Contains(silent, c.name):
				said = "–"
			}
			head.WriteString(" " + said + " |")
		}
		head.WriteString("\n")
		body.WriteString("\n" + guide)
		if part, all := givenBack(cases, "partial-refund"), givenBack(cases, "refund"); part > 0 && part >= all {
			t.Errorf("webhook/%s: its golden cases of partial-refund give back %d, and those of refund %d: which is a part?", name, part, all)
		}
	}
	webhooktest.Compare(t, "../docs/providers.md", slices.Concat(head.Bytes(), body.Bytes()))
}

// TestEveryProviderIsHeldToTheSuite: a folder's tests run what all providers must
// refuse, and each of its golden requests is one that `paybell verify` is asked
// about as well.
func TestEveryProviderIsHeldToTheSuite(t *testing.T) {
	guides, err := filepath.Glob("*/guide.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, guide := range guides {
		folder := filepath.Dir(guide)
		tests, err := filepath.Glob(folder + "/*_test.go")
		if err != nil {
			t.Fatal(err)
		}
		suite := false
		for _, file := range tests {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			suite = suite || held.Match(text)
		}
		if !suite {
			t.Errorf("the tests of webhook/%s run none of webhooktest.Suite, Adapter.Test and Forms", folder)
		}
		err = filepath.WalkDir(folder+"/testdata", func(path string, _ os.DirEntry, err error) error {
			if _, missing := os.Stat(filepath.Dir(path) + "/source.yaml"); err == nil && filepath.Ext(path) == ".http" && missing != nil {
				t.Errorf("webhook/%s: no source.yaml beside it", path)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

var held = regexp.MustCompile(`(webhooktest\.(Suite|Forms)|adapter\.Test)\(t`)

const pageHead = `<!-- Made of webhook/*/guide.md and the golden cases beside them by: go test ./webhook -run TestProvidersPage -update -->

# Providers

What each provider's webhooks tell. **yes**: a recorded request in the provider's folder proves it. **no**: Paybell does not read it. **–**: the provider
does not say; an order's own expiry, or your backend, must.

| provider |`

var (
	heading = regexp.MustCompile(`(?m)^#+ `)
	unsaid  = regexp.MustCompile(`(?m)^The provider does not say: (.*)\.\n*\z`)
)

// readGuide returns a guide as a section of the page, without its last line,
// and the capabilities that this line says are never told.
func readGuide(t *testing.T, file string) (section string, silent []string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	if last := unsaid.FindStringSubmatchIndex(text); last != nil {
		for name := range strings.SplitSeq(text[last[2]:last[3]], ",") {
			name = strings.TrimSpace(name)
			if !slices.ContainsFunc(capabilities, func(c capability) bool { return c.name == name }) {
				t.Errorf("%s: there is no capability %q", file, name)
			}
			silent = append(silent, name)
		}
		text = text[:last[0]]
	}
	title, rest, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if !strings.HasPrefix(title, "# ") {
		t.Fatalf("%s does not begin with a title (# …)", file)
	}
	if mark := strings.Count(rest, "```"); mark%2 != 0 {
		t.Errorf("%s: a code block has no end", file)
	}
	name := filepath.Dir(file)
	if shown := strings.TrimPrefix(title, "# "); shown != name {
		rest = "\n**" + shown + "**\n" + rest
	}
	return "## " + name + "\n" + demote(rest) + "\n", silent
}

// demote makes the headings outside code blocks a level lower.
func demote(text string) string {
	blocks := strings.Split(text, "```")
	for i := 0; i < len(blocks); i += 2 {
		blocks[i] = heading.ReplaceAllStringFunc(blocks[i], func(mark string) string { return "#" + mark })
	}
	return strings.Join(blocks, "```")
}

// readCases returns the events of a provider's golden cases by their names.
func readCases(t *testing.T, provider string) map[string][]order.Event {
	t.Helper()
	cases := map[string][]order.Event{}
	err := filepath.WalkDir(filepath.Join(provider, "testdata"), func(path string, entry os.DirEntry, err error) error {
		name, golden := strings.CutSuffix(filepath.Base(path), ".json")
		if err != nil || !golden {
			return err
		}
		_, request := os.Stat(strings.TrimSuffix(path, ".json") + ".http")
		_, answer := os.Stat(strings.TrimSuffix(path, ".json") + ".answer")
		if request != nil && answer != nil {
			return nil // it is something else
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var outcome struct{ Events []order.Event }
		if err := json.Unmarshal(text, &outcome); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		cases[name] = append(cases[name], outcome.Events...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

// givenBack is the most that the golden cases of a name give back.
func givenBack(cases map[string][]order.Event, name string) int64 {
	var most int64
	for file, events := range cases {
		for _, e := range events {
			if (file == name || strings.HasPrefix(file, name+"-")) && refund(e) {
				most = max(most, e.Amount)
			}
		}
	}
	return most
}

// proved says whether a golden case shows the capability. One that bears its
// very name must.
func (c capability) proved(t *testing.T, provider string, cases map[string][]order.Event) bool {
	t.Helper()
	proved := false
	for name, events := range cases {
		shows := slices.ContainsFunc(events, c.proves)
		if name == c.name && !shows {
			t.Errorf("webhook/%s: the golden case %s has no event that shows it", provider, name)
		}
		if name == c.name || strings.HasPrefix(name, c.name+"-") {
			proved = proved || shows
		}
	}
	return proved
}
