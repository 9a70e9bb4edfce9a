package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/paybell/paybell/internal/clientaddr"
	"github.com/paybell/paybell/order"
)

// check says all that is wrong with a decoded configuration, and normalises
// its addresses. What keys and secrets must be like is for package auth and the
// providers to say.
func (c *config) check() []mistake {
	k := checker{config: c}
	k.addresses()
	k.storage()
	k.bus()
	k.origins()
	k.limits()
	k.proxies()
	k.hosted()
	k.auth()
	k.sources()
	return k.mistakes
}

type checker struct {
	*config
	mistakes []mistake
}

// mistakef notes what is wrong with the value at a path.
func (k *checker) mistakef(path, format string, args ...any) {
	at, line := k.where(path)
	k.mistakes = append(k.mistakes, mistake{at: at, line: line, text: path + " " + fmt.Sprintf(format, args...)})
}

// where says where the value at a path, or the nearest thing around it, was
// set. A variable has no line.
func (c *config) where(path string) (at string, line int) {
	for ; path != ""; path = path[:max(0, strings.LastIndexAny(path, ".["))] {
		if from, ok := c.from[path]; ok && from.line == 0 {
			return from.variables[0], 0
		} else if ok {
			return place(c.file, from.line), from.line
		}
	}
	return c.file, 0
}

// shown quotes a value that was written as it is. What came out of a variable
// may be secret.
func (k *checker) shown(path, value string) string {
	if len(k.from[path].variables) > 0 {
		return "the value of " + strings.Join(k.from[path].variables, ", ")
	}
	return strconv.Quote(value)
}

const maxDrain = 10 * time.Minute

func (k *checker) addresses() {
	for path, address := range map[string]string{"listen": k.Listen, "admin": k.Admin} {
		if err := checkAddress(address); err != nil {
			k.mistakef(path, "%v", err)
		}
	}
	if k.Listen == k.Admin && !strings.HasSuffix(k.Listen, ":0") {
		k.mistakef("admin", "is the same address as listen; the operator's pages must not be public")
	}
	if k.PublicURL != "" {
		normal, err := checkPublicURL(k.PublicURL)
		if err != nil {
			k.mistakef("public_url", "%v", err)
		}
		k.PublicURL = normal
	}
	if (k.TLS.Cert == "") != (k.TLS.Key == "") {
		k.mistakef("tls", "needs both cert and key")
	}
	if k.Drain < 0 || k.Drain > maxDrain {
		k.mistakef("drain", "must be from 0s to %v", maxDrain)
	}
}

func checkAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return errors.New("is not HOST:PORT, such as 127.0.0.1:8080 or :8080")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errors.New("has a port that is not a number up to 65535")
	}
	return nil
}

// checkPublicURL returns an address with its scheme and host in lower case and
// without a slash at the end.
func checkPublicURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || strings.ContainsAny(text, "?#") {
		return "", errors.New("is not an address such as https://pay.example.com")
	}
	host, path, _ := strings.Cut(text[len(u.Scheme)+len("://"):], "/")
	return strings.TrimRight(u.Scheme+"://"+strings.ToLower(host)+"/"+path, "/"), nil
}

func (k *checker) storage() {
	if err := k.Ledger.check(); err != nil {
		k.mistakef("ledger", "%v", err)
	}
}

func (k *checker) origins() {
	var normal []string
	for i, text := range k.Origins {
		path := k.itemPath("origins", i)
		origin, err := normalOrigin(text)
		if err != nil {
			k.mistakef(path, "%s %v", k.shown(path, text), err)
		}
		if !slices.Contains(normal, origin) {
			normal = append(normal, origin)
		}
	}
	k.Origins = normal
}

// normalOrigin returns an origin as browsers send it (RFC 6454 section 6.2):
// scheme, host and port in lower case, without the scheme's own port.
func normalOrigin(text string) (string, error) {
	if text == "*" || text == "null" || strings.Contains(text, "*") {
		return "", errors.New("would let in pages of strangers; name each origin exactly")
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return "", errors.New("is not scheme://host[:port], such as https://shop.example.com")
	case u.Scheme != "https" && u.Scheme != "http":
		return "", errors.New("must begin with https:// or http://")
	case u.User != nil || u.Path != "" && u.Path != "/" || strings.ContainsAny(text, "?#"):
		return "", errors.New("must end after the host and port")
	}
	for i := range len(u.Host) {
		if u.Host[i] <= ' ' || u.Host[i] > '~' {
			return "", errors.New("must be written as browsers send it, with xn-- names for letters beyond ASCII")
		}
	}
	host := strings.ToLower(u.Host)
	if port := u.Port(); port == "" || port == map[string]string{"https": "443", "http": "80"}[u.Scheme] {
		host = strings.TrimSuffix(strings.TrimSuffix(host, port), ":")
	} else if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", errors.New("has a port above 65535")
	}
	return u.Scheme + "://" + host, nil
}

// Bounds of limits that have others than 1.
const (
	minReserve      = 16
	minMessageBytes = 4608 // the largest token, and what is around it
	maxMessageBytes = 1 << 20
)

func (k *checker) limits() {
	l := k.Limits
	for name, value := range map[string]int{
		"connections": l.Connections, "per_token": l.PerToken, "per_address": l.PerAddress,
		"rate": l.Rate, "queue": l.Queue, "orders": l.Orders,
	} {
		if path := "limits." + name; k.sets(path) && (value == 0 || value < -1) {
			k.mistakef(path, "must be 1 or more, or -1 for no limit; leave it out for the default")
		}
	}
	if k.sets("limits.reserve") && l.Reserve < minReserve {
		k.mistakef("limits.reserve", "must be %d or more; leave it out for the default", minReserve)
	}
	if l.MessageBytes < minMessageBytes || l.MessageBytes > maxMessageBytes {
		k.mistakef("limits.message_bytes", "must be from %d, for a token needs as many, to %d", minMessageBytes, maxMessageBytes)
	}
}

func (k *checker) proxies() {
	for i, text := range k.TrustedProxies {
		path := k.itemPath("trusted_proxies", i)
		if _, err := clientaddr.ParseProxy(text); err != nil {
			k.mistakef(path, "%s %v", k.shown(path, text), err)
		}
	}
}

// maxHostedName bounds the shop's name, in characters: it is a heading on a phone.
const maxHostedName = 60

func (k *checker) hosted() {
	h := &k.Hosted
	if utf8.RuneCountInString(h.Name) > maxHostedName {
		k.mistakef("hosted.name", "is longer than %d characters", maxHostedName)
	}
	if h.Back != "" {
		if err := checkLink(h.Back); err != nil {
			k.mistakef("hosted.back", "%s %v", k.shown("hosted.back", h.Back), err)
		}
	}
	for i, text := range h.FrameAncestors {
		path := k.itemPath("hosted.frame_ancestors", i)
		origin, err := normalOrigin(text)
		if err != nil || strings.ContainsAny(origin, ";,'") {
			k.mistakef(path, "%s is not the origin of a page, such as https://shop.example.com", k.shown(path, text))
			continue
		}
		h.FrameAncestors[i] = origin
	}
	if !h.Enabled {
		return
	}
	if k.PublicURL == "" {
		k.mistakef("hosted.enabled", "needs public_url, the address at which customers see the page")
	}
	if k.ClusterSecret == "" {
		k.mistakef("hosted.enabled", "needs cluster_secret, with which customers' pages stay good when the gateway starts anew; make it with: openssl rand -hex 32")
	}
}

// itemPath is the path of an item, or of its list when a variable set it whole.
func (k *checker) itemPath(list string, i int) string {
	if path := fmt.Sprintf("%s[%d]", list, i); k.sets(path) {
		return path
	}
	return list
}

func (k *checker) auth() {
	if len(k.Auth.Keys) == 0 {
		k.mistakef("auth.keys", "is missing: without a key no token could be checked, and nobody could watch an order")
	}
	for i, key := range k.Auth.APIKeys {
		if strings.TrimSpace(string(key)) == "" {
			k.mistakef(fmt.Sprintf("auth.api_keys[%d]", i), "is empty")
		}
	}
}

var sourceName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

func (k *checker) sources() {
	if len(k.Sources) == 0 {
		k.mistakef("sources", "is missing: without a source no provider could tell of a payment")
	}
	for _, name := range sortedKeys(k.Sources) {
		path := "sources." + name
		if !sourceName.MatchString(name) {
			k.mistakef("sources", "has a source %s, a name that is not 1 to 64 of a-z, 0-9, - and _, a letter or digit first", showKey(name))
			continue
		}
		switch name {
		case backendSource:
			k.mistakef(path, "has the name that events of the merchant's own backend have; choose another")
		case order.ExpirySource:
			k.mistakef(path, "has the name of the gateway's own events; choose another")
		}
		k.source(path, k.Sources[name])
	}
}

func (k *checker) source(path string, s sourceConfig) {
	_, ok := providers[s.Provider]
	if s.Provider == "" {
		k.mistakef(path, "has no provider; there are %s", strings.Join(sortedKeys(providers), ", "))
		return
	}
	if !ok {
		at := path + ".provider"
		k.mistakef(at, "%s is not a provider%s", k.shown(at, s.Provider), hintOr(s.Provider, sortedKeys(providers)))
		return
	}
	if s.Mode != "" && s.Mode != order.Live && s.Mode != order.Test {
		k.mistakef(path+".mode", "is neither live nor test")
	}
	proved, provable := false, false
	for _, key := range s.keys() {
		if slices.Contains([]string{"secrets", "signing_secrets", "public_keys", "certificates", "webhook_ids"}, key.name) {
			provable, proved = true, proved || !key.value.IsZero()
		}
		switch value := key.value.Interface().(type) {
		case []string:
			for i, text := range value {
				if strings.TrimSpace(text) == "" {
					k.mistakef(fmt.Sprintf("%s.%s[%d]", path, key.name, i), "is empty")
				}
			}
		case time.Duration:
			if value < 0 {
				k.mistakef(path+"."+key.name, "is negative")
			}
		}
	}
	if provable && !proved {
		k.mistakef(path, "has no secrets: anybody could say that an order is paid; name the secret as ${VARIABLE} or file:PATH")
	}
}

// hintOr names what was meant, or else all there is.
func hintOr(given string, names []string) string {
	if hint := didYouMean(given, names); hint != "" {
		return hint
	}
	return "; there are " + strings.Join(names, ", ")
}
