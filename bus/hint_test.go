package bus_test

import (
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/bus"
	"github.com/paybell/paybell/order"
)

func key(t testing.TB, secret string) *bus.Key {
	t.Helper()
	k, err := bus.NewKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// hint is one as large as most are.
func hint() bus.Hint {
	const id = "A1001"
	return bus.Hint{
		From: bus.Sender{1, 2, 3, 4, 5, 6, 7, 8}, Sent: time.Unix(1_790_000_000, 123_456_789),
		Change: order.Change{Shard: order.ShardOf(id), Seq: 1<<40 + 7, State: order.State{
			Order: id, Version: 3, Epoch: "5f0c2b7f0a5d4f3f9a6c1d2e3f405162", Status: order.Paid, Final: true, Amount: 9900, Currency: "CNY",
			Paid: 9900, Method: "alipay", Livemode: true, UpdatedAt: time.Date(2026, 11, 23, 8, 0, 0, 123e6, time.UTC),
		}},
	}
}

func encode(t testing.TB, k *bus.Key, h bus.Hint) string {
	t.Helper()
	wire, err := k.Encode(h)
	if err != nil {
		t.Fatal(err)
	}
	return string(wire)
}

func TestAHintArrivesAsItWasSent(t *testing.T) {
	k, want := key(t, "secret"), hint()
	for name, change := range map[string]func(*bus.Hint){
		"usual":          func(*bus.Hint) {},
		"beyond ASCII":   func(h *bus.Hint) { h.Change.State.Reason = "refusé \"<&>\" 不足" },
		"largest":        func(h *bus.Hint) { h.Change.State.ActionURL = strings.Repeat("&", order.MaxURLLength) },
		"first of shard": func(h *bus.Hint) { h.Change.Seq = 1 },
	} {
		h := want
		change(&h)
		wire := encode(t, k, h)
		got, err := k.Decode(wire, h.Change.Shard)
		if err != nil || !reflect.DeepEqual(got, h) {
			t.Errorf("%s: %+v became %+v, %v", name, h, got, err)
		}
		if !bus.IsFrom(wire, h.From) || bus.IsFrom(wire, bus.Sender{}) {
			t.Errorf("%s: its sender is not seen", name)
		}
	}
	if size := len(encode(t, k, want)); size > 600 {
		t.Errorf("a usual hint has %d bytes, more than 600", size)
	}
}

func TestAHintThatCannotBeProvedIsRefused(t *testing.T) {
	k, h := key(t, "secret"), hint()
	shard, wire := h.Change.Shard, encode(t, k, h)
	change := func(at int, with byte) string { return wire[:at] + string(with) + wire[at+1:] }

	misfiled := h
	misfiled.Change.Shard = (shard + 1) % order.Shards
	unnumbered := h
	unnumbered.Change.Seq = 0
	nameless := h
	nameless.Change.State.Order = ""
	for name, c := range map[string]struct {
		wire  string
		shard int
		want  bus.Refusal
	}{
		"nothing":                     {"", shard, bus.Truncated},
		"only a form":                 {wire[:1], shard, bus.Truncated},
		"cut short of a code":         {wire[:57], shard, bus.Truncated},
		"cut by a byte":               {wire[:len(wire)-1], shard, bus.Forged},
		"with a byte more":            {wire + "x", shard, bus.Forged},
		"of another form":             {change(0, 2), shard, bus.Version},
		"too large":                   {wire + strings.Repeat(" ", bus.MaxHint), shard, bus.Oversize},
		"of another secret":           {encode(t, key(t, "another"), h), shard, bus.Forged},
		"with another amount":         {strings.Replace(wire, `"paid":9900`, `"paid":9901`, 1), shard, bus.Forged},
		"with another sequence":       {change(17, wire[17]+1), shard, bus.Forged},
		"sent at another time":        {change(25, wire[25]+1), shard, bus.Forged},
		"on another shard's channel":  {wire, (shard + 1) % order.Shards, bus.Misplaced},
		"of an order of another's":    {encode(t, k, misfiled), misfiled.Change.Shard, bus.Misplaced},
		"without a place":             {encode(t, k, unnumbered), shard, bus.Malformed},
		"without an order":            {encode(t, k, nameless), shard, bus.Malformed},
		"of a client's form, no code": {string(h.Change.State.AppendJSON(nil)), shard, bus.Version},
	} {
		got, err := k.Decode(c.wire, c.shard)
		var refusal bus.Refusal
		if !errors.As(err, &refusal) || refusal != c.want || got != (bus.Hint{}) {
			t.Errorf("a hint %s: %v, %v; want it refused as %s", name, got, err, c.want)
		}
	}
}

func TestAHintThatIsTooLargeIsNotSent(t *testing.T) {
	h := hint()
	h.Change.State.Reason = strings.Repeat("x", bus.MaxHint)
	if _, err := key(t, "secret").Encode(h); !errors.Is(err, bus.Oversize) {
		t.Errorf("error %v, want %v", err, bus.Oversize)
	}
}

// Whoever knows the secret may still be a faulty node: what follows the proof must
// stand everything too.
func FuzzDecode(f *testing.F) {
	k, h := key(f, "secret"), hint()
	wire := encode(f, k, h)
	f.Add(wire, wire[26:len(wire)-32], uint64(7), byte(h.Change.Shard))
	f.Add("", "{}", uint64(0), byte(255))
	f.Add(wire[:60], `{"order":"A1001","version":-1}`, uint64(1)<<63, byte(0))
	f.Fuzz(func(t *testing.T, stranger, state string, seq uint64, shard byte) {
		if _, err := k.Decode(stranger, int(shard)); err == nil && stranger != wire {
			t.Fatalf("accepted %q", stranger)
		}
		body := []byte{1, 0, 0, 0, 0, 0, 0, 0, 0, shard}
		body = binary.BigEndian.AppendUint64(body, seq)
		body = binary.BigEndian.AppendUint64(body, 0)
		signed := bus.Sign(k, append(body, state...))
		got, err := k.Decode(string(signed), int(shard))
		var refusal bus.Refusal
		if err != nil {
			if !errors.As(err, &refusal) || refusal == bus.Forged || refusal == bus.Version {
				t.Fatalf("a signed hint: %v", err)
			}
			return
		}
		c := got.Change
		if c.Shard != int(shard) || order.ShardOf(c.State.Order) != c.Shard || c.Seq < 1 || c.State.Version < 1 || c.State.Epoch == "" {
			t.Fatalf("accepted %+v", c)
		}
	})
}

func BenchmarkHint(b *testing.B) {
	k, h := key(b, "secret"), hint()
	wire := encode(b, k, h)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			k.Encode(h)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := k.Decode(wire, h.Change.Shard); err != nil {
				b.Fatal(err)
			}
		}
	})
}
