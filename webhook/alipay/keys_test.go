package alipay

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"maps"
	"math/big"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/order"
	"github.com/paybell/paybell/webhook"
	"github.com/paybell/paybell/webhook/webhooktest"
)

// Of a notification that Alipay signed, from the tests of its own SDK for Node.js
// (alipay-sdk-nodejs-all, test/alipay.test.ts).
func TestReadsWhatAlipaySigned(t *testing.T) {
	const key = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAqObrdC7hrgAVM98tK0nv3hSQRGGKT4lBsQjHiGjeYZjOPIPHR5knm2jnnz/YGIXIofVHkA/tAlBAd5DrY7YpvI4tP5EONLtZKC2ghBMx7McI2wRD0xiqzxOQr1FuhZGJ8/AUokBzJrzY+aGX2xcOrxFYRlFilvVLTXg4LWjR1tdPkO6+i7wQZAIVMClPkwVRZEbaERRHlKqTzv2gGv5rDU8gRoe1LeaN+6BlbTqHWkQcNCUNrA8C6l17XAXGKDsm/9TFWwO8EPHHHCaQdjtV5/FdcWIt+L8SR1ss7EXTjYDFtxcKVv9rEoY1lX8T4mX+GbXfZHraG5NCF1+XioL5JwIDAQAB"
	form := url.Values{}
	for name, value := range map[string]string{
		"gmt_create": "2019-08-15 15:56:22", "charset": "utf-8", "seller_email": "z97-yuquerevenue@service.aliyun.com", "subject": "语雀空间 500人规模",
		"sign":     "QfTb8tqE1BMhS5qAnXtvsF3/jBkEvu9q9en0pdbBUDDjvKycZhQb7h8GDs4FKfi049PynaNuatxSgLb/nLWZpXyyh0LEWdK2S6Ri7nPwrVgOs08zugLO20vOQz44y3ti2Ncm8/wZts1Fr2gZ7pShnVX3d1B50hbsXnObT1r/U8ONNQjWXd0HIul4TG+Q3fm3svmSvFEy0WnzuhcyHPX5Gm4ELNctL6Qd5YniGJFNcc7kopHYtI/XD9YCKCH6Ct02rzUs9i11C9CsadtZn+WhxF26Dqt9sGEFajkJ8cxUTLi8+VCpLHsgPE8P0y095uQcDdK0YjCh4x7wVSov+lrmOQ==",
		"buyer_id": "2088102534368455", "invoice_amount": "0.10", "notify_id": "2019081500222155624068450559358070",
		"fund_bill_list": `[{"amount":"0.10","fundChannel":"ALIPAYACCOUNT"}]`, "notify_type": "trade_status_sync", "trade_status": "TRADE_SUCCESS",
		"receipt_amount": "0.10", "buyer_pay_amount": "0.10", "sign_type": "RSA2", "app_id": "2019073166072302", "seller_id": "2088531891668739",
		"gmt_payment": "2019-08-15 15:56:24", "notify_time": "2019-08-15 15:56:25", "version": "1.0", "out_trade_no": "20190815155618536-564-57",
		"total_amount": "0.10", "trade_no": "2019081522001468450512505578", "auth_app_id": "2019073166072302", "buyer_logon_id": "xud***@126.com",
		"point_amount": "0.00",
	} {
		form.Set(name, value)
	}
	p := newProvider(t, Options{PublicKeys: []string{key}})
	events, err := p.Open(webhook.Request{Body: []byte(form.Encode()), At: now})
	if err != nil {
		t.Fatal(err)
	}
	want := order.Event{
		ID: "2019081522001468450512505578/paid", Order: "20190815155618536-564-57", Payment: "2019081522001468450512505578", Kind: order.KindPayment,
		Status: order.Paid, Amount: 10, Currency: "CNY", Method: "alipay", Livemode: true, Type: "TRADE_SUCCESS",
		At: time.Date(2019, 8, 15, 7, 56, 24, 0, time.UTC),
	}
	if len(events) != 1 || events[0] != want {
		t.Errorf("got  %+v\nwant %+v", events, want)
	}
	form.Set("total_amount", "0.01")
	if _, err := p.Open(webhook.Request{Body: []byte(form.Encode()), At: now}); !errors.Is(err, webhook.ErrUnverified) {
		t.Errorf("another amount: %v", err)
	}
}

// The certificate that Alipay's EasySDK for Java is tested with. Its serial is
// from OpenSSL, by the SDK's rule: the MD5 of the issuer's name, as -nameopt
// RFC2253 writes it, and the serial number in decimal.
func TestNamesACertificateAsAlipayDoes(t *testing.T) {
	text, err := os.ReadFile("testdata/alipayCertPublicKey_RSA2.crt")
	if err != nil {
		t.Fatal(err)
	}
	if p := newProvider(t, Options{Certificates: []string{string(text)}}); p.serials["f4facbef87f2c92cf8ca72cdfcb25eb1"] == nil {
		t.Errorf("serials %v", slices.Collect(maps.Keys(p.serials)))
	}
}

func TestKeysAndCertificatesSideBySide(t *testing.T) {
	c := &x509.Certificate{SerialNumber: big.NewInt(20260101), NotAfter: now.AddDate(4, 0, 0), Issuer: pkix.Name{CommonName: "Class 2 R1"}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key(t, 1).Public(), key(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	name, ok := serial(text)
	p := newProvider(t, Options{PublicKeys: []string{webhooktest.RSAPublic(t, webhooktest.RSAKeys[0])}, Certificates: []string{text}})
	if !ok || p.serials[name] == nil {
		t.Fatal("the certificate has no serial")
	}
	named, unknown := map[string]string{"alipay_cert_sn": name}, map[string]string{"alipay_cert_sn": strings.Repeat("0", 32)}
	beside := notified(t, 1, nil)
	beside.Body = append(beside.Body, "&alipay_cert_sn="+name...)
	for what, c := range map[string]struct {
		r       webhook.Request
		genuine bool
	}{
		"by the key":                               {notified(t, 0, nil), true},
		"by the certificate, not named":            {notified(t, 1, nil), true},
		"by the certificate, named":                {notified(t, 1, named), true},
		"by the certificate, named beside":         {beside, true},
		"by the key, an unknown name":              {notified(t, 0, unknown), true},
		"by the key, though a certificate's named": {notified(t, 0, named), false},
		"by a stranger, named":                     {notified(t, 2, named), false},
		"by a stranger, an unknown name":           {notified(t, 2, unknown), false},
	} {
		if _, err := p.Open(c.r); (err == nil) != c.genuine || err != nil && !errors.Is(err, webhook.ErrUnverified) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
