package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// How long Redis may take. Nobody waits for it, but while one command waits the
// next cannot be sent.
const (
	dialTimeout   = time.Second // with TLS
	answerTimeout = 500 * time.Millisecond
	// deadTimeout is after how long the kernel gives up a connection whose data
	// nobody acknowledges. Probes find it out sooner.
	deadTimeout = 10 * time.Second
	keepAlive   = 5 * time.Second
)

// RESP2 has all that is needed here, and none of the push frames of RESP3, which
// go-redis has lost and hung on (redis/go-redis#3839, #3935).
const protocol = 2

// connect returns a client. It dials nothing yet.
func (b *Bus) connect() redis.UniversalClient {
	a := b.at
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	switch a.kind {
	case sentinel:
		return redis.NewFailoverClient(&redis.FailoverOptions{
			MasterName: a.master, SentinelAddrs: a.hosts, SentinelUsername: a.sentinelUser, SentinelPassword: a.sentinelPass,
			Username: a.user, Password: a.password, DB: a.db,
			Dialer: b.dial, Protocol: protocol, DisableIdentity: true, MaxRetries: -1, DialerRetries: 1,
			DialTimeout: dialTimeout, ReadTimeout: answerTimeout, WriteTimeout: answerTimeout, PoolTimeout: answerTimeout,
			ContextTimeoutEnabled: true, PoolSize: 4, PipelinePoolSize: -1,
		})
	case cluster:
		return redis.NewClusterClient(&redis.ClusterOptions{
			Addrs: a.hosts, Username: a.user, Password: a.password,
			Dialer: b.dial, Protocol: protocol, DisableIdentity: true, MaxRedirects: 2, DialerRetries: 1,
			DialTimeout: dialTimeout, ReadTimeout: answerTimeout, WriteTimeout: answerTimeout, PoolTimeout: answerTimeout,
			ContextTimeoutEnabled: true, PoolSize: 2 * len(b.lanes), PipelinePoolSize: -1,
			// It asks for COMMAND, which the user of a bus need not be allowed.
			DisableRoutingPolicies:   true,
			MaintNotificationsConfig: quiet,
		})
	}
	return redis.NewClient(&redis.Options{
		Addr: a.hosts[0], Username: a.user, Password: a.password, DB: a.db,
		Dialer: b.dial, Protocol: protocol, DisableIdentity: true, MaxRetries: -1, DialerRetries: 1,
		DialTimeout: dialTimeout, ReadTimeout: answerTimeout, WriteTimeout: answerTimeout, PoolTimeout: answerTimeout,
		ContextTimeoutEnabled: true, PoolSize: 4, PipelinePoolSize: -1, MaintNotificationsConfig: quiet,
	})
}

// sentinelClient returns a client of one sentinel.
func (b *Bus) sentinelClient(host string) *redis.SentinelClient {
	return redis.NewSentinelClient(&redis.Options{
		Addr: host, Username: b.at.sentinelUser, Password: b.at.sentinelPass,
		Dialer: b.dial, Protocol: protocol, DisableIdentity: true, MaxRetries: -1, DialerRetries: 1,
		DialTimeout: dialTimeout, ReadTimeout: answerTimeout, WriteTimeout: answerTimeout, PoolTimeout: answerTimeout,
		ContextTimeoutEnabled: true, PoolSize: 2, PipelinePoolSize: -1,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
}

// passive marks a context within which nothing may be dialled. A PubSub that reads
// dials by itself when its connection breaks, at once and for ever, and holds its
// lock meanwhile; a link does that better, in its own time.
type passive struct{}

var errPassive = errors.New("bus/redis: the connection is not opened again from here")

func (b *Bus) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if ctx.Value(passive{}) != nil {
		return nil, errPassive
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	d := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: keepAlive, Interval: keepAlive, Count: 2},
		Control:         giveUpDead,
	}
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil || b.at.tls == nil {
		return conn, err
	}
	config := b.at.tls.Clone()
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(addr)
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// quietLog has go-redis, which logs for the whole process, log for those who look
// for faults: what an operator must know the bus says itself.
var quietLog sync.Once

type debugLog struct{ log *slog.Logger }

func (l debugLog) Printf(ctx context.Context, format string, v ...any) {
	if l.log.Enabled(ctx, slog.LevelDebug) {
		l.log.DebugContext(ctx, "go-redis: "+fmt.Sprintf(format, v...))
	}
}
