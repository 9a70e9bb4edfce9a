package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"reflect"
	"strings"
)

// stolen is a source as somebody would set it up who knows all about it but its
// secrets: each is another one of the same form.
func (s sourceConfig) stolen() sourceConfig {
	options := reflect.New(reflect.TypeOf(s.Options)).Elem()
	options.Set(reflect.ValueOf(s.Options))
	for _, key := range sourceKeys(options) {
		if !key.secret() {
			continue
		}
		switch value := key.value.Interface().(type) {
		case string:
			key.value.SetString(anotherSecret(value))
		case []string:
			others := make([]string, len(value))
			for i, secret := range value {
				others[i] = anotherSecret(secret)
			}
			key.value.Set(reflect.ValueOf(others))
		}
	}
	s.Options = options.Interface()
	return s
}

// anotherSecret returns a random secret that reads like this one in every
// encoding that providers have: prefix, signs and the last two characters, in
// which base64 keeps its odd bits, stay.
func anotherSecret(secret string) string {
	if strings.HasPrefix(secret, "-----BEGIN") {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic("paybell: no key of 2048 bits: " + err.Error()) // crypto/rand never fails
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			panic("paybell: write a private key: " + err.Error()) // of a kind that it can
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	from, to := strings.LastIndexByte(secret, '_')+1, max(0, len(secret)-2)
	another := []byte(secret)
	random := make([]byte, len(another))
	rand.Read(random) // never fails
	hex := strings.Trim(strings.ToLower(secret[from:]), "0123456789abcdef") == ""
	for i := from; i < to; i++ {
		switch c := another[i]; {
		case c >= '0' && c <= '9':
			another[i] = '0' + random[i]%10
		case c >= 'a' && c <= 'z' && hex:
			another[i] = 'a' + random[i]%6
		case c >= 'a' && c <= 'z':
			another[i] = 'a' + random[i]%26
		case c >= 'A' && c <= 'Z' && hex:
			another[i] = 'A' + random[i]%6
		case c >= 'A' && c <= 'Z':
			another[i] = 'A' + random[i]%26
		}
	}
	return string(another)
}
