package relayed

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// A relay is how one of them signs.
type relay struct {
	mend   string // how to get a good secret
	key    func(secret string) ([]byte, error)
	verify func(p *Provider, r webhook.Request) error
	sign   func(key, body []byte, at time.Time) webhook.Request
}

var relays = map[string]relay{
	"hookdeck": {
		"copy the signing secret of the project from Hookdeck (Settings, Secrets)", asText, (*Provider).hookdeck, signHookdeck,
	},
	"svix": {
		"copy the signing secret (whsec_…) of the endpoint from Svix", asBase64, (*Provider).svix, signSvix,
	},
	"convoy": {
		"copy the endpoint's secret from Convoy, whose project has advanced signatures, SHA256 and hex", asText, (*Provider).convoy, signConvoy,
	},
	"convoy-simple": {
		"copy the endpoint's secret from Convoy, whose project has SHA256 and hex", asText, (*Provider).convoySimple, signConvoySimple,
	},
}

func asText(secret string) ([]byte, error) { return []byte(secret), nil }

func asBase64(secret string) ([]byte, error) {
	key, err := base64.StdEncoding.Strict().DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) < minSecret {
		return nil, errors.New("is not whsec_ and the base64 of 16 bytes or more")
	}
	return key, nil
}

// maxSignatures is how many signatures of a request are tried. While a secret is
// changed there are two or three.
const maxSignatures = 16

// signed says whether any of the signatures is that of the parts.
func (p *Provider) signed(signatures [][]byte, parts ...[]byte) error {
	if len(signatures) == 0 {
		return errors.New("no signature of the relay's form")
	}
	if !webhook.SignedBy(sha256.New, p.keys, signatures, parts...) {
		return webhook.ErrMismatch
	}
	return nil
}

var (
	hookdeckHeaders = [2]string{"X-Hookdeck-Signature", "X-Hookdeck-Signature-2"}
	svixHeaders     = [3]string{"Svix-Id", "Svix-Timestamp", "Svix-Signature"}
	convoyScheme    = webhook.Scheme{Header: "X-Convoy-Signature", Hash: sha256.New}
)

// hookdeck proves a request of Hookdeck's, who signs the body. While a secret is
// rolled, a second header has the signature by the other.
func (p *Provider) hookdeck(r webhook.Request) error {
	var signatures [][]byte
	for i, name := range hookdeckHeaders {
		if i > 0 && len(r.Header.Values(name)) == 0 {
			continue
		}
		value, err := webhook.Header(r.Header, name)
		if err != nil {
			return err
		}
		if signature, ok := webhook.DecodeBase64(value, sha256.Size); ok {
			signatures = append(signatures, signature)
		}
	}
	return p.signed(signatures, r.Body)
}

func signHookdeck(key, body []byte, at time.Time) webhook.Request {
	scheme := webhook.Scheme{Hash: sha256.New, Base64: true}
	return webhook.Post(body, at, hookdeckHeaders[0], scheme.Sign(key, body))
}

// svix proves a request of Svix's, who signs id, time and body as Standard
// Webhooks asks.
func (p *Provider) svix(r webhook.Request) error {
	var values [3]string
	for i, name := range svixHeaders {
		var err error
		if values[i], err = webhook.Header(r.Header, name); err != nil {
			return err
		}
	}
	id, timestamp := values[0], values[1]
	if err := order.CheckID(id); err != nil || strings.Contains(id, ".") { // the text would read the same with another time
		return errors.New("svix-id is no id, or has a dot")
	}
	if err := p.timely(timestamp, r.At); err != nil {
		return err
	}
	var signatures [][]byte
	list := strings.Fields(values[2])
	for _, entry := range list[:min(len(list), maxSignatures)] {
		if encoded, ok := strings.CutPrefix(entry, "v1,"); ok {
			if signature, ok := webhook.DecodeBase64(encoded, sha256.Size); ok {
				signatures = append(signatures, signature)
			}
		}
	}
	return p.signed(signatures, []byte(id+"."+timestamp+"."), r.Body)
}

func signSvix(key, body []byte, at time.Time) webhook.Request {
	sum := sha256.Sum256(body)
	id, timestamp := "msg_"+hex.EncodeToString(sum[:12]), strconv.FormatInt(at.Unix(), 10)
	scheme := webhook.Scheme{Hash: sha256.New, Base64: true}
	return webhook.Post(body, at, svixHeaders[0], id, svixHeaders[1], timestamp,
		svixHeaders[2], "v1,"+scheme.Sign(key, []byte(id+"."+timestamp+"."), body))
}

// convoy proves a request with Convoy's advanced signature: t=<unix>,v1=<hex>,…
// over the time, a comma and the body. What follows the v counts Convoy's keys
// and not kinds of signature, of which there is one here.
func (p *Provider) convoy(r webhook.Request) error {
	value, err := webhook.Header(r.Header, convoyScheme.Header)
	if err != nil {
		return err
	}
	var timestamp string
	var signatures [][]byte
	times := 0
	for entry := range strings.SplitSeq(value, ",") {
		name, text, _ := strings.Cut(entry, "=")
		number, versioned := strings.CutPrefix(name, "v")
		switch {
		case name == "t":
			timestamp, times = text, times+1
		case versioned && number != "" && strings.Trim(number, "0123456789") == "" && len(signatures) < maxSignatures:
			if signature, ok := webhook.DecodeHex(text, sha256.Size); ok {
				signatures = append(signatures, signature)
			}
		}
	}
	if times != 1 {
		return errors.New("X-Convoy-Signature does not have t exactly once")
	}
	if err := p.timely(timestamp, r.At); err != nil {
		return err
	}
	return p.signed(signatures, []byte(timestamp+","), r.Body)
}

func signConvoy(key, body []byte, at time.Time) webhook.Request {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	return webhook.Post(body, at, convoyScheme.Header, "t="+timestamp+",v1="+convoyScheme.Sign(key, []byte(timestamp+","), body))
}

// convoySimple proves a request with Convoy's simple signature, of the body.
func (p *Provider) convoySimple(r webhook.Request) error {
	return convoyScheme.Verify(r, p.keys, r.Body)
}

func signConvoySimple(key, body []byte, at time.Time) webhook.Request {
	return webhook.Post(body, at, convoyScheme.Header, convoyScheme.Sign(key, body))
}

// timely refuses a time outside the window on either side.
func (p *Provider) timely(timestamp string, now time.Time) error {
	at, err := webhook.ParseUnix(timestamp)
	if err != nil {
		return err
	}
	return webhook.CheckWindow(at, now, p.tolerance)
}
