package main

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"

	"github.com/paybell/paybell/hub"
	"github.com/paybell/paybell/internal/clientaddr"
)

// buildProxies reads the proxies of a configuration.
func buildProxies(c *config) (clientaddr.Proxies, error) {
	var proxies clientaddr.Proxies
	for _, text := range c.TrustedProxies {
		network, err := clientaddr.ParseProxy(text)
		if err != nil {
			return nil, err
		}
		proxies = append(proxies, network)
	}
	return proxies, nil
}

// hubLimits are the limits that the hub keeps.
func (g *gateway) hubLimits() hub.Limits {
	l := g.config.Limits
	return hub.Limits{
		Connections: g.budget.connections, PerToken: l.PerToken, PerAddress: l.PerAddress, Loopback: g.countsLoopback(),
		Rate: l.Rate, Queue: l.Queue, Orders: l.Orders, MessageBytes: l.MessageBytes,
	}
}

// countsLoopback says whether this machine's own addresses have a limit: where
// the operator sets one. Without, a proxy on the same machine would meet it.
func (g *gateway) countsLoopback() bool { return g.config.sets("limits.per_address") }

// By whose word a client's address is known, as metrics name it.
const (
	addressOfPeer    = "peer"      // its connection's, which is the client's own, as far as anybody says
	addressForwarded = "forwarded" // a trusted proxy said it
	addressOfProxy   = "proxy"     // a trusted proxy said none: it has no limit
	addressIgnored   = "ignored"   // somebody said one whom trusted_proxies does not name: it is that peer's
	addressLocal     = "local"     // of this machine, which has no limit
)

// address says from where a client comes, for the limit of its address. What
// comes from a proxy itself has no such limit, and an address that is not valid.
func (g *gateway) address(r *http.Request) netip.Addr {
	address := g.proxies.Client(r)
	peer, forwarded := clientaddr.Peer(r.RemoteAddr), r.Header["X-Forwarded-For"] != nil
	from := addressOfPeer
	switch ofProxy := g.proxies.Contain(address); {
	case ofProxy && !forwarded:
		from = addressOfProxy
	case ofProxy || address != peer:
		from = addressForwarded
	case peer.IsLoopback() && !g.countsLoopback():
		from = addressLocal
	case forwarded:
		from = addressIgnored
	}
	g.metrics.addresses.WithLabelValues(from).Inc()
	if g.proxies.Contain(address) {
		return netip.Addr{}
	}
	if forwarded && address == peer {
		g.unnamedProxy.Do(func() {
			level := slog.LevelInfo // of a stranger it says nothing
			if address.IsLoopback() || address.IsPrivate() {
				level = slog.LevelWarn
			}
			g.log.Log(r.Context(), level, "X-Forwarded-For is ignored: trusted_proxies does not name who sent it. If it is a proxy, its clients are counted as one", "peer", address)
		})
	}
	return address
}

// listener puts the limits before a listener that the world can reach.
func (g *gateway) listener(l net.Listener) *listener {
	return newListener(l, listenerConfig{
		reserve: g.budget.reserve, shared: g.config.Limits.PerAddress > 0, loopback: g.countsLoopback(),
		proxies: g.proxies, tls: g.config.TLS.Cert != "", refused: g.metrics.Refused,
	})
}
