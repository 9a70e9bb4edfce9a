package custom

import "time"

// A Config describes one sender's webhooks: how they are signed and where in
// them what is told. Package main decodes it from the configuration file.
type Config struct {
	Verify Verify `yaml:"verify"`
	Event  Event  `yaml:"event"`
	// Answer is what the sender wants to hear. Nil: 200 and a short JSON object.
	Answer *Answer `yaml:"answer"`
}

// Verify says how a request proves its sender. The body must be signed, and
// whatever else is believed must be signed too.
type Verify struct {
	// Algorithm is hmac-sha256, hmac-sha512, rsa-sha256 (PKCS #1 v1.5),
	// rsa-pss-sha256, ecdsa-sha256 (on P-256) or ed25519. hmac-sha1 is there for
	// senders that have nothing better: as a MAC it still holds, but nobody
	// should choose it anew. A request has no say in this.
	Algorithm string `yaml:"algorithm"`
	// Header is the name of the header with the signature.
	Header string `yaml:"header"`
	// Prefix is the text before each signature, such as "sha256=". Where it is
	// set, it is required.
	Prefix string `yaml:"prefix"`
	// Field names the signatures in a header of name=value pairs: v1 in
	// "t=1,v1=abc". Several pairs of this name are several signatures.
	Field string `yaml:"field"`
	// Separator stands between pairs, or between several signatures. Empty: ","
	// between pairs, and one signature where there are no pairs.
	Separator string `yaml:"separator"`
	// Encoding of the signature: hex (the default), base64 or base64url.
	Encoding string `yaml:"encoding"`
	// ECDSA is the form of an ECDSA signature: asn1 (the default) or raw, the 64
	// bytes of r and s.
	ECDSA string `yaml:"ecdsa"`
	// Signed is the signed text, with {body}, {timestamp}, {id}, {method}, {url},
	// {path}, {header:Name} and {query:name} standing for parts of the request,
	// and {{ and }} for braces.
	Signed string `yaml:"signed"`
	// SecretEncoding says how the bytes of the secrets are written: text (the
	// default), hex or base64.
	SecretEncoding string `yaml:"secret_encoding"`
	// URL is the address as it was registered with the sender, for {url}, {path}
	// and {query:name}. Empty: the address that the request came to.
	URL string `yaml:"url"`

	Timestamp Timestamp `yaml:"timestamp"`
	ID        ID        `yaml:"id"`
}

// Timestamp says where the time is that a request was signed at, which bounds
// how long a captured one can be sent again. One of Header, Field and Path is
// given; none: requests carry no such time.
type Timestamp struct {
	Header string `yaml:"header"` // a header of its own; {timestamp} must be signed
	Field  string `yaml:"field"`  // a pair of the signature's header; {timestamp} must be signed
	Path   string `yaml:"path"`   // in the body, which is signed
	// Unit is s (seconds since 1970, the default), ms or rfc3339.
	Unit string `yaml:"unit"`
	// Tolerance is how far the time may be off, in the past and in the future. 0:
	// 5 min. With Path it must be given, because many senders repeat the time of
	// the event and not that of the attempt, and retry for days.
	Tolerance time.Duration `yaml:"tolerance"`
}

// ID says which header has the id of the event. It must be signed.
type ID struct {
	Header string `yaml:"header"`
}

// Event says where in the JSON body is what. Everything but Statuses is a
// dotted path ("data.object.id"; a number picks from an array) or empty.
// Currency, Method, Livemode and Type may be a constant instead: "=CNY".
type Event struct {
	// ID is unique per event and the same in every retry. Empty: the id of
	// Verify.ID; where that is not told either, one is made from order,
	// payment, reference, status and amount.
	ID      string `yaml:"id"`
	Order   string `yaml:"order"`   // the merchant's id; it or Payment is needed
	Payment string `yaml:"payment"` // the sender's id
	// Ref is the id of the refund, capture or dispute. With one, amounts of a
	// payment add up; without, an amount is the running total.
	Ref string `yaml:"ref"`

	Status string `yaml:"status"`
	// Statuses says what the sender's statuses mean: created, pending,
	// requires_action, authorized, paid, failed, canceled, expired; of the whole
	// order order_canceled, order_expired; refunded, partially_refunded,
	// refund_pending, refund_failed; disputed, won, lost; or ignore. A status
	// that is not listed is kept as a note and changes nothing.
	Statuses map[string]string `yaml:"statuses"`

	Amount string `yaml:"amount"`
	// AmountUnit is minor (the default) or major. Amounts are JSON numbers or
	// strings, read as text and never as a float.
	AmountUnit string `yaml:"amount_unit"`
	Currency   string `yaml:"currency"` // ISO 4217, in any case

	Method    string `yaml:"method"`
	Reason    string `yaml:"reason"`
	ActionURL string `yaml:"action_url"`

	Time     string `yaml:"time"`      // when it happened
	TimeUnit string `yaml:"time_unit"` // rfc3339 (the default), s or ms

	// Livemode is true for real money; "!data.test" turns a flag round. An event
	// that does not tell is live.
	Livemode string `yaml:"livemode"`
	Type     string `yaml:"type"` // the sender's name for it. Empty: the status
}

// Answer is what a sender wants to hear.
type Answer struct {
	Status      int    `yaml:"status"`       // 200 to 299; 0: 200
	ContentType string `yaml:"content_type"` // empty: text/plain
	Body        string `yaml:"body"`
}
