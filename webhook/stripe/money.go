package stripe

import (
	"errors"
	"strings"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
)

// decimals says how many decimals Stripe's amounts have. They are ISO 4217's but
// for MGA, which Stripe counts in whole ariary, and for ISK and UGX, which have
// none and which Stripe still counts in hundredths (docs.stripe.com/currencies:
// zero-decimal currencies, special cases).
func decimals(currency string) int {
	switch currency {
	case "MGA":
		return 0
	case "ISK", "UGX":
		return 2
	}
	return order.Decimals(currency)
}

var errAmount = errors.New("an amount is not a whole number of minor units")

// money reads an amount of Stripe's as minor units by ISO 4217. An amount that
// is not there is zero of the currency.
func money(o strictjson.Object, amountPath string) (int64, string, error) {
	currency := strings.ToUpper(o.String("currency"))
	if !order.IsCurrency(currency) {
		return 0, "", errors.New("the currency is not a code of three letters")
	}
	if o.Get(amountPath) == nil {
		return 0, currency, nil
	}
	amount, ok := o.Int(amountPath)
	if !ok || amount < 0 || amount > order.MaxAmount {
		return 0, "", errAmount
	}
	for have, want := decimals(currency), order.Decimals(currency); have != want; {
		if have < want {
			amount, have = amount*10, have+1
			continue
		}
		if amount%10 != 0 {
			return 0, "", errAmount
		}
		amount, have = amount/10, have-1
	}
	if amount > order.MaxAmount {
		return 0, "", errAmount
	}
	return amount, currency, nil
}
