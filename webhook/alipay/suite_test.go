package alipay

import (
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/webhooktest"
)

var (
	now = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

	_ webhook.Provider   = (*Provider)(nil)
	_ webhook.Simulator  = (*Provider)(nil)
	_ webhook.Answerer   = (*Provider)(nil)
	_ webhook.MediaTyper = (*Provider)(nil)
	_ webhook.Modeless   = (*Provider)(nil)
)

func key(t testing.TB, i int) *rsa.PrivateKey {
	t.Helper()
	k, err := webhook.ParseRSAPrivate(webhooktest.RSAKeys[i])
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newProvider(t testing.TB, o Options) *Provider {
	t.Helper()
	if o.PublicKeys == nil && o.Certificates == nil {
		o.PublicKeys = []string{webhooktest.RSAPublic(t, webhooktest.RSAKeys[1]), webhooktest.RSAPublic(t, webhooktest.RSAKeys[0])}
	}
	return webhooktest.Must(t, New, o)
}

// trade is what Alipay says of a paid trade, with some fields changed.
func trade(change map[string]string) map[string]string {
	fields := map[string]string{
		"gmt_create": "2026-11-23 15:59:40", "charset": "utf-8", "seller_email": "shop@example.com", "subject": "红茶 & 杯子 +1", "buyer_id": "2088102175953034",
		"invoice_amount": "99.00", "notify_id": "2026112300222155950089730517402591", "fund_bill_list": `[{"amount":"99.00","fundChannel":"ALIPAYACCOUNT"}]`,
		"notify_type": "trade_status_sync", "trade_status": "TRADE_SUCCESS", "receipt_amount": "99.00", "app_id": "2021000118615341", "sign_type": "RSA2",
		"buyer_pay_amount": "99.00", "seller_id": "2088621955123456", "gmt_payment": "2026-11-23 15:59:50", "notify_time": "2026-11-23 15:59:51",
		"version": "1.0", "out_trade_no": "A1001", "total_amount": "99.00", "trade_no": "2026112322001489730501234567", "auth_app_id": "2021000118615341",
		"point_amount": "0.00", "passback_params": "",
	}
	maps.Copy(fields, change)
	maps.DeleteFunc(fields, func(_, value string) bool { return value == "none" })
	return fields
}

func notified(t testing.TB, i int, change map[string]string) webhook.Request {
	t.Helper()
	r, err := sign(key(t, i), trade(change), now)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestForms(t *testing.T) {
	webhooktest.Forms(t, newProvider(t, Options{}), notified(t, 0, nil), "sign", "sign_type", "out_trade_no", "total_amount", "trade_status", "notify_id")
}

func TestForgeriesAreRefused(t *testing.T) {
	p := newProvider(t, Options{})
	if events, err := p.Open(notified(t, 0, nil)); err != nil || len(events) != 1 {
		t.Fatalf("%v, %v", events, err)
	}
	if _, err := p.Open(notified(t, 1, nil)); err != nil {
		t.Errorf("by the other key: %v", err)
	}
	genuine := string(notified(t, 0, nil).Body)
	sign := url.Values{"sign": {mustParse(t, genuine).Get("sign")}}.Encode()
	replaced := func(old, new string) string {
		if !strings.Contains(genuine, old) {
			t.Fatalf("no %s in %s", old, genuine)
		}
		return strings.Replace(genuine, old, new, 1)
	}
	for name, body := range map[string]string{
		"another's key":            string(notified(t, 2, nil).Body),
		"another amount":           replaced("total_amount=99.00", "total_amount=9.90"),
		"another order":            replaced("out_trade_no=A1001", "out_trade_no=A1002"),
		"a field more":             genuine + "&refund_fee=99.00",
		"an empty field more":      genuine + "&extra=",
		"a field less":             replaced("gmt_payment=2026-11-23+15%3A59%3A50&", ""),
		"an empty field less":      replaced("passback_params=&", ""),
		"a field twice":            genuine + "&out_trade_no=A1001",
		"a field twice, escaped":   genuine + "&out%5Ftrade_no=A1002",
		"SHA-1":                    replaced("sign_type=RSA2", "sign_type=RSA"),
		"MD5":                      replaced("sign_type=RSA2", "sign_type=MD5"),
		"no sign_type":             replaced("&sign_type=RSA2", ""),
		"sign_type in lower case":  replaced("sign_type=RSA2", "sign_type=rsa2"),
		"no sign":                  replaced(sign, "s=1"),
		"empty sign":               replaced(sign, "sign="),
		"half a sign":              replaced(sign, sign[:100]),
		"a sign decoded too often": replaced(sign, strings.NewReplacer("%2B", "+").Replace(sign)+"%zz"),
		"no base64":                replaced(sign, "sign=%21%21"),
		"nothing":                  "",
		"JSON":                     `{"trade_status":"TRADE_SUCCESS"}`,
		"no form":                  "%zz=1",
		"a field without a name":   genuine + "&=1",
		"decoded twice":            replaced("%26", "%2526"),
	} {
		r := notified(t, 0, nil)
		r.Body = []byte(body)
		if events, err := p.Open(r); !errors.Is(err, webhook.ErrUnverified) || events != nil {
			t.Errorf("%s: %v, %v", name, events, err)
		}
	}
}

func mustParse(t *testing.T, form string) url.Values {
	t.Helper()
	values, err := url.ParseQuery(form)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

func TestEveryChangedByteIsNoticed(t *testing.T) {
	p := newProvider(t, Options{})
	genuine := notified(t, 0, nil)
	for i := range genuine.Body {
		r := genuine
		r.Body = append([]byte{}, genuine.Body...)
		r.Body[i] ^= 1
		events, err := p.Open(r)
		if err == nil && string(mustFields(t, r.Body)) != string(mustFields(t, genuine.Body)) {
			t.Fatalf("byte %d changed, and yet: %v", i, events)
		}
	}
}

// mustFields is what a form says: %2f and %2F say the same.
func mustFields(t *testing.T, body []byte) []byte {
	fields, err := parse(body)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(signed(fields, nil))
}

// What is signed is GBK as it came; what events say is UTF-8.
func TestGBKIsRead(t *testing.T) {
	gbk := func(text string) string {
		encoded, err := simplifiedchinese.GBK.NewEncoder().String(text)
		if err != nil {
			t.Fatal(err)
		}
		return encoded
	}
	r := notified(t, 0, map[string]string{"charset": "GBK", "subject": gbk("红茶"), "body": gbk("两杯")})
	if events, err := newProvider(t, Options{}).Open(r); err != nil || events[0].Amount != 9900 {
		t.Errorf("%v, %v", events, err)
	}
	for name, change := range map[string]map[string]string{
		"GBK that says UTF-8": {"subject": gbk("红茶")}, "an unknown charset": {"charset": "big5"}, "broken GBK that is money": {"charset": "gbk", "total_amount": "99.00\xff"},
	} {
		if _, err := newProvider(t, Options{}).Open(notified(t, 0, change)); !errors.Is(err, webhook.ErrUnreadable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOtherNotificationsSignTheirTypeToo(t *testing.T) {
	fields := trade(map[string]string{"trade_status": "none", "notify_type": "servicemarket_order_notify"})
	signature := webhooktest.SignRSA(webhooktest.RSAKeys[0], []byte(signed(fields, []string{"sign"})))
	r, err := sign(key(t, 0), fields, now)
	if err != nil {
		t.Fatal(err)
	}
	form := mustParse(t, string(r.Body))
	form.Set("sign", base64.StdEncoding.EncodeToString(signature))
	r.Body = []byte(form.Encode())
	if events, err := newProvider(t, Options{}).Open(r); err != nil || events[0].Kind != order.KindNote {
		t.Errorf("%v, %v", events, err)
	}
}

func TestAnotherAppsTradeIsANote(t *testing.T) {
	for _, o := range []Options{{AppID: "2021000118610000"}, {SellerID: "2088000000000000"}} {
		if events, err := newProvider(t, o).Open(notified(t, 0, nil)); err != nil || events[0].Kind != order.KindNote {
			t.Errorf("%v, %v", events, err)
		}
	}
	if events, err := newProvider(t, Options{AppID: "2021000118615341", SellerID: "2088621955123456"}).Open(notified(t, 0, nil)); err != nil || events[0].Kind != order.KindPayment {
		t.Errorf("%v, %v", events, err)
	}
}

func TestTheAnswerIsSevenBytes(t *testing.T) {
	if status, _, body := newProvider(t, Options{}).Answer(webhook.Request{}); status != 200 || string(body) != "success" {
		t.Errorf("%d %q", status, body)
	}
}

func TestTheOrdersIDMayBePassedThrough(t *testing.T) {
	for _, c := range [][3]string{
		{"passback_params", "A2002", "A2002"},
		{"passback_params.order_id", "shop%3D1%26order_id%3DA2002", "A2002"},
		{"passback_params.order_id", "shop=1&order_id=A2002", "A2002"},
		{"passback_params.order_id", "order_id=1&order_id=2", ""},
		{"passback_params.order_id,out_trade_no", "shop=1", "A1001"},
	} {
		events, err := newProvider(t, Options{Order: c[0]}).Open(notified(t, 0, map[string]string{"passback_params": c[1]}))
		if err != nil || events[0].Order != c[2] {
			t.Errorf("%s of %s: %+v, %v", c[0], c[1], events, err)
		}
	}
}

// funds is what Alipay says of frozen funds, with some fields changed.
func funds(change map[string]string) map[string]string {
	fields := map[string]string{
		"payee_user_id": "2088621955123456", "app_id": "2021000118615341", "auth_app_id": "2021000118615341", "out_order_no": "A1001", "charset": "utf-8",
		"out_request_no": "RN60020190621144028500235", "auth_no": "2026112310002001000281886861", "gmt_create": "2026-11-23 14:40:28", "version": "1.0",
		"total_freeze_amount": "500.00", "total_unfreeze_amount": "0.00", "status": "SUCCESS", "total_pay_amount": "0.00", "rest_amount": "500.00",
		"payer_user_id": "2088622903359001", "gmt_trans": "2026-11-23 14:40:30", "amount": "500.00", "payer_logon_id": "158****7723",
		"operation_type": "FREEZE", "operation_id": "20261123025153970002", "notify_time": "2026-11-23 14:40:30",
		"notify_id": "ae9dc7b44e2923a8cba50681c832803g02", "notify_type": freeze, "sign_type": "RSA2",
	}
	maps.Copy(fields, change)
	return fields
}

func TestGoldenOfFrozenFunds(t *testing.T) {
	for name, change := range map[string]map[string]string{
		"authorized":         nil,
		"authorized-thb":     {"trans_currency": "THB"},
		"authorized-not-yet": {"status": "INIT"},
		"canceled":           {"notify_type": unfreeze, "operation_type": "UNFREEZE", "total_unfreeze_amount": "500.00", "rest_amount": "0.00", "gmt_trans": "2026-11-23 15:40:30"},
		"released-in-part":   {"notify_type": unfreeze, "operation_type": "UNFREEZE", "amount": "100.00", "total_unfreeze_amount": "100.00", "rest_amount": "400.00"},
		"released-the-rest":  {"notify_type": unfreeze, "operation_type": "UNFREEZE", "amount": "100.00", "total_pay_amount": "400.00", "rest_amount": "0.00"},
		"refused-funds":      {"auth_no": ""},
	} {
		r, err := sign(key(t, 0), funds(change), now)
		if err != nil {
			t.Fatal(err)
		}
		webhooktest.Record(t, "testdata", name, r)
	}
}

func TestGolden(t *testing.T) {
	for name, change := range map[string]map[string]string{
		"paid":               nil,
		"wallet":             nil,
		"paid-finished":      {"trade_status": "TRADE_FINISHED", "notify_id": "n2"},
		"pending":            {"trade_status": "WAIT_BUYER_PAY", "gmt_payment": "none"},
		"expired":            {"trade_status": "TRADE_CLOSED", "gmt_payment": "none", "gmt_close": "2026-11-23 16:15:00"},
		"partial-refund":     {"refund_fee": "25.00", "gmt_refund": "2026-11-23 16:10:00.123", "out_biz_no": "R1", "notify_id": "n3"},
		"refund":             {"trade_status": "TRADE_CLOSED", "refund_fee": "99.00", "gmt_refund": "2026-11-23 16:10:00", "notify_id": "n4"},
		"refund-without-fee": {"trade_status": "TRADE_CLOSED", "notify_id": "n5"},
		"refund-unpaid":      {"trade_status": "TRADE_CLOSED", "gmt_payment": "none", "refund_fee": "99.00", "gmt_close": "2026-11-23 16:15:00", "notify_id": "n6"},
		"paid-hkd":           {"trans_currency": "HKD", "total_amount": "88.8"},
		"refused-currency":   {"trans_currency": "港币"},
		"others-message":     {"trade_status": "none", "notify_type": "none", "msg_method": "alipay.merchant.tradecomplain.changed", "biz_content": "{}"},
		"unknown-status":     {"trade_status": "TRADE_PENDING"},
		"refused-amount":     {"total_amount": "99.001"},
		"refused-trade":      {"trade_no": ""},
	} {
		webhooktest.Record(t, "testdata", name, notified(t, 0, change))
	}
	webhooktest.Compare(t, "testdata/public.pem", []byte(webhooktest.RSAPublic(t, webhooktest.RSAKeys[0])))
	webhooktest.Golden(t, newProvider(t, Options{}), "testdata", now)
}

func TestSimulates(t *testing.T) {
	webhooktest.Simulations(t, newProvider(t, Options{SimulateKey: webhooktest.RSAKeys[0]}),
		order.Pending, order.Authorized, order.Paid, order.PartiallyPaid, order.Canceled, order.Expired, order.PartiallyRefunded, order.Refunded)
	s := webhook.Simulation{ID: "n1", Order: "A1001", Status: order.Paid, Amount: 9900, Currency: "CNY", At: now}
	if _, err := newProvider(t, Options{}).Simulate(s); !errors.Is(err, webhook.ErrNoSimulateKey) {
		t.Errorf("without a key: %v", err)
	}
	s.Currency = ""
	if _, err := newProvider(t, Options{SimulateKey: webhooktest.RSAKeys[0]}).Simulate(s); err == nil {
		t.Error("a payment without an amount is simulated")
	}
}

func TestNewNamesTheMend(t *testing.T) {
	for want, o := range map[string]Options{
		"neither public_keys nor certificates": {},
		"public key 1 is not a readable":       {PublicKeys: []string{"x"}},
		"public key 1 is a private key":        {PublicKeys: []string{webhooktest.RSAKeys[0]}},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	bare := strings.Join(strings.Split(strings.TrimSpace(webhooktest.RSAPublic(t, webhooktest.RSAKeys[0])), "\n")[1:], "")
	if _, err := New(Options{PublicKeys: []string{strings.TrimSuffix(bare, "-----END PUBLIC KEY-----")}}); err != nil {
		t.Errorf("the base64 that the console shows: %v", err)
	}
}

func FuzzNormalize(f *testing.F) {
	p := newProvider(f, Options{})
	f.Add("trade_no=1&notify_id=1&trade_status=TRADE_CLOSED&gmt_payment=1&total_amount=1&charset=gbk")
	f.Fuzz(func(t *testing.T, form string) {
		fields, err := parse([]byte(form))
		if err != nil || recode(fields) != nil {
			return
		}
		events, err := p.normalize(fields)
		webhooktest.Checked(t, events, err)
	})
}

// FuzzOpen changes a genuine notification; whatever is believed must say what
// it said.
func FuzzOpen(f *testing.F) {
	p := newProvider(f, Options{})
	genuine := notified(f, 0, nil)
	webhooktest.FuzzSame(f, p, genuine, notified(f, 2, nil))
}

func BenchmarkOpen(b *testing.B) {
	p := newProvider(b, Options{PublicKeys: []string{webhooktest.RSAPublic(b, webhooktest.RSAKeys[0])}})
	genuine := notified(b, 0, map[string]string{"body": strings.Repeat("红茶0123456789abcdef", 85)})
	forged := genuine
	forged.Body = []byte(strings.Replace(string(genuine.Body), "99.00", "98.00", 1))
	webhooktest.BenchRequests(b, p, genuine, forged)
}
