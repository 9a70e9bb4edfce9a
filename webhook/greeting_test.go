package webhook_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/woocommerce"
)

// A shop that makes a webhook active asks whether anybody is there. It cannot
// sign that, and so it must leave nothing behind.
func TestAGreetingIsAnsweredAndNotKept(t *testing.T) {
	p, err := woocommerce.New(woocommerce.Options{Secrets: []string{"k7Qp2vXz9Lm4Rt8Wn1Bc6Yd3"}})
	if err != nil {
		t.Fatal(err)
	}
	kept := &recorder{}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/{source}", webhook.NewHandler([]webhook.Source{{Name: "shop", Provider: p}}, kept, webhook.Options{}))
	server := httptest.NewServer(mux)
	defer server.Close()
	for body, want := range map[string]int{"webhook_id=12": http.StatusOK, "webhook_id=12&status=paid": http.StatusUnauthorized} {
		response, err := http.Post(server.URL+"/webhooks/shop", "application/x-www-form-urlencoded", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: %s", body, response.Status)
		}
	}
	if len(kept.callbacks) > 0 || len(kept.events) > 0 {
		t.Errorf("kept: %v", kept.callbacks)
	}
}
