package mercadopago

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/paybell/paybell/webhook"
)

// Simulate implements [webhook.Simulator]. A webhook says nothing but which
// payment: it must be one that Mercado Pago knows, as its status is fetched.
func (p *Provider) Simulate(s webhook.Simulation) (webhook.Request, error) {
	if !paymentID.MatchString(s.Payment) {
		return webhook.Request{}, errors.New("mercadopago: its webhooks only name a payment, which is then fetched: give one that it knows, --payment NUMBER")
	}
	body := fmt.Appendf(nil, `{"action":"payment.updated","api_version":"v1","data":{"id":%q},"date_created":%q,"id":%q,"live_mode":%t,"type":"payment","user_id":"1"}`,
		s.Payment, s.At.UTC().Format(time.RFC3339), s.ID, s.Live)
	return sign(p.secrets[0], s.Payment, s.ID, body, s.SignedAt()), nil
}

func sign(secret []byte, id, request string, body []byte, at time.Time) webhook.Request {
	timestamp := strconv.FormatInt(at.UnixMilli(), 10)
	sum := webhook.HMAC(sha256.New, secret, []byte(manifest(id, request, timestamp)))
	return webhook.Request{
		Method: http.MethodPost,
		URL:    "/webhooks/mercadopago?data.id=" + id + "&type=payment",
		Header: http.Header{
			"Content-Type": {"application/json"}, requestHeader: {request}, signatureHeader: {"ts=" + timestamp + ",v1=" + hex.EncodeToString(sum)},
		},
		Body: body,
		At:   at,
	}
}
