package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/paybell/paybell/internal/strictjson"
)

const (
	refreshEvery = 5 * time.Minute  // ± a tenth, so that nodes do not ask all at once
	retryEvery   = 30 * time.Second // after a failure
	wantedEvery  = 10 * time.Second // at most this often because of unknown kids, whoever sends how many
	staleFor     = 24 * time.Hour   // how long keys outlive a source that does not answer
	fetchTimeout = 10 * time.Second
	maxSetBytes  = 256 << 10
	maxSetKeys   = 64
)

// A keySet is the keys of one JWKS URL. It is as new as the last answer: a key
// that is gone from the source is gone here. Lookups never wait for the source;
// of unknown kids nothing is kept, as refusing one again costs a map lookup.
type keySet struct {
	// Set once, then only read.
	url       string
	name      string // the URL as logs may show it
	algorithm string
	client    *http.Client
	log       *slog.Logger

	known  atomic.Pointer[knownKeys]
	wanted chan struct{} // capacity 1: a kid was asked for that is not known

	reading sync.Mutex // held while the source is asked
	tried   time.Time  // guarded by reading: when the source was last asked
}

// knownKeys are what a source last said. They are never changed, only replaced.
type knownKeys struct {
	byID map[string]key
	etag string
	at   time.Time // when the source last confirmed them
}

func newKeySet(k Key, opts Options) (*keySet, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	u, err := url.Parse(k.JWKS)
	switch {
	case err != nil || u.Host == "":
		return nil, errors.New("its JWKS is not a URL; give an absolute https URL")
	case u.User != nil || u.Fragment != "":
		return nil, errors.New("its JWKS URL has a password or a fragment; leave it out")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return nil, errors.New("its JWKS URL is not https, so that anyone on the way could put in a key; use https")
	}
	client := http.Client{Transport: newTransport()}
	if opts.HTTPClient != nil {
		client = *opts.HTTPClient
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	log := opts.Log
	if log == nil {
		log = slog.Default()
	}
	return &keySet{
		url: k.JWKS, name: u.Scheme + "://" + u.Host + u.Path, algorithm: k.Algorithm,
		client: &client, log: log, wanted: make(chan struct{}, 1),
	}, nil
}

func newTransport() http.RoundTripper {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t = t.Clone()
	t.MaxResponseHeaderBytes = 64 << 10
	return t
}

func loopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// find returns the key of that kid, as long as the source was heard of lately.
func (s *keySet) find(id string) (key, bool) {
	known := s.known.Load()
	if known == nil || time.Since(known.at) > staleFor {
		return key{}, false
	}
	k, ok := known.byID[id]
	return k, ok
}

// want asks run to look for new keys soon.
func (s *keySet) want() {
	select {
	case s.wanted <- struct{}{}:
	default:
	}
}

// run refreshes until ctx ends. It starts no goroutine.
func (s *keySet) run(ctx context.Context) {
	tried, known := s.state()
	next := tried
	if known {
		next = tried.Add(jitter(refreshEvery))
	}
	timer := time.NewTimer(time.Until(next))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wanted:
			tried, _ := s.state()
			if soon := tried.Add(wantedEvery); soon.Before(next) {
				next = soon
				timer.Reset(time.Until(next))
			}
			continue
		case <-timer.C:
		}
		next = time.Now().Add(jitter(refreshEvery))
		if err := s.refresh(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("auth: key set not refreshed; its keys serve until 24 h after the last answer", "url", s.name, "err", err)
			next = time.Now().Add(jitter(retryEvery))
		}
		timer.Reset(time.Until(next))
	}
}

func (s *keySet) state() (tried time.Time, known bool) {
	s.reading.Lock()
	defer s.reading.Unlock()
	return s.tried, s.known.Load() != nil
}

func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5)
}

// refresh asks the source once. On an error the keys stay as they were.
func (s *keySet) refresh(ctx context.Context) error {
	s.reading.Lock()
	defer s.reading.Unlock()
	s.tried = time.Now()
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	known := s.known.Load()
	body, etag, err := s.fetch(ctx, known)
	if err != nil {
		return fmt.Errorf("auth: read key set %s: %w", s.name, err)
	}
	if body == nil {
		s.known.Store(&knownKeys{byID: known.byID, etag: known.etag, at: s.tried})
		return nil
	}
	keys, err := s.parse(body)
	if err != nil {
		return fmt.Errorf("auth: read key set %s: %w", s.name, err)
	}
	if known == nil || !sameIDs(keys, known.byID) {
		s.log.Info("auth: key set changed", "url", s.name, "keys", len(keys))
	}
	s.known.Store(&knownKeys{byID: keys, etag: etag, at: s.tried})
	return nil
}

// fetch returns the set, or no body when it is still the known one.
func (s *keySet) fetch(ctx context.Context, known *knownKeys) (body []byte, etag string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	if known != nil && known.etag != "" {
		req.Header.Set("If-None-Match", known.etag)
	}
	res, err := s.client.Do(req)
	if err != nil {
		if full, ok := errors.AsType[*url.Error](err); ok {
			err = full.Err // without the URL, whose query may hold a key
		}
		return nil, "", err
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusNotModified && req.Header.Get("If-None-Match") != "":
		return nil, "", nil
	case res.Header.Get("Location") != "":
		return nil, "", fmt.Errorf("answer %d: redirects are not followed; configure the final URL", res.StatusCode)
	case res.StatusCode != http.StatusOK:
		return nil, "", fmt.Errorf("answer %d, not 200", res.StatusCode)
	}
	body, err = io.ReadAll(io.LimitReader(res.Body, maxSetBytes+1))
	if err != nil {
		return nil, "", err
	}
	if len(body) > maxSetBytes {
		return nil, "", fmt.Errorf("answer longer than %d bytes", maxSetBytes)
	}
	return body, res.Header.Get("ETag"), nil
}

// parse reads a JWK Set (RFC 7517 section 5). Keys for something else are
// passed over, as the RFC asks; a set that is ambiguous is refused whole.
func (s *keySet) parse(body []byte) (map[string]key, error) {
	o, err := strictjson.ParseObject(body)
	if err != nil {
		return nil, err
	}
	list, ok := o["keys"].([]strictjson.Value)
	if !ok {
		return nil, errors.New(`no "keys" array: this is not a JWK Set`)
	}
	if len(list) > maxSetKeys {
		return nil, fmt.Errorf("more than %d keys", maxSetKeys)
	}
	var members map[string]json.RawMessage // a map, unlike a struct, takes no "Keys" for "keys"
	var raw []json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(members["keys"], &raw); err != nil {
		return nil, err
	}
	keys := map[string]key{}
	for i := range raw {
		k, err := s.parseOne(list[i], raw[i])
		if err != nil {
			level := slog.LevelDebug
			if err == errPublished {
				level = slog.LevelWarn
			}
			s.log.Log(context.Background(), level, "auth: key passed over", "url", s.name, "number", i+1, "why", err)
			continue
		}
		if _, twice := keys[k.id]; twice {
			return nil, errors.New("two usable keys have the same kid")
		}
		keys[k.id] = k
	}
	if len(keys) == 0 {
		s.log.Warn("auth: key set holds no usable key, so none of its tokens is accepted", "url", s.name, "algorithm", s.algorithm, "keys", len(raw))
	}
	return keys, nil
}

var errPublished = errors.New("is a secret or private key, which no key set may hold; replace it, as others have read it")

// parseOne reads a JWK that verifies signatures with the set's algorithm.
// Secret and private keys are passed over: whoever can read the set can sign
// with them.
func (s *keySet) parseOne(v strictjson.Value, raw []byte) (key, error) {
	o, _ := v.(strictjson.Object)
	if ops, has := o["key_ops"]; has {
		list, _ := ops.([]strictjson.Value)
		if !slices.Contains(list, strictjson.Value("verify")) {
			return key{}, errors.New("is not for verifying (key_ops)")
		}
	}
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(raw); err != nil {
		return key{}, errors.New("cannot be read") // the cause may quote the key
	}
	switch {
	case !jwk.IsPublic():
		return key{}, errPublished
	case !validKeyID(jwk.KeyID):
		return key{}, errors.New("has no kid of 1 to 64 letters, digits, - and _")
	case jwk.Use != "" && jwk.Use != "sig":
		return key{}, errors.New("is not for signatures (use)")
	case jwk.Algorithm != "" && jwk.Algorithm != s.algorithm:
		return key{}, errors.New("is for another algorithm than the one configured for this set")
	}
	return key{id: jwk.KeyID, algorithm: s.algorithm, public: jwk.Key}, checkPublic(s.algorithm, jwk.Key)
}

func sameIDs(a, b map[string]key) bool {
	if len(a) != len(b) {
		return false
	}
	for id := range a {
		if _, ok := b[id]; !ok {
			return false
		}
	}
	return true
}
