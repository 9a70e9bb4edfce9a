package webhook

import (
	"strings"
	"testing"

	"github.com/paybell/paybell/order"
)

func TestTidyCutsTextsAndKeepsThePayment(t *testing.T) {
	long := strings.Repeat("银", 1000)
	e, err := Tidy(order.Event{Order: "A1", Kind: order.KindPayment, Status: order.Failed, Method: long, Reason: long, Type: long})
	if err != nil || len(e.Reason) != 510 || len(e.Method) != 126 || len(e.Type) != 126 {
		t.Errorf("got %d, %d, %d bytes, %v", len(e.Reason), len(e.Method), len(e.Type), err)
	}
}

func TestTidyDropsAddressesThatRunInThePage(t *testing.T) {
	for address, kept := range map[string]bool{
		"https://bank.example/3ds?x=1": true, "http://localhost/pay": true, "weixin://wxpay/bizpayurl?pr=1": true, "alipays://platformapi/x": true,
		"": false, "javascript:alert(1)": false, "JavaScript:alert(1)": false, " javascript:alert(1)": false, "java\nscript:alert(1)": false,
		"vbscript:x": false, "data:text/html,<script>": false, "blob:https://x/1": false, "file:///etc/passwd": false, "about:blank": false,
		"/relative": false, "//host/path": false, "://": false, "https://x/" + strings.Repeat("a", order.MaxURLLength): false,
	} {
		e, err := Tidy(order.Event{Order: "A1", Kind: order.KindPayment, Status: order.RequiresAction, ActionURL: address})
		if err != nil || (e.ActionURL != "") != kept {
			t.Errorf("%.60q: got %.60q, %v", address, e.ActionURL, err)
		}
	}
}

func TestTidyRefusesWhatTheLedgerWould(t *testing.T) {
	for _, e := range []order.Event{
		{Kind: order.KindPayment, Status: order.Paid, Order: "two words"},
		{Kind: order.KindPayment, Status: order.Paid, Order: "A1", Amount: -1, Currency: "EUR"},
		{Kind: order.KindPayment, Status: order.Paid, Order: "A1", Amount: 1},
		{Kind: order.KindPayment, Status: order.Won, Order: "A1"},
		{Kind: order.KindPayment, Status: order.Paid, Order: "A1", Reason: "\xff"},
		{Kind: order.KindNote, ID: "two words"},
	} {
		if _, err := Tidy(e); err == nil {
			t.Errorf("%+v: no error", e)
		}
	}
}

func TestTidyEmptiesANote(t *testing.T) {
	e, err := Tidy(order.Event{Kind: order.KindNote, Status: order.Paid, Order: "two words", Payment: "p1", Ref: "\xff", Amount: -1, Type: "x"})
	if want := (order.Event{Kind: order.KindNote, Payment: "p1", Type: "x"}); err != nil || e != want {
		t.Errorf("got %+v, %v", e, err)
	}
}
