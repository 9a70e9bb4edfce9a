// Package sdks_test holds the adapters against the payment providers' own
// libraries. See README.md.
package sdks_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/webhooktest"
)

var (
	seed  = flag.Uint64("seed", 20261123, "what the mutations are drawn from")
	count = flag.Int("mutations", 1000, "how many requests each SDK signs, and Paybell signs for it, are mutated")
)

func TestSDKsAndAdaptersAgree(t *testing.T) {
	if testing.Short() {
		t.Skip("needs the providers' SDKs")
	}
	cryptotest.SetGlobalRandom(t, *seed)
	sdks := subjects([2]pair{newPair(t), newPair(t)})
	peers := map[string]*peer{"node": start(t, "node"), "golang": start(t, "golang")}
	versions := installed(t, sdks)
	table := []string{fmt.Sprintf("seed %d, %d mutations of each\n%-58s %-9s %9s %11s %8s", *seed, 2**count, "SDK", "version", "both take", "both refuse", "disagree")}
	for i, s := range sdks {
		t.Run(s.name, func(t *testing.T) {
			p := peers[s.peer]
			recorded := s.recorded(t, p)
			simulated := s.simulated(t, p)
			if len(recorded) == 0 || len(simulated) == 0 {
				return
			}
			r := rand.New(rand.NewPCG(*seed, uint64(i)))
			sum := s.compare(t, p, r, recorded)
			sum.add(s.compare(t, p, r, simulated))
			s.allOccur(t, sum)
			table = append(table, fmt.Sprintf("%-58s %-9s %9d %11d %8d", s.name, versions[s.name], sum.taken, sum.refused, sum.disagreed()))
		})
	}
	fmt.Println(strings.Join(table, "\n"))
}

// signing is a provider whose requests are signed by an SDK before they are
// opened.
type signing struct {
	webhook.Provider
	open func(r webhook.Request) (webhook.Request, error)
}

func (s signing) Open(r webhook.Request) ([]order.Event, error) {
	signed, err := s.open(r)
	if err != nil {
		return nil, err
	}
	return s.Provider.Open(signed)
}

// sign has the SDK sign a request anew.
func (s sdk) sign(t *testing.T, p *peer, r webhook.Request) (webhook.Request, error) {
	r.Header = r.Header.Clone()
	a := p.ask(t, []question{messageOf(r, cmp.Or(s.adapter.private, s.adapter.secret)).ask("sign", s.name)})[0]
	if !a.OK {
		return r, errors.New(a.Why)
	}
	for _, prefix := range []string{"Webhook-", "Svix-"} { // of two families of names, the SDK has one
		for _, suffix := range []string{"Id", "Timestamp", "Signature"} {
			r.Header.Del(prefix + suffix)
		}
	}
	for name, value := range a.Headers {
		r.Header.Set(name, value)
	}
	r.Body = a.Body
	return r, nil
}

// recorded has the SDK sign what the adapter's recorded requests say, checks
// that the adapter makes of them what it makes of the recorded ones, and returns
// those whose sender it takes for genuine.
func (s sdk) recorded(t *testing.T, p *peer) (genuine []message) {
	t.Run("recorded", func(t *testing.T) {
		webhooktest.Golden(t, signing{s.adapter.provider(s.adapter.secret), func(r webhook.Request) (webhook.Request, error) {
			signed, err := s.sign(t, p, r)
			if err == nil && r.Header.Get("Hmacsignature") == "" {
				genuine = append(genuine, messageOf(signed, s.adapter.secret))
			}
			return signed, err
		}}, copied(t, s.adapter.recorded), now)
		genuine = slices.DeleteFunc(genuine, func(m message) bool { return !s.adapter.takes(m) })
		for _, m := range slices.Clone(genuine) {
			if m, ok := s.withLetters(t, p, m); ok {
				genuine = append(genuine, m)
			}
		}
		s.wantTaken(t, p, genuine)
	})
	return genuine
}

// copied is a folder with the recorded requests but those that were recorded
// because they are not genuine.
func copied(t *testing.T, folder string) string {
	t.Helper()
	copy := t.TempDir()
	files, err := filepath.Glob(filepath.Join(folder, "*.[hj]*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no %s: %v", folder, err)
	}
	for _, file := range files {
		if name := filepath.Base(file); !strings.HasPrefix(name, "not-verified") {
			text, err := os.ReadFile(file)
			if err == nil && os.WriteFile(filepath.Join(copy, name), text, 0o600) == nil {
				continue
			}
			t.Fatal(file, err)
		}
	}
	return copy
}

// withLetters is a message with a member that has letters beyond ASCII, signed
// by the SDK.
func (s sdk) withLetters(t *testing.T, p *peer, m message) (message, bool) {
	r := m.request()
	r.Body = []byte(strings.Replace(string(m.body), "{", `{"note":"Zoë ☕ \ufffd �/",`, 1))
	if !json.Valid(r.Body) {
		return m, false
	}
	signed, err := s.sign(t, p, r)
	if err != nil {
		t.Fatal(err)
	}
	return messageOf(signed, s.adapter.secret), true
}

// simulated has the adapter sign one request for each status, and checks that
// the SDK takes them.
func (s sdk) simulated(t *testing.T, p *peer) (genuine []message) {
	t.Run("simulated", func(t *testing.T) {
		simulator := s.adapter.simulator(t)
		for _, status := range []order.Status{
			order.Created, order.Pending, order.RequiresAction, order.Authorized, order.Paid, order.PartiallyPaid, order.Failed, order.Canceled,
			order.Expired, order.PartiallyRefunded, order.Refunded, order.Disputed, order.Won, order.Lost,
		} {
			r, err := simulator.Simulate(webhook.Simulation{
				ID: "evt-1", Order: "Zoë-1001", Payment: "1312345678901", Status: status, Amount: 9900, Currency: "CNY", Method: "card", At: now, Live: true,
			})
			if err != nil {
				continue // no webhook tells of the status
			}
			m := messageOf(r, s.adapter.secret)
			if slices.Contains(s.adapter.headers, "Svix-Signature") { // the older names, for what is signed alike
				for i := range m.lines {
					m.lines[i].Name = strings.Replace(m.lines[i].Name, "Webhook-", "Svix-", 1)
				}
			}
			genuine = append(genuine, m)
		}
		s.wantTaken(t, p, genuine)
	})
	return genuine
}

// wantTaken checks that the SDK takes messages that nobody changed.
func (s sdk) wantTaken(t *testing.T, p *peer, genuine []message) {
	t.Helper()
	if len(genuine) == 0 {
		t.Fatal("nothing is signed")
	}
	var questions []question
	for _, m := range genuine {
		questions = append(questions, m.ask("verify", s.name))
	}
	for i, a := range p.ask(t, questions) {
		if !a.OK {
			t.Errorf("the SDK does not take a genuine request: %s\n%s", a.Why, describe(genuine[i]))
		}
	}
}

// takes says whether the adapter takes a message for genuine. Whether it can
// read it is another matter.
func (a adapter) takes(m message) bool {
	p := a.provider(m.secret)
	if p == nil {
		return false
	}
	_, err := p.Open(m.request())
	return !errors.Is(err, webhook.ErrUnverified)
}

// A tally is what the verdicts were: how many both take, how many neither does,
// and how many there were of each listed disagreement.
type tally struct {
	taken, refused int
	listed         map[*disagreement]int
}

func (t *tally) add(other tally) {
	t.taken += other.taken
	t.refused += other.refused
	for d, n := range other.listed {
		t.listed[d] += n
	}
}

func (t tally) disagreed() (n int) {
	for _, each := range t.listed {
		n += each
	}
	return n
}

// compare mutates messages and compares what the SDK and the adapter say of
// each. A disagreement that is not listed is an error.
func (s sdk) compare(t *testing.T, p *peer, r *rand.Rand, genuine []message) tally {
	t.Helper()
	from, to, names := mutate(r, s.adapter, genuine, *count)
	if len(to) < *count {
		t.Fatalf("%d mutations, want %d", len(to), *count)
	}
	var questions []question
	for _, m := range to {
		questions = append(questions, m.ask("verify", s.name))
	}
	sum, unlisted := tally{listed: map[*disagreement]int{}}, map[string]int{}
	for i, a := range p.ask(t, questions) {
		ours := s.adapter.takes(to[i])
		if a.OK == ours {
			if ours {
				sum.taken++
			} else {
				sum.refused++
			}
			continue
		}
		if d := s.find(names[i], from[i], to[i], ours); d != nil {
			sum.listed[d]++
		} else if unlisted[names[i]]++; unlisted[names[i]] == 1 {
			_, err := s.adapter.build(to[i].secret)
			if err == nil {
				_, err = s.adapter.provider(to[i].secret).Open(to[i].request())
			}
			t.Errorf("%s: %s: the SDK says %v (%.200s) and Paybell says %v (%v)\nfrom %s\nto   %s", s.name, names[i], a.OK, a.Why, ours, err, describe(from[i]), describe(to[i]))
		}
	}
	return sum
}

// describe shows a message, cut to what is signed and a piece of the body.
func describe(m message) string {
	var text strings.Builder
	for _, l := range m.lines {
		fmt.Fprintf(&text, "%s: %q  ", l.Name, l.Value)
	}
	return fmt.Sprintf("%sat %s body %.300q", text.String(), m.at.Format("05.000"), m.body)
}

// installed are the versions of the SDKs, by name.
func installed(t *testing.T, sdks []sdk) map[string]string {
	t.Helper()
	versions := map[string]string{}
	list := exec.Command("go", "list", "-m", "-f", "{{.Path}} {{.Version}}", "all")
	list.Dir = "golang"
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for entry := range strings.Lines(string(out)) {
		path, version, _ := strings.Cut(strings.TrimSpace(entry), " ")
		versions[path] = version
	}
	for _, s := range sdks {
		if s.peer != "node" {
			continue
		}
		text, err := os.ReadFile(filepath.Join("node/node_modules", s.name, "package.json"))
		var manifest struct{ Version string }
		if err != nil || json.Unmarshal(text, &manifest) != nil {
			t.Fatalf("%s is not installed: make setup", s.name)
		}
		versions[s.name] = manifest.Version
	}
	return versions
}
