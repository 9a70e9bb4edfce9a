package custom_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/webhook/custom"
)

func TestNewNamesTheFieldAndTheMend(t *testing.T) {
	verify := func(change func(*custom.Verify)) func(*custom.Config) {
		return func(c *custom.Config) { change(&c.Verify) }
	}
	event := func(change func(*custom.Event)) func(*custom.Config) {
		return func(c *custom.Config) { change(&c.Event) }
	}
	signed := func(s string) func(*custom.Config) { return verify(func(v *custom.Verify) { v.Signed = s }) }
	timestamp := func(at custom.Timestamp) func(*custom.Config) {
		return verify(func(v *custom.Verify) { v.Timestamp = at })
	}
	for name, c := range map[string]struct {
		change func(*custom.Config)
		want   string
	}{
		"no algorithm":      {verify(func(v *custom.Verify) { v.Algorithm = "" }), `verify.algorithm is "": write hmac-sha256`},
		"MD5":               {verify(func(v *custom.Verify) { v.Algorithm = "hmac-md5" }), "verify.algorithm"},
		"none":              {verify(func(v *custom.Verify) { v.Algorithm = "none" }), "verify.algorithm"},
		"no header":         {verify(func(v *custom.Verify) { v.Header = "" }), "verify.header"},
		"header and value":  {verify(func(v *custom.Verify) { v.Header = "X-Sig: abc" }), "verify.header"},
		"encoding":          {verify(func(v *custom.Verify) { v.Encoding = "base32" }), "verify.encoding"},
		"secret encoding":   {verify(func(v *custom.Verify) { v.SecretEncoding = "rot13" }), "verify.secret_encoding"},
		"ECDSA form":        {verify(func(v *custom.Verify) { v.ECDSA = "jose" }), "verify.ecdsa"},
		"relative address":  {verify(func(v *custom.Verify) { v.URL = "/webhooks/shop" }), "verify.url"},
		"nothing signed":    {signed(""), "no {body}"},
		"body not signed":   {signed("id:{query:data.id};request-id:{header:X-Request-Id};"), "no {body}"}, // as Mercado Pago does
		"open brace":        {signed("{body"), "without its other half"},
		"closing brace":     {signed("body}{body}"), "without its other half"},
		"unknown part":      {signed("{nonce}.{body}"), "{nonce}, which is not known"},
		"header, no name":   {signed("{header}.{body}"), "take a name"},
		"header, no text":   {signed("{header:}.{body}"), "take a name"},
		"body with a name":  {signed("{body:x}"), "take a name"},
		"time from nowhere": {signed("{timestamp}.{body}"), "verify.timestamp"},
		"id from nowhere":   {signed("{id}.{body}"), "verify.id.header"},
		"id not signed":     {verify(func(v *custom.Verify) { v.ID.Header = "X-Id" }), "verify.id.header is not signed"},
		"id's header": {verify(func(v *custom.Verify) { v.ID.Header, v.Signed = "X Id", "{id}.{body}" }),
			"verify.id.header"},
		"id beside time": {verify(func(v *custom.Verify) {
			v.ID.Header, v.Timestamp.Header, v.Signed = "X-Id", "X-Time", "{id}{timestamp}.{body}"
		}), "without text between"},
		"two times":                {timestamp(custom.Timestamp{Header: "X-Time", Path: "time"}), "more than one of"},
		"tolerance of no time":     {timestamp(custom.Timestamp{Tolerance: time.Minute}), "set header, field or path"},
		"negative tolerance":       {timestamp(custom.Timestamp{Header: "X-Time", Tolerance: -1}), "tolerance is negative"},
		"time not signed":          {timestamp(custom.Timestamp{Header: "X-Time", Tolerance: time.Minute}), "put {timestamp} into verify.signed"},
		"field without pairs":      {timestamp(custom.Timestamp{Field: "t"}), "set verify.field"},
		"path without a tolerance": {timestamp(custom.Timestamp{Path: "time"}), "tolerance is needed"},
		"time of the body apart": {verify(func(v *custom.Verify) {
			v.Signed, v.Timestamp = "{timestamp}.{body}", custom.Timestamp{Path: "time", Tolerance: time.Hour}
		}), "part of the body"},
		"unit": {verify(func(v *custom.Verify) {
			v.Signed, v.Timestamp = "{timestamp}.{body}", custom.Timestamp{Header: "X-Time", Unit: "minutes"}
		}), "verify.timestamp.unit"},
		"header of time": {verify(func(v *custom.Verify) {
			v.Signed, v.Timestamp = "{timestamp}.{body}", custom.Timestamp{Header: "X Time"}
		}), "verify.timestamp.header"},

		"no order":             {event(func(e *custom.Event) { e.Order, e.Payment = "", "" }), "event.order"},
		"no status":            {event(func(e *custom.Event) { e.Status = "" }), "event.status"},
		"no statuses":          {event(func(e *custom.Event) { e.Statuses = nil }), "event.statuses"},
		"unknown meaning":      {event(func(e *custom.Event) { e.Statuses = map[string]string{"OK": "success"} }), `OK means "success"`},
		"meaning in capitals":  {event(func(e *custom.Event) { e.Statuses = map[string]string{"OK": "PAID"} }), "event.statuses"},
		"refund of nothing":    {event(func(e *custom.Event) { e.Amount, e.Currency = "", "" }), "REFUNDED is a refund"},
		"amount, no currency":  {event(func(e *custom.Event) { e.Currency = "" }), "event.amount without event.currency"},
		"currency, no amount":  {event(func(e *custom.Event) { e.Amount = "" }), "event.currency without event.amount"},
		"empty constant":       {event(func(e *custom.Event) { e.Currency = "=" }), "event.currency is an empty constant"},
		"amount unit":          {event(func(e *custom.Event) { e.AmountUnit = "cents" }), "event.amount_unit"},
		"time unit":            {event(func(e *custom.Event) { e.TimeUnit = "h" }), "event.time_unit"},
		"JSONPath":             {event(func(e *custom.Event) { e.ID = "$.id" }), "event.id"},
		"brackets":             {event(func(e *custom.Event) { e.Payment = "data.items[0].id" }), "event.payment"},
		"constant order":       {event(func(e *custom.Event) { e.Order = "=A1" }), "event.order"},
		"path of dots":         {event(func(e *custom.Event) { e.Reason = "a..b" }), "event.reason"},
		"answer of an error":   {func(c *custom.Config) { c.Answer = &custom.Answer{Status: 500} }, "answer.status is 500"},
		"answer with a header": {func(c *custom.Config) { c.Answer = &custom.Answer{ContentType: "a\r\nb"} }, "answer.content_type"},
	} {
		t.Run(name, func(t *testing.T) {
			conf := config(github)
			c.change(&conf)
			_, err := custom.New(conf, []string{secret}, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestNewRefusesKeys(t *testing.T) {
	algorithm := func(name, encoding string) custom.Config {
		return config(custom.Verify{Algorithm: name, Header: "X-Sig", Signed: "{body}", SecretEncoding: encoding})
	}
	for name, c := range map[string]struct {
		config           custom.Config
		secrets, publics []string
		want             string
	}{
		"no secret":               {algorithm("hmac-sha256", ""), nil, nil, "no secrets"},
		"no public key":           {algorithm("ed25519", ""), nil, nil, "no public_keys"},
		"empty secret":            {algorithm("hmac-sha256", ""), []string{secret, ""}, nil, "secret 2 is empty"},
		"short secret":            {algorithm("hmac-sha256", ""), []string{"0123456789abcde"}, nil, "has 15 bytes"},
		"short in hex":            {algorithm("hmac-sha256", "hex"), []string{"0123456789abcdef0123456789abcd"}, nil, "has 15 bytes"},
		"repetition":              {algorithm("hmac-sha256", ""), []string{"xxxxxxxxxxxxxxxxxxxxxxxx"}, nil, "placeholder"},
		"text for hex":            {algorithm("hmac-sha256", "hex"), []string{secret}, nil, "is not hex"},
		"text for base64":         {algorithm("hmac-sha256", "base64"), []string{secret}, nil, "is not base64"},
		"public key for HMAC":     {algorithm("hmac-sha256", ""), []string{secret}, []string{"k"}, "public_keys have no use"},
		"secret for a public key": {algorithm("ed25519", ""), []string{secret}, []string{"k"}, "secrets have no use"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := custom.New(c.config, c.secrets, c.publics)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Error("error quotes the secret")
			}
		})
	}
}

// The configuration file is decoded by these names.
func TestEveryFieldHasItsYAMLName(t *testing.T) {
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			if name := f.Tag.Get("yaml"); name == "" || name != strings.ToLower(name) {
				t.Errorf("%s.%s has the YAML name %q", typ, f.Name, name)
			}
			inner := f.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			if inner.Kind() == reflect.Struct {
				walk(inner)
			}
		}
	}
	walk(reflect.TypeFor[custom.Config]())
}

func TestAnswer(t *testing.T) {
	c := config(github)
	status, contentType, body := newProvider(t, c, secret).Answer(request(nil))
	if status != 200 || contentType != "application/json" || len(body) == 0 {
		t.Errorf("by default: got %d %s %q", status, contentType, body)
	}
	c.Answer = &custom.Answer{Body: "success"}
	if status, contentType, body = newProvider(t, c, secret).Answer(request(nil)); status != 200 ||
		!strings.HasPrefix(contentType, "text/plain") || string(body) != "success" {
		t.Errorf("as configured: got %d %s %q", status, contentType, body)
	}
}
