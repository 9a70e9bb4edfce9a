// Package clientaddr says from which address a request comes, through proxies
// too. Whoever counts by address may import it.
//
// Only X-Forwarded-For is read, and only of proxies that the operator named.
// Forwarded (RFC 7239) is not: a proxy that sets one of the two passes the other
// on as the client sent it, so whoever believes both believes the client.
package clientaddr

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the networks of proxies whose word about their clients is taken.
type Proxies []netip.Prefix

// ParseProxy reads an address or a network: "192.0.2.7", "10.0.0.0/8". The text
// of its error goes on after the name of what was read.
func ParseProxy(text string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		address, err := netip.ParseAddr(text)
		if err != nil || address.Zone() != "" {
			return netip.Prefix{}, errors.New("is not an address or a network, such as 192.0.2.7 or 10.0.0.0/8")
		}
		address = address.Unmap()
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	switch {
	case prefix.Bits() == 0:
		return netip.Prefix{}, errors.New("would take every client's word for its address; name the proxies' own networks")
	case prefix.Addr().Is4In6():
		return netip.Prefix{}, errors.New("is an IPv4 network written as one of IPv6; write it as IPv4")
	}
	return prefix.Masked(), nil
}

// Contain says whether an address is that of a proxy.
func (p Proxies) Contain(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	for _, prefix := range p {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}

// Client returns the address that a request comes from: the peer's; or, where the
// peer is a proxy, the last address in X-Forwarded-For that is not a proxy's.
// Each proxy adds its peer at the end, so what stands before that address is only
// what its owner says. Where a proxy adds something else than an address, or the
// request began at a proxy, it is the peer's. It is not valid when the peer has
// none, as over a Unix socket.
func (p Proxies) Client(r *http.Request) netip.Addr {
	peer := Peer(r.RemoteAddr)
	if !p.Contain(peer) {
		return peer
	}
	lines := r.Header["X-Forwarded-For"]
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, more := lines[i], true; more; {
			entry := rest
			comma := strings.LastIndexByte(rest, ',')
			if more = comma >= 0; more {
				rest, entry = rest[:comma], rest[comma+1:]
			}
			address, ok := parseEntry(strings.Trim(entry, " \t"))
			if !ok {
				return peer
			}
			if !p.Contain(address) {
				return address
			}
		}
	}
	return peer
}

// Peer reads an address with its port, as in [http.Request.RemoteAddr].
func Peer(text string) netip.Addr {
	withPort, err := netip.ParseAddrPort(text)
	if err != nil {
		return netip.Addr{}
	}
	return withPort.Addr().Unmap().WithZone("")
}

// parseEntry reads an address, which some proxies (Azure's) write with a port,
// and some in brackets.
func parseEntry(text string) (netip.Addr, bool) {
	address, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	if err != nil {
		address = Peer(text)
	}
	address = address.Unmap().WithZone("")
	return address, address.IsValid() && !address.IsUnspecified()
}
