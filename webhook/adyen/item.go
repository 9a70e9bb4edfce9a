package adyen

import (
	"errors"
	"strings"

	"github.com/paybell/paybell/internal/strictjson"
	"github.com/paybell/paybell/webhook"
)

// signed are the fields of an item that are signed, in this order, with colons
// between them (docs.adyen.com/development-resources/webhooks/verify-hmac-signatures).
var signed = [8]string{
	"pspReference", "originalReference", "merchantAccountCode", "merchantReference", "amount.value", "amount.currency", "eventCode", "success",
}

// message is the text that is signed. Only the shop's own reference may have a
// colon: with two such fields, what stands in one could be moved to the other.
func message(item strictjson.Object) (string, error) {
	var fields [len(signed)]string
	for i, path := range signed {
		fields[i] = item.Text(path)
		if path != "merchantReference" && strings.Contains(fields[i], ":") {
			return "", errors.New(path + " has a colon, which would make the signature ambiguous")
		}
	}
	return strings.Join(fields[:], ":"), nil
}

// verifyItem proves that Adyen signed what an item says.
func (p *Provider) verifyItem(item strictjson.Object) error {
	text, err := message(item)
	if err != nil {
		return err
	}
	signature, ok := webhook.DecodeBase64(item.String("additionalData.hmacSignature"), scheme.Hash().Size())
	if !ok {
		return errors.New("additionalData.hmacSignature is missing, or not 32 bytes in base64: is the HMAC key generated and saved at Adyen?")
	}
	if !webhook.SignedBy(scheme.Hash, p.keys, [][]byte{signature}, []byte(text)) {
		return webhook.ErrMismatch
	}
	return nil
}
