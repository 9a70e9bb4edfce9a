package guarded

import "net/netip"

// public says whether an address is one of the public internet: global unicast
// by the registries of special-purpose addresses (RFC 6890 and its updates), and
// none that leads to an IPv4 address in disguise.
func public(at netip.AddrPort) bool {
	a := at.Addr()
	if a.Zone() != "" {
		return false
	}
	a = a.Unmap() // ::ffff:10.0.0.1 is 10.0.0.1
	if a.Is6() && !netip.MustParsePrefix("2000::/3").Contains(a) {
		return false // of IPv6, global unicast is given out from there alone (RFC 4291 section 2.4)
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

var special = prefixes(
	"0.0.0.0/8",       // this network
	"10.0.0.0/8",      // private
	"100.64.0.0/10",   // carriers' NAT; some clouds' metadata
	"127.0.0.0/8",     // loopback
	"169.254.0.0/16",  // link-local; most clouds' metadata
	"172.16.0.0/12",   // private
	"192.0.0.0/24",    // protocol assignments
	"192.0.2.0/24",    // documentation
	"192.88.99.0/24",  // 6to4 relays
	"192.168.0.0/16",  // private
	"198.18.0.0/15",   // benchmarks
	"198.51.100.0/24", // documentation
	"203.0.113.0/24",  // documentation
	"224.0.0.0/4",     // multicast
	"240.0.0.0/4",     // reserved, and broadcast
	"2001::/23",       // protocol assignments: Teredo and others
	"2001:db8::/32",   // documentation
	"2002::/16",       // 6to4: an IPv4 address inside
	"3fff::/20",       // documentation
)

func prefixes(texts ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}
