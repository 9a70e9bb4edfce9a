package hub

import (
	"io"
	"net/http"
	"time"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
)

// transportAck is what a timeline says of a version that a client showed, where
// it otherwise says how a version went out.
const transportAck = "ack"

// maxAck bounds the body of an acknowledgement, in bytes.
const maxAck = 1024

// Ack answers POST /v1/orders/{order}/ack: the client says which version it has
// shown. It is noted for the order's timeline, if the order has come so far:
// what was never sent cannot have been shown.
func (h *Hub) Ack(w http.ResponseWriter, r *http.Request) {
	grant, ok := h.admit(w, r)
	if !ok {
		return
	}
	orders, ok := h.choose(w, grant, []string{r.PathValue("order")})
	if !ok {
		return
	}
	version, epoch, ok := acknowledged(w, r)
	if !ok {
		return
	}
	states, err := h.snapshots.read(r.Context(), orders)
	if err != nil {
		h.unread(w, r, err)
		return
	}
	if s := states[0]; epoch != s.Epoch || version > s.Version {
		badRequest("The order has no such version.").Write(w)
		return
	}
	if version > 0 {
		h.opts.Told(order.Told{
			Order: orders[0], Version: version, Transport: transportAck, Subject: grant.Subject, At: time.Now(), Count: 1,
		})
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
}

// acknowledged reads {"version":3,"epoch":"5f0c…"}.
func acknowledged(w http.ResponseWriter, r *http.Request) (version int64, epoch string, ok bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAck))
	object, parseErr := strictjson.ParseObject(body)
	if err == nil && parseErr == nil {
		version, ok = object.Int("version")
		epoch = object.String("epoch")
	}
	if !ok || version < 0 || epoch == "" {
		badRequest(`The body must be a JSON object such as {"version":3,"epoch":"5f0c"}.`).Write(w)
		return 0, "", false
	}
	return version, epoch, true
}
