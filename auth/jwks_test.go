package auth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// A source is a real TLS server with a key set on it.
type source struct {
	*httptest.Server
	asked  atomic.Int64
	answer atomic.Pointer[http.HandlerFunc]
}

func newSource(t testing.TB) *source {
	t.Helper()
	s := &source{}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		(*s.answer.Load())(w, r)
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(s.Close)
	return s
}

func (s *source) says(answer http.HandlerFunc) { s.answer.Store(&answer) }

func (s *source) serves(keys ...any) { s.says(serve(setOf(keys...))) }

func serve(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, body) }
}

func setOf(keys ...any) string {
	if keys == nil {
		keys = []any{}
	}
	return string(must(json.Marshal(map[string]any{"keys": keys})))
}

func public(kid string, key any) jose.JSONWebKey {
	return jose.JSONWebKey{Key: key, KeyID: kid, Algorithm: "ES256", Use: "sig"}
}

// client keeps no connection, whose goroutines would stop a synctest clock.
func (s *source) client() *http.Client {
	c := s.Client()
	t := c.Transport.(*http.Transport).Clone()
	t.DisableKeepAlives = true
	return &http.Client{Transport: t}
}

// verifier is one that takes ES256 keys from the source.
func (s *source) verifier(t testing.TB, log *bytes.Buffer) *Verifier {
	t.Helper()
	opts := Options{HTTPClient: s.client(), Log: slog.New(slog.DiscardHandler)}
	if log != nil {
		opts.Log = slog.New(slog.NewTextHandler(log, nil))
	}
	return newVerifier(t, opts, Key{ID: "set", Algorithm: "ES256", JWKS: s.URL + "/jwks?apikey=EVIL"})
}

func signedBy(t testing.TB, kid string, key *ecdsa.PrivateKey) string {
	t.Helper()
	s := genuine().head(`"HS256"`, `"ES256"`).head(`"k1"`, `"`+kid+`"`)
	s.algorithm, s.key = "ES256", key
	return s.sign(t)
}

func newECKey() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

func TestKeySetVerifiesTokens(t *testing.T) {
	src := newSource(t)
	bare := public("bare", newECKey().Public())
	bare.Algorithm, bare.Use = "", ""
	src.serves(public("e1", ecKey().Public()), bare)
	v := src.verifier(t, nil)
	token := signedBy(t, "e1", ecKey())
	wantRefusedBy(t, v, ReasonUnknown, token) // not read yet
	if err := v.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := wantAccepted(t, v, token); got.KeyID != "e1" {
		t.Errorf("key id %q", got.KeyID)
	}
	wantRefusedBy(t, v, ReasonSignature, signedBy(t, "bare", ecKey()))
	wantRefusedBy(t, v, ReasonSignature, signedBy(t, "e1", newECKey()))
	wantRefusedBy(t, v, ReasonUnknown, signedBy(t, "set", ecKey())) // the configured id is no kid
	wantAccepted(t, v, genuine().sign(t))
}

func TestKeySetOfEveryAlgorithm(t *testing.T) {
	for algorithm, c := range map[string]struct{ private, public any }{
		"RS256": {rsaKey(), rsaKey().Public()}, "PS256": {rsaKey(), rsaKey().Public()}, "EdDSA": {ed25519Key(), ed25519Key().Public()},
	} {
		src := newSource(t)
		src.serves(jose.JSONWebKey{Key: c.public, KeyID: "a", Algorithm: algorithm})
		v := newVerifier(t, Options{HTTPClient: src.client(), Log: slog.New(slog.DiscardHandler)}, Key{Algorithm: algorithm, JWKS: src.URL})
		if err := v.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		s := genuine().head("HS256", algorithm).head("k1", "a")
		s.algorithm, s.key = algorithm, c.private
		wantAccepted(t, v, s.sign(t))
	}
}

// Each set holds one good key and one that must not be taken.
func TestKeySetPassesOverUnfitKeys(t *testing.T) {
	other := newECKey()
	with := func(edit func(k *jose.JSONWebKey)) any {
		k := public("unfit", other.Public())
		edit(&k)
		return k
	}
	raw := func(add string) any {
		text := string(must(json.Marshal(public("unfit", other.Public()))))
		return json.RawMessage(strings.Replace(text, "{", "{"+add+",", 1))
	}
	for name, unfit := range map[string]any{
		"private":           public("unfit", other),
		"secret":            jose.JSONWebKey{Key: []byte(secret), KeyID: "unfit"},
		"secret as ES256":   jose.JSONWebKey{Key: []byte(secret), KeyID: "unfit", Algorithm: "ES256", Use: "sig"},
		"encryption":        with(func(k *jose.JSONWebKey) { k.Use = "enc" }),
		"another algorithm": with(func(k *jose.JSONWebKey) { k.Algorithm = "ES384" }),
		"another kind":      with(func(k *jose.JSONWebKey) { k.Key, k.Algorithm = rsaKey().Public(), "" }),
		"no kid":            with(func(k *jose.JSONWebKey) { k.KeyID = "" }),
		"bad kid":           with(func(k *jose.JSONWebKey) { k.KeyID = "../unfit" }),
		"only signs":        raw(`"key_ops":["sign"]`),
		"odd key_ops":       raw(`"key_ops":"verify"`),
		"unknown kty":       map[string]string{"kty": "XYZ", "kid": "unfit"},
		"off the curve":     map[string]string{"kty": "EC", "crv": "P-256", "kid": "unfit", "x": b64(make([]byte, 32)), "y": b64(make([]byte, 32))},
		"no object":         "unfit",
	} {
		t.Run(name, func(t *testing.T) {
			src := newSource(t)
			src.serves(unfit, public("e1", ecKey().Public()))
			v := src.verifier(t, nil)
			if err := v.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			wantAccepted(t, v, signedBy(t, "e1", ecKey()))
			wantRefusedBy(t, v, ReasonUnknown, signedBy(t, "unfit", other))
			forged := genuine().head(`"k1"`, `"unfit"`)
			wantRefusedBy(t, v, ReasonUnknown, forged.sign(t))
		})
	}
	src := newSource(t)
	src.serves(raw(`"key_ops":["verify"]`))
	v := src.verifier(t, nil)
	if err := v.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantAccepted(t, v, signedBy(t, "unfit", other))
}

func TestKeySetWarnsOfPublishedSecrets(t *testing.T) {
	for _, key := range []any{newECKey(), ed25519Key(), []byte(secret)} {
		src := newSource(t)
		src.serves(jose.JSONWebKey{Key: key, KeyID: "unfit"}, public("e1", ecKey().Public()))
		var log bytes.Buffer
		if err := src.verifier(t, &log).Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if text := log.String(); !strings.Contains(text, "level=WARN") || !strings.Contains(text, "secret or private key") || strings.Contains(text, b64([]byte(secret))) {
			t.Errorf("log %s", text)
		}
	}
}

func TestKeySetPassesOverSmallRSAKey(t *testing.T) {
	src := newSource(t)
	src.serves(jose.JSONWebKey{Key: smallRSA().Public(), KeyID: "small"})
	v := newVerifier(t, Options{HTTPClient: src.client(), Log: slog.New(slog.DiscardHandler)}, Key{Algorithm: "RS256", JWKS: src.URL})
	if err := v.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := genuine().head("HS256", "RS256").head("k1", "small")
	s.algorithm, s.key = "RS256", smallRSA()
	wantRefusedBy(t, v, ReasonUnknown, s.sign(t))
}

// A key of a set never takes the place of a configured one.
func TestConfiguredKeyWinsOverKeySet(t *testing.T) {
	src := newSource(t)
	src.serves(public("k1", ecKey().Public()))
	v := src.verifier(t, nil)
	if err := v.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantAccepted(t, v, genuine().sign(t))
	wantRefusedBy(t, v, ReasonAlgorithm, signedBy(t, "k1", ecKey()))
}

// A refused answer leaves the keys as they were.
func TestKeySetRefusesAnswers(t *testing.T) {
	good := setOf(public("e1", ecKey().Public()))
	many := slices.Repeat([]any{map[string]string{"kty": "XYZ"}}, maxSetKeys)
	evil := newECKey()
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/jwks" {
				http.Redirect(w, r, "/elsewhere", http.StatusFound)
				return
			}
			fmt.Fprint(w, setOf(public("evil", evil.Public())))
		}, "redirects are not followed"},
		"error":        {func(w http.ResponseWriter, r *http.Request) { http.Error(w, good, 500) }, "answer 500"},
		"not modified": {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNotModified) }, "answer 304"},
		"too long":     {serve(good + strings.Repeat(" ", maxSetBytes)), "longer than 262144 bytes"},
		"too many":     {serve(setOf(append(many, public("evil", evil.Public()))...)), "more than 64 keys"},
		"same kid":     {serve(setOf(public("evil", evil.Public()), public("evil", ecKey().Public()))), "same kid"},
		"no JSON":      {serve("<html>EVIL"), "invalid JSON"},
		"no set":       {serve(`{"error":"EVIL"}`), "not a JWK Set"},
		"wrong case":   {serve(strings.Replace(good, "keys", "Keys", 1)), "not a JWK Set"},
		"null":         {serve(`{"keys":null}`), "not a JWK Set"},
		"two sets":     {serve(strings.Replace(good, "{", `{"keys":[],`, 1)), "duplicate name"},
		"cut short": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "999")
			fmt.Fprint(w, good)
		}, "unexpected EOF"},
		"no connection": {func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			src := newSource(t)
			src.says(serve(good))
			v := src.verifier(t, nil)
			if err := v.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			src.says(c.answer)
			err := v.Refresh(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "EVIL") || !strings.Contains(err.Error(), src.URL+"/jwks: ") {
				t.Errorf("error %v, want %q", err, c.want)
			}
			wantAccepted(t, v, signedBy(t, "e1", ecKey()))
			wantRefusedBy(t, v, ReasonUnknown, signedBy(t, "evil", evil))
		})
	}
}

func TestKeySetRefusesUntrustedServer(t *testing.T) {
	src := newSource(t)
	src.serves(public("e1", ecKey().Public()))
	v := newVerifier(t, Options{}, Key{Algorithm: "ES256", JWKS: src.URL}) // trusts the system's roots only
	if err := v.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("error %v", err)
	}
	wantRefusedBy(t, v, ReasonUnknown, signedBy(t, "e1", ecKey()))
}

func TestKeyRemovedAtItsSourceIsRemovedHere(t *testing.T) {
	src, newer := newSource(t), newECKey()
	src.serves(public("e1", ecKey().Public()))
	var log bytes.Buffer
	v := src.verifier(t, &log)
	if err := v.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	src.serves(public("e2", newer.Public()))
	if err := v.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantAccepted(t, v, signedBy(t, "e2", newer))
	wantRefusedBy(t, v, ReasonUnknown, signedBy(t, "e1", ecKey()))
	src.serves()
	if err := v.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantRefusedBy(t, v, ReasonUnknown, signedBy(t, "e2", newer))
	if text := log.String(); strings.Count(text, "key set changed") != 3 || !strings.Contains(text, "no usable key") || strings.Contains(text, "EVIL") {
		t.Errorf("log %s", text)
	}
}

func TestKeySetIsAskedWithItsETag(t *testing.T) {
	src := newSource(t)
	var tag atomic.Value
	src.says(func(w http.ResponseWriter, r *http.Request) {
		tag.Store(r.Header.Get("If-None-Match"))
		if r.Header.Get("If-None-Match") == `"v1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("ETag", `"v1"`)
		fmt.Fprint(w, setOf(public("e1", ecKey().Public())))
	})
	v := src.verifier(t, nil)
	for i, want := range []string{"", `"v1"`, `"v1"`} {
		if err := v.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if tag.Load() != want {
			t.Errorf("request %d: If-None-Match %q, want %q", i+1, tag.Load(), want)
		}
		wantAccepted(t, v, signedBy(t, "e1", ecKey()))
	}
}
