package redis

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"

	"github.com/paybell/paybell/bus"
)

// mend says what an operator can do about an error, or "".
func (b *Bus) mend(err error) string {
	if errors.Is(err, bus.Forged) {
		return "give all nodes of a ledger the same cluster_secret, and those of another ledger another ?prefix="
	}
	var unknown x509.UnknownAuthorityError
	var notTLS tls.RecordHeaderError
	if errors.As(err, &unknown) {
		return "name the authority that signed the server's certificate with ?ca=FILE"
	}
	if errors.As(err, &notTLS) {
		return "the server speaks no TLS at this port: write redis:// or give it a tls-port"
	}
	text := err.Error()
	if b.at.kind == cluster && strings.Contains(text, "MOVED") {
		return ""
	}
	for part, mend := range map[string]string{
		"NOPERM":                          "allow the bus's user what it needs: " + b.rights(),
		"NOAUTH":                          "the server wants a password: redis://USER:PASSWORD@HOST",
		"WRONGPASS":                       "check user and password in the URL of the bus",
		"cluster support disabled":        "the server is no cluster: write redis://",
		"MOVED":                           "the server is part of a cluster: write redis+cluster://",
		"unknown command `ssubscribe`":    "pubsub=sharded needs Redis 7 or newer",
		"all sentinels specified":         "check the sentinels' addresses and the master's name",
		"first record does not look like": "the server speaks no TLS at this port",
	} {
		if strings.Contains(text, part) {
			return mend
		}
	}
	return ""
}

// rights are the ACL rules that the user of the bus must have.
func (b *Bus) rights() string {
	rules := "+subscribe +publish"
	switch {
	case b.at.sharded:
		rules = "+ssubscribe +spublish +cluster|slots"
	case b.at.kind == cluster:
		rules += " +cluster|slots"
	}
	return rules + " resetchannels &" + b.at.prefix + ":*"
}
