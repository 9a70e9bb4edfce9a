package stripe

import (
	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
)

// A Reader reads Stripe's bodies without proof of their sender. It implements
// [webhook.Reader] and [webhook.Writer].
type Reader struct{ p Provider }

// NewReader returns a Reader. Of the options Secrets and Tolerance have no use.
func NewReader(o Options) (*Reader, error) {
	orders, err := orderPaths(o.Order)
	if err != nil {
		return nil, err
	}
	return &Reader{Provider{orders: orders, account: o.Account}}, nil
}

// Read implements [webhook.Reader].
func (rd *Reader) Read(body []byte) ([]order.Event, error) {
	return webhook.ReadWith(body, rd.p.normalize)
}

// Write implements [webhook.Writer].
func (rd *Reader) Write(s webhook.Simulation) ([]byte, error) { return rd.p.write(s) }
