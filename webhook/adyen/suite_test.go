package adyen_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/adyen"
	"github.com/paybell/paybell/webhook/webhooktest"
)

const secret = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"

var now = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func newProvider(t testing.TB, o adyen.Options) *adyen.Provider {
	t.Helper()
	if o.Secrets == nil {
		o.Secrets = []string{secret}
	}
	return webhooktest.Must(t, adyen.New, o)
}

func hmac(key, text string) string {
	raw, err := hex.DecodeString(key)
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(webhook.HMAC(sha256.New, raw, []byte(text)))
}

// post makes a request of a body, whose signatures are in it.
func post(body string) webhook.Request {
	return webhook.Request{
		Method: http.MethodPost,
		URL:    "/webhooks/adyen",
		Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}, "User-Agent": {"Adyen HttpClient 1.0"}},
		Body:   []byte(body),
		At:     now,
	}
}

// signPlatform makes the request that Adyen makes for a platform.
func signPlatform(key string, body []byte, at time.Time) webhook.Request {
	r := post(string(body))
	r.At = at
	r.Header.Set("Hmacsignature", hmac(key, string(body)))
	r.Header.Set("Protocol", "HmacSHA256")
	return r
}

func TestSuiteOfPlatforms(t *testing.T) {
	webhooktest.Suite(t, webhooktest.Case{
		New: webhooktest.Build(adyen.New, func(secrets []string) adyen.Options {
			return adyen.Options{Secrets: secrets}
		}),
		Secrets: [3]string{secret, strings.ToLower(secret[32:] + secret[:32]), secret[1:] + "7"},
		Sign:    signPlatform,
		Body:    `{"data":{"balancePlatform":"YOUR_BALANCE_PLATFORM","id":"AH00000000000000000000001","amount":1},"environment":"live","type":"balancePlatform.accountHolder.updated"}`,
		Headers: []string{"Hmacsignature"},
	})
}

func TestKeysAreHexadecimal(t *testing.T) {
	for _, wrong := range []string{secret[:63] + "G", secret + "00", "whsec_" + secret, secret[:62]} {
		_, err := adyen.New(adyen.Options{Secrets: []string{secret, wrong}})
		if err == nil || !strings.Contains(err.Error(), "secret 2") || !strings.Contains(err.Error(), "64") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if _, err := adyen.New(adyen.Options{Secrets: []string{secret}, Capture: "later"}); err == nil {
		t.Error("capture: later")
	}
}

// A notice is an item of a standard webhook: the eight signed fields, and what
// else is in it as JSON members.
type notice struct {
	psp, original, account, reference, value, currency, code, success string
	more                                                              string
}

// item writes a notice, signed with a key.
func (n notice) item(key string) string {
	signature := hmac(key, strings.Join([]string{n.psp, n.original, n.account, n.reference, n.value, n.currency, n.code, n.success}, ":"))
	original := ""
	if n.original != "" {
		original = fmt.Sprintf(`"originalReference":%q,`, n.original)
	}
	return fmt.Sprintf(`{"NotificationRequestItem":{"additionalData":{"hmacSignature":%q%s},"amount":{"currency":%q,"value":%s},"eventCode":%q,"eventDate":"2026-11-23T08:59:58+01:00","merchantAccountCode":%q,"merchantReference":%q,%s"pspReference":%q,"success":%q%s}}`,
		signature, additional(n.more), n.currency, n.value, n.code, n.account, n.reference, original, n.psp, n.success, beside(n.more))
}

// additional is the part of more that belongs to additionalData, and beside the
// other: they stand with a bar between them.
func additional(more string) string { before, _, _ := strings.Cut(more, "|"); return before }
func beside(more string) string     { _, after, _ := strings.Cut(more, "|"); return after }

func body(live string, items ...string) string {
	return `{"live":"` + live + `","notificationItems":[` + strings.Join(items, ",") + `]}`
}

// payment is an authorization of 99.00 EUR for order A1001, to be changed.
func payment(change func(*notice)) notice {
	n := notice{
		"QFQTPCQ8HXSKGK82", "", "PaybellCOM", "A1001", "9900", "EUR", "AUTHORISATION", "true",
		`,"cardSummary":"1111","authCode":"033899","expiryDate":"3/2030"|,"operations":["CANCEL","CAPTURE","REFUND"],"paymentMethod":"visa","reason":"033899:1111:3/2030"`,
	}
	if change != nil {
		change(&n)
	}
	return n
}

// modification is what came of the payment later.
func modification(code, success, value, more string) notice {
	return notice{"NXZP3RGQPFWW4X82", "QFQTPCQ8HXSKGK82", "PaybellCOM", "A1001", value, "EUR", code, success, more + `|,"paymentMethod":"visa","reason":""`}
}

// recorded are standard webhooks in the form of Adyen's documentation.
var recorded = map[string]notice{
	"authorized": payment(nil),
	"authorized-idr": payment(func(n *notice) {
		n.value, n.currency = "150000", "IDR"
	}),
	"authorized-clp": payment(func(n *notice) {
		n.value, n.currency = "540000", "CLP"
	}),
	"failed": payment(func(n *notice) {
		n.psp = "BQ9GTLXR6BGLNK82"
		n.success, n.more = "false", `,"refusalReasonRaw":"05 : Do not honor"|,"operations":[],"paymentMethod":"mc","reason":"Refused"`
	}),
	"wallet": payment(func(n *notice) {
		n.more = `,"paymentMethodVariant":"visa_applepay"|,"paymentMethod":"visa","reason":"033899:1111:3/2030"`
	}),
	"wallet-google-pay": payment(func(n *notice) { n.more = `|,"paymentMethod":"mc_googlepay","reason":null` }),
	"pending": payment(func(n *notice) {
		n.code, n.more = "PENDING", `|,"paymentMethod":"bankTransfer_IBAN","reason":""`
	}),
	"expired":                    payment(func(n *notice) { n.code, n.more = "OFFER_CLOSED", `|,"paymentMethod":"ideal","reason":""` }),
	"expired-authorization":      modification("EXPIRE", "true", "9900", ""),
	"paid":                       modification("CAPTURE", "true", "9900", ""),
	"capture_refused":            modification("CAPTURE", "false", "9900", ""),
	"capture_failed":             modification("CAPTURE_FAILED", "true", "9900", ""),
	"canceled":                   modification("CANCELLATION", "true", "9900", ""),
	"canceled-technical":         modification("TECHNICAL_CANCEL", "true", "9900", ""),
	"canceled-or-refunded":       modification("CANCEL_OR_REFUND", "true", "9900", `,"modification.action":"cancel"`),
	"refund":                     modification("REFUND", "true", "9900", ""),
	"refund-cancel-or-refund":    modification("CANCEL_OR_REFUND", "true", "9900", `,"modification.action":"refund"`),
	"partial-refund":             modification("REFUND", "true", "2500", ""),
	"refund_refused":             modification("REFUND", "false", "2500", ""),
	"refund_failed":              modification("REFUND_FAILED", "true", "2500", ""),
	"dispute":                    modification("NOTIFICATION_OF_CHARGEBACK", "true", "9900", `,"disputeStatus":"Undefended"`),
	"dispute-chargeback":         modification("CHARGEBACK", "true", "9900", `,"chargebackReasonCode":"10.4","disputeStatus":"Undefended"`),
	"dispute-reversed":           modification("CHARGEBACK_REVERSED", "true", "9900", `,"disputeStatus":"Pending"`),
	"dispute-second":             modification("SECOND_CHARGEBACK", "true", "9900", `,"disputeStatus":"Lost"`),
	"report_available":           {"REPORT", "", "PaybellCOM", "", "0", "EUR", "REPORT_AVAILABLE", "true", `|,"reason":"https://ca-test.adyen.com/reports/r.csv"`},
	"recurring_contract":         payment(func(n *notice) { n.code = "RECURRING_CONTRACT" }),
	"unreadable_fraction_of_clp": payment(func(n *notice) { n.value, n.currency = "540050", "CLP" }),
}

func TestRecorded(t *testing.T) {
	for name, n := range recorded {
		webhooktest.Record(t, "testdata", name, post(body("true", n.item(secret))))
	}
	webhooktest.Record(t, "testdata", "batch", post(body("false", recorded["authorized"].item(secret), recorded["paid"].item(secret))))
	webhooktest.Record(t, "testdata", "platform", signPlatform(secret, []byte(`{"data":{"id":"1WEPGD5U6MS1CFK3","amount":{"currency":"EUR","value":1000},"balancePlatform":"YOUR_BALANCE_PLATFORM","category":"platformPayment","status":"captured","type":"capture"},"environment":"live","timestamp":"2026-11-23T08:59:58+01:00","type":"balancePlatform.transfer.updated"}`), now))
	webhooktest.Golden(t, newProvider(t, adyen.Options{}), "testdata", now)
}
