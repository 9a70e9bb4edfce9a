package bus

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"
	"time"

	"github.com/paybell/paybell/order"
)

// A Sender names a running node to the others. It is random and new at every
// start.
type Sender [8]byte

// A Hint is a change on its way between nodes.
type Hint struct {
	Change order.Change
	From   Sender
	Sent   time.Time // by the clock of the node that sent it
}

// The form of a hint on the wire. It is binary around the state, which has the
// form that clients see and names the order, its version and the epoch:
//
//	offset  bytes
//	     0      1  form, which is 1
//	     1      8  sender
//	     9      1  shard
//	    10      8  sequence number, big endian
//	    18      8  when it was sent, nanoseconds since 1970 UTC, big endian
//	    26      n  state, as order.State.AppendJSON writes it
//	  26+n     32  HMAC-SHA256 of all that is before
//
// A usual one has about 400 bytes.
const (
	hintForm = 1

	atSender = 1
	atShard  = 9
	atSeq    = 10
	atSent   = 18
	atState  = 26
	macBytes = sha256.Size
)

// MaxHint is how many bytes a hint may have. A change that would need more is not
// sent: other nodes find it in the journal.
const MaxHint = 16 << 10

// A Refusal says why a hint was not believed. It is fit to be counted by.
type Refusal string

func (r Refusal) Error() string { return "bus: hint refused: " + string(r) }

// The refusals. An epoch that is not the ledger's and a hint that came before are
// not among them: such hints are genuine, and whoever follows the journal drops
// them.
const (
	Truncated Refusal = "truncated"
	Oversize  Refusal = "oversize"
	Version   Refusal = "version"   // the form is another version's
	Forged    Refusal = "forged"    // or of a node with another secret
	Misplaced Refusal = "misplaced" // on another shard's channel, or of another shard's order
	Malformed Refusal = "malformed" // though its sender knows the secret
)

// A Key signs hints and proves them. Its methods may be called at once.
type Key struct{ macs sync.Pool }

// NewKey returns the key that nodes with this secret share. The secret itself
// signs nothing: the key is derived from it (HKDF, RFC 5869), so that the secret
// can serve other purposes.
func NewKey(secret string) (*Key, error) {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "paybell bus hint", sha256.Size)
	if err != nil {
		return nil, err
	}
	return &Key{macs: sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}, nil
}

// Encode returns a hint's wire form, or [Oversize].
func (k *Key) Encode(h Hint) ([]byte, error) {
	b := make([]byte, 0, 512)
	b = append(b, hintForm)
	b = append(b, h.From[:]...)
	b = append(b, byte(h.Change.Shard))
	b = binary.BigEndian.AppendUint64(b, uint64(h.Change.Seq))
	b = binary.BigEndian.AppendUint64(b, uint64(h.Sent.UnixNano()))
	b = h.Change.State.AppendJSON(b)
	if len(b)+macBytes > MaxHint {
		return nil, Oversize
	}
	return k.sign(b), nil
}

// IsFrom says whether a wire form names this sender, without proof: it is for
// passing over the echo of one's own hints, which a forger gains nothing by.
func IsFrom(wire string, s Sender) bool {
	return len(wire) >= atShard && wire[0] == hintForm && wire[atSender:atShard] == string(s[:])
}

// Decode reads a hint that came on a shard's channel. Every error is a [Refusal].
// Nothing but its length and form is looked at before it is proved.
func (k *Key) Decode(wire string, shard int) (Hint, error) {
	switch {
	case len(wire) > MaxHint:
		return Hint{}, Oversize
	case len(wire) < atState+macBytes:
		return Hint{}, Truncated
	case wire[0] != hintForm:
		return Hint{}, Version
	}
	body, mac := wire[:len(wire)-macBytes], wire[len(wire)-macBytes:]
	if !k.proves(body, mac) {
		return Hint{}, Forged
	}
	h := Hint{
		Change: order.Change{Shard: int(body[atShard]), Seq: int64(number(body[atSeq:]))},
		Sent:   time.Unix(0, int64(number(body[atSent:]))),
	}
	copy(h.From[:], body[atSender:])
	state, err := order.ReadState(body[atState:])
	if err != nil || order.CheckID(state.Order) != nil || state.Epoch == "" || state.Version < 1 || h.Change.Seq < 1 {
		return Hint{}, Malformed
	}
	if h.Change.Shard != shard || order.ShardOf(state.Order) != shard {
		return Hint{}, Misplaced
	}
	h.Change.State = state
	return h, nil
}

// sign appends the code that proves b.
func (k *Key) sign(b []byte) []byte {
	mac := k.macs.Get().(hash.Hash)
	defer k.macs.Put(mac)
	mac.Reset()
	mac.Write(b)
	return mac.Sum(b)
}

func (k *Key) proves(body, mac string) bool {
	signed := k.sign(append(make([]byte, 0, len(body)+macBytes), body...))
	return hmac.Equal(signed[len(body):], []byte(mac))
}

func number(b string) uint64 { return binary.BigEndian.Uint64([]byte(b[:8])) }
