package sdks_test

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// A disagreement is a kind of request that some SDKs and Paybell judge
// otherwise, and why. One that is listed for an SDK and never occurs is an
// error, as is one that occurs and is not listed.
type disagreement struct {
	sdks   []string
	kinds  []string                               // the mutations' names; none: any
	when   func(a adapter, from, to message) bool // nil: always
	ours   bool                                   // Paybell takes it, and the SDK does not
	reason string
}

const (
	stripeNode      = "stripe"
	stripeGo        = "github.com/stripe/stripe-go/v85"
	standardNode    = "standardwebhooks"
	standardGo      = "github.com/standard-webhooks/standard-webhooks/libraries"
	svixNode        = "svix"
	svixGo          = "github.com/svix/svix-webhooks"
	hookdeckNode    = "@hookdeck/sdk"
	adyenNode       = "@adyen/api-library"
	squareNode      = "square"
	razorpayNode    = "razorpay"
	razorpayGo      = "github.com/razorpay/razorpay-go"
	paddleNode      = "@paddle/paddle-node-sdk"
	paddleGo        = "github.com/PaddleHQ/paddle-go-sdk/v4"
	shopifyNode     = "@shopify/shopify-api"
	gocardlessNode  = "gocardless-nodejs"
	coinbaseNode    = "coinbase-commerce-node"
	mercadopagoNode = "mercadopago"
	braintreeNode   = "braintree"
	wechatpayNode   = "wechatpay-axios-plugin"
	alipayNode      = "alipay-sdk"
)

var (
	standards = []string{standardNode, standardGo, svixNode, svixGo}
	asTexts   = []string{ // that read the body as text before they check it
		stripeNode, standardNode, svixNode, hookdeckNode, squareNode, razorpayNode, paddleNode, shopifyNode, coinbaseNode, wechatpayNode,
	}
)

func bodiesReadTheSame(_ adapter, from, to message) bool {
	return !bytes.Equal(from.body, to.body) && readsTheSame(from.body, to.body)
}

// sameSignature says whether only the case of a signature in hex was changed.
func sameSignature(a adapter, from, to message) bool {
	before, now := a.signature.get(from), a.signature.get(to)
	return !a.base64 && before != now && strings.EqualFold(before, now)
}

func fieldIsNoUTF8(_ adapter, _, to message) bool {
	text, err := url.QueryUnescape(string(to.body))
	return err == nil && !utf8.ValidString(text)
}

func formIsIllFormed(_ adapter, _, to message) bool {
	for pair := range strings.SplitSeq(string(to.body), "&") {
		if _, err := url.QueryUnescape(pair); err != nil || pair == "" || pair[0] == '=' || strings.Contains(pair, ";") {
			return true
		}
	}
	return false
}

func bodyIsNoUTF8(_ adapter, _, to message) bool { return !utf8.Valid(to.body) }

var disagreements = slices.Concat(aboutBodies, aboutSignatures, aboutHeaders, aboutLists, aboutTimes, aboutSecrets, aboutForms, aboutMercadoPago, aboutWeChatPay)

var aboutBodies = []*disagreement{
	{sdks: asTexts, when: bodiesReadTheSame,
		reason: "the SDK reads the body as UTF-8 first, so that each byte that is none counts as U+FFFD; Paybell checks the bytes that came"},
	{sdks: asTexts, kinds: []string{"body: not UTF-8, signed anew"}, ours: true,
		reason: "the sender signed bytes that are no UTF-8, and the SDK checks U+FFFD in their place; Paybell checks the bytes, and then says that it cannot read them"},
	{sdks: []string{adyenNode}, when: bodyIsNoUTF8,
		reason: "Adyen signs eight fields of the body, and the SDK reads the others whatever bytes they hold; Paybell reads no JSON that is not UTF-8"},
	{sdks: []string{stripeNode}, kinds: []string{"body: a byte-order mark before it"},
		reason: "the SDK drops a byte-order mark before it checks the signature, which is of the body without one"},
	{sdks: []string{stripeNode}, kinds: []string{"body: a byte-order mark before it, signed anew"}, ours: true,
		reason: "the SDK drops the byte-order mark that the sender signed"},
	{sdks: []string{shopifyNode}, kinds: []string{"body: empty, signed anew"}, ours: true,
		reason: "the SDK refuses an empty body before it looks at the signature; Paybell finds it genuine and unreadable"},
}

var aboutSignatures = []*disagreement{
	{sdks: []string{stripeNode, razorpayNode, razorpayGo, paddleNode, paddleGo, coinbaseNode, mercadopagoNode, braintreeNode}, when: sameSignature, ours: true,
		reason: "the SDK compares texts, and wants hex in small letters; Paybell compares the bytes that it stands for"},
	{sdks: []string{gocardlessNode}, when: nodeReadsTheSame(hexAsNodeReadsIt),
		reason: "Node reads hex up to the first character that is none, and drops an odd digit; Paybell takes nothing but the signature"},
	{sdks: []string{adyenNode, wechatpayNode, alipayNode}, when: nodeReadsTheSame(base64AsNodeReadsIt),
		reason: "Node reads base64 in either alphabet, without padding, past stray characters and up to the first padding; Paybell takes the one way to write it"},
}

// nodeReadsTheSame says whether a signature was written otherwise and Node's
// Buffer reads the same bytes in it.
func nodeReadsTheSame(read func(text string) string) func(a adapter, from, to message) bool {
	return func(a adapter, from, to message) bool {
		text := func(m message) string {
			if a.signature.header == "" {
				return a.signature.get(m)
			}
			var values []string
			for _, l := range m.lines {
				if strings.EqualFold(l.Name, a.signature.header) {
					values = append(values, string(l.Value))
				}
			}
			return strings.Join(values, ", ")
		}
		return text(from) != text(to) && read(text(from)) == read(text(to))
	}
}

var leadingHex = regexp.MustCompile(`^(?:[0-9a-fA-F]{2})*`)

func hexAsNodeReadsIt(text string) string { return strings.ToLower(leadingHex.FindString(text)) }

func base64AsNodeReadsIt(text string) string {
	text, _, _ = strings.Cut(text, "=")
	text = strings.Map(func(c rune) rune {
		switch {
		case c == '-':
			return '+'
		case c == '_':
			return '/'
		case c < utf8.RuneSelf && strings.ContainsRune(base64Alphabet, c):
			return c
		}
		return -1
	}, text)
	if len(text)%4 == 1 { // six bits make no byte
		text = text[:len(text)-1]
	}
	read, _ := base64.RawStdEncoding.DecodeString(text)
	return string(read)
}

var aboutHeaders = []*disagreement{
	{sdks: []string{stripeNode, stripeGo},
		kinds:  []string{"header: twice the same with a comma", "header: two values with a comma, the genuine last", "header: twice the same", "header: twice, the genuine last"},
		reason: "the SDK takes the last of several t; Paybell refuses two, of which somebody else may have believed the other"},
	{sdks: []string{stripeGo, standardGo, svixGo, razorpayGo, paddleGo},
		kinds:  []string{"header: twice the same", "header: twice, the genuine first"},
		reason: "Go's SDKs take the first of several headers of one name; Paybell refuses two, of which somebody else may have believed the other"},
	{sdks: []string{stripeNode, standardNode, svixNode, paddleNode},
		kinds:  []string{"header: twice the same", "header: twice, the genuine first", "header: twice, the genuine last"},
		reason: "Node joins headers of one name by a comma, and what the SDK makes of that is still genuine; Paybell refuses two, of which somebody else may have believed the other"},
	{sdks: standards, kinds: []string{"header: two values with a comma, the genuine first", "header: twice the same with a comma"},
		reason: "the SDK drops what follows a second comma in a signature, and Node's what follows the digits of a time; Paybell takes neither"},
}

var aboutLists = []*disagreement{
	{sdks: slices.Concat(standards, []string{stripeNode, stripeGo, paddleNode}), kinds: []string{"list: forty wrong signatures before it"},
		reason: "Paybell looks at the first 16 signatures of a request, so that nobody makes it look at thousands"},
	{sdks: slices.Concat(standards, []string{stripeNode, paddleNode}), kinds: []string{"list: a second joint in the signature"},
		reason: "the SDK drops what follows a second joint in an entry of the list; to Paybell it belongs to the signature, which is then none"},
	{sdks: []string{stripeNode, paddleNode}, kinds: []string{"list: a separator after it", "list: a separator before it", "list: an entry without a joint"},
		reason: "the SDK skips what is no name and value; Paybell wants the header as its sender writes it"},
	{sdks: []string{paddleNode}, kinds: []string{"list: its scheme alone, before it"},
		reason: "the SDK skips what has no value; Paybell wants the header as its sender writes it"},
	{sdks: []string{stripeNode}, kinds: []string{"list: its own scheme, ill formed, before it"}, ours: true,
		reason: "the SDK fails on an empty v1, also where the next one is genuine; Paybell looks at the next"},
	{sdks: []string{paddleNode}, kinds: []string{"list: a wrong signature after it"}, ours: true,
		reason: "the SDK looks at the last h1 alone; Paybell takes any, since there are two while a secret is rotated"},
	{sdks: []string{paddleGo}, ours: true,
		kinds: []string{
			"list: a wrong signature after it", "list: a wrong signature before it", "list: an unknown scheme after it", "list: an unknown scheme before it",
			"list: fifteen wrong signatures before it", "list: in another order", "list: its own scheme, ill formed, before it",
			"header: twice the same with a comma",
		},
		reason: "the SDK takes exactly one ts and one h1, in this order; Paybell takes a list, since there are two h1 while a secret is rotated"},
}

var aboutTimes = []*disagreement{
	{sdks: []string{stripeNode, stripeGo, paddleNode},
		kinds:  []string{"time: received too early", "time: received a fraction of a second too early", "time: moved far, signed anew", "time: in milliseconds, signed anew"},
		reason: "the SDK takes a time however far in the future; Paybell does not, since such a request could be kept and sent again until then"},
	{sdks: standards, ours: true, kinds: []string{"time: received a fraction of a second too early"},
		reason: "the SDK looks at the whole seconds of its clock; Paybell rounds the difference"},
	{sdks: []string{stripeNode, standardNode, svixNode, paddleGo}, kinds: []string{"time: received a fraction of a second too late"},
		reason: "the SDK looks at the whole seconds of its clock; Paybell rounds the difference"},
	{sdks: []string{stripeGo, standardGo, svixGo}, ours: true, kinds: []string{"time: received a fraction of a second too late"},
		reason: "the SDK looks at the fraction of its clock's second; Paybell rounds the difference"},
	{sdks: []string{paddleGo}, ours: true, kinds: []string{"time: received a fraction of a second too early"},
		reason: "the SDK looks at the whole seconds of its clock; Paybell rounds the difference"},
	{sdks: []string{paddleNode}, ours: true,
		kinds: []string{
			"time: received within the window", "time: received at the end of the window", "time: received a fraction of a second too late", "time: moved a little, signed anew",
		},
		reason: "the SDK's window is 5 s, which a clock that is a little wrong does not meet; Paybell's is 5 m, unless configured"},
	{sdks: slices.Concat(standards, []string{stripeNode, stripeGo, paddleNode}), kinds: []string{"time: with a leading zero", "time: with a sign"},
		reason: "the SDK signs the number that it has read; Paybell signs the text, and takes digits alone"},
	{sdks: []string{stripeNode, standardNode, svixNode, paddleNode}, kinds: []string{"time: with a fraction", "time: with an exponent", "time: with letters after it"},
		reason: "the SDK reads the digits before anything else, and signs those; Paybell takes digits alone"},
	{sdks: slices.Concat(standards, []string{stripeNode, stripeGo, paddleNode}), ours: true, kinds: []string{"time: with a leading zero, signed anew"},
		reason: "the SDK signs the number that it has read, where the sender signed its text"},
	{sdks: []string{stripeNode, paddleNode}, kinds: []string{"time: no number, signed anew"},
		reason: "the SDK takes NaN, which is not too old, from whoever has the secret; Paybell takes digits alone"},
	{sdks: []string{paddleNode}, kinds: []string{"time: in hex"},
		reason: "the SDK reads the hex that JavaScript reads, and signs the number; Paybell takes digits alone"},
}

var aboutSecrets = []*disagreement{
	{sdks: []string{stripeGo, standardGo, svixGo, razorpayNode, razorpayGo, paddleNode, paddleGo, gocardlessNode, coinbaseNode, mercadopagoNode},
		kinds:  []string{"secret: empty, and signed so"},
		reason: "the SDK takes an empty secret, with which anybody can sign; Paybell does not start with one"},
	{sdks: slices.Concat(standards, []string{adyenNode}), kinds: []string{"secret: white space after it"},
		reason: "the SDK reads base64 or hex past white space; Paybell does not start with such a secret, since elsewhere it would count"},
}

var aboutForms = []*disagreement{
	{sdks: []string{braintreeNode}, kinds: []string{"body: NUL after it"},
		reason: "the SDK compares a character that is missing as NUL, and takes a signature with any number of them after it"},
	{sdks: []string{alipayNode}, when: fieldIsNoUTF8, ours: true,
		reason: "the sender signed bytes that are no UTF-8, and the SDK checks U+FFFD in their place; Paybell checks the bytes"},
	{sdks: []string{braintreeNode, alipayNode}, when: formIsIllFormed,
		reason: "Node skips an empty pair, and reads a semicolon, and a percent sign that escapes nothing, as itself; Paybell reads no form that is ill formed"},
	{sdks: []string{alipayNode}, kinds: []string{"form: a field less", "form: another algorithm"},
		reason: "without a sign_type the SDK takes RSA2 for granted; Paybell wants it said"},
}

var aboutMercadoPago = []*disagreement{
	{sdks: []string{mercadopagoNode}, kinds: []string{"address: its query repeated"},
		reason: "the SDK takes the first of several data.id; Paybell refuses two, of which somebody else may have believed the other"},
	{sdks: []string{mercadopagoNode},
		kinds: []string{
			"header: twice the same", "header: twice, the genuine last", "header: twice the same with a comma", "header: two values with a comma, the genuine last",
			"list: a wrong signature before it", "list: fifteen wrong signatures before it", "list: forty wrong signatures before it",
		},
		reason: "the SDK takes the last of several ts and v1; Paybell refuses two"},
	{sdks: []string{mercadopagoNode}, kinds: []string{"list: an unknown scheme for it", "header: of the other case"},
		reason: "the SDK reads the names TS and V1 too"},
	{sdks: []string{mercadopagoNode}, kinds: []string{"signature: white space before it"},
		reason: "the SDK drops white space around a value; Paybell wants the header as its sender writes it"},
	{sdks: []string{mercadopagoNode}, kinds: []string{"time: in milliseconds, signed anew", "time: beyond 64 bits, signed anew"},
		reason: "the SDK takes a time of any length, of which nothing hangs here; Paybell takes 15 digits"},
}

var aboutWeChatPay = []*disagreement{
	{sdks: []string{wechatpayNode}, kinds: []string{"body: one digit another, signed anew"},
		reason: "the SDK decrypts in another step; Paybell finds a notification genuine once it can decrypt it"},
	{sdks: []string{wechatpayNode}, kinds: []string{"header: of the other case"}, ours: true,
		reason: "the SDK wants the name of the key, which nothing signs, in the case in which it is configured"},
	{sdks: []string{wechatpayNode},
		kinds: []string{
			"time: in hex, signed anew", "time: no number, signed anew", "time: with a fraction, signed anew", "time: with a sign, signed anew",
			"time: with an exponent, signed anew", "time: with white space within, signed anew", "time: with letters after it, signed anew",
		},
		reason: "the SDK reads the time as JavaScript reads numbers, and what is none is within any window, for whoever has the key; Paybell takes digits alone"},
	{sdks: []string{wechatpayNode}, kinds: []string{"time: received a fraction of a second too late"},
		reason: "the SDK looks at the whole seconds of its clock; Paybell rounds the difference"},
	{sdks: []string{wechatpayNode}, ours: true, kinds: []string{"time: received a fraction of a second too early"},
		reason: "the SDK looks at the whole seconds of its clock; Paybell rounds the difference"},
}

func (s sdk) find(kind string, from, to message, ours bool) *disagreement {
	for _, d := range disagreements {
		if d.ours == ours && slices.Contains(d.sdks, s.name) && (len(d.kinds) == 0 || slices.Contains(d.kinds, kind)) &&
			(d.when == nil || d.when(s.adapter, from, to)) {
			return d
		}
	}
	return nil
}

// allOccur checks that each disagreement that is listed for the SDK occurred.
func (s sdk) allOccur(t *testing.T, sum tally) {
	if *count < 1000 {
		return // not every mutation had its turn
	}
	for _, d := range disagreements {
		if slices.Contains(d.sdks, s.name) && sum.listed[d] == 0 {
			t.Errorf("listed, and did not occur: %q", d.reason)
		}
	}
}
