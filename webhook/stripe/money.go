package stripe

import (
	"errors"
	"fmt"
	"strings"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/order"
)

// decimals says how many decimals Stripe's amounts of a currency have, which is
// not what ISO 4217 has for all of them (docs.stripe.com/currencies: zero-decimal,
// three-decimal, special cases). MGA has none at Stripe and two by ISO. ISK and
// UGX have none by ISO, and two that are always zero at Stripe.
func decimals(currency string) int {
	switch currency {
	case "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF":
		return 0
	case "BHD", "JOD", "KWD", "OMR", "TND":
		return 3
	}
	return 2
}

// toMinor turns an amount of Stripe's into minor units by ISO 4217, exactly.
func toMinor(amount int64, currency string) (int64, error) {
	return rescale(amount, decimals(currency), order.Decimals(currency))
}

// fromMinor is the way back.
func fromMinor(amount int64, currency string) (int64, error) {
	return rescale(amount, order.Decimals(currency), decimals(currency))
}

func rescale(amount int64, from, to int) (int64, error) {
	for ; from < to; from++ {
		if amount *= 10; amount > order.MaxAmount {
			return 0, errors.New("amount is too large")
		}
	}
	for ; from > to; from-- {
		if amount%10 != 0 {
			return 0, errors.New("amount has more decimals than its currency")
		}
		amount /= 10
	}
	return amount, nil
}

// money reads an object's currency, and the amount that is in a field of it.
// Where both are missing nothing is said of money.
func money(o strictjson.Object, field string) (amount int64, currency string, err error) {
	if o[field] == nil && o["currency"] == nil {
		return 0, "", nil
	}
	currency = strings.ToUpper(o.String("currency"))
	if !order.IsCurrency(currency) {
		return 0, "", errors.New("data.object.currency is not a code of three letters")
	}
	number, _ := o[field].(strictjson.Number)
	if amount, err = order.ParseMinor(string(number)); err == nil {
		amount, err = toMinor(amount, currency)
	}
	if err != nil {
		return 0, "", fmt.Errorf("data.object.%s: %w", field, err)
	}
	return amount, currency, nil
}
