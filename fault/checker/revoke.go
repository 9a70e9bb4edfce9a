package checker

import "slices"

// A Revocation is one request to revoke tokens, and what it was answered.
type Revocation struct {
	Mark         `json:"-"`
	Sent         Time   `json:"sent"`
	Answered     Time   `json:"answered"`
	Node         string `json:"node"`
	Kind         string `json:"kind"` // jti, subject, order
	Value        string `json:"value"`
	Code         int    `json:"code"`                    // 0: no answer
	IssuedBefore Time   `json:"issued_before,omitempty"` // 0: of a token by its id, or nobody answered
}

// covers says whether a revocation is of the token that a connection came with.
func (v Revocation) covers(r Receipt) bool {
	before := v.IssuedBefore
	if before == 0 { // nobody answered; if it counts, it is of tokens until the next whole second
		before = v.Answered + Second
	}
	switch v.Kind {
	case "jti":
		return r.Token == v.Value
	case "subject":
		return r.Subject == v.Value && r.Issued < before
	case "order":
		return slices.Contains(r.Orders, v.Value) && r.Issued < before
	}
	return false
}

// revoked is when a token was revoked at the latest: when somebody was first told so.
func (f *facts) revoked(r Receipt) (at Time, mark Mark) {
	at = never
	for _, v := range f.Revocations {
		if v.Code/100 == 2 && v.Answered < at && v.covers(r) {
			at, mark = v.Answered, v.Mark
		}
	}
	return at, mark
}

// ended sees that a connection whose token is revoked shows nothing more, and
// ends. One that comes later may stand for a moment: a browser is told by a close
// code, after the handshake.
func (f *facts) ended(c *connection, wrong report) {
	at, mark := f.revoked(c.open)
	if at == never {
		return
	}
	bound := f.Plan.Bounds.Revoked
	for _, got := range c.states {
		if late := got.At - at; bound > 0 && late > bound {
			wrong(got.Mark, "client %s saw order %s %d ms after %v was answered", got.Client, got.State.Order, late/Millisecond, mark)
			return
		}
	}
	from := max(at, c.open.At)
	switch limit := from + bound; {
	case bound > 0 && limit < f.Plan.EndAt && c.end > limit:
		wrong(c.open.Mark, "client %s stood %d ms after %v was answered", c.open.Client, bound/Millisecond, mark)
	case from < f.Plan.QuietAt && c.live(f.Plan.EndAt):
		wrong(c.open.Mark, "client %s stands in the end, in spite of %v", c.open.Client, mark)
	}
}

// refused sees that a node which has refused a token as revoked never takes it
// again, also after it was killed; and that only what was revoked is refused so.
func (f *facts) refused(wrong report) {
	type door struct{ client, node, token string }
	refused := map[door]Mark{}
	with := map[string]Receipt{} // the token of each client, as it came last
	for _, c := range f.Clients {
		if c.What == Opened || c.What == Refused {
			with[c.Client] = c
		}
		token := with[c.Client]
		d := door{c.Client, c.Node, token.Token}
		if c.Reason == Revoked {
			refused[d] = c.Mark
			if !f.asked(token, c.At) {
				wrong(c.Mark, "client %s was told that its token is revoked, and nobody had asked for that", c.Client)
			}
		}
		if first, ok := refused[d]; ok && c.What == Received {
			wrong(c.Mark, "client %s was shown a state by node %s, which had refused its token as revoked at %v", c.Client, c.Node, first)
		}
	}
}

// asked says whether somebody had asked for a token to be revoked. A request
// that was not answered, or by an error, may have counted.
func (f *facts) asked(token Receipt, until Time) bool {
	return slices.ContainsFunc(f.Revocations, func(v Revocation) bool {
		return v.Sent <= until && v.Code/100 != 4 && v.covers(token)
	})
}
