package main

import (
	"context"
	"log/slog"

	"github.com/dunglas/mercure"
)

// serveMercure serves waiting clients with mercure's hub over its local
// transport, which keeps no history.
func serveMercure(ctx context.Context, o options, announce func(ready)) error {
	hub, err := mercure.NewHub(ctx,
		mercure.WithLogger(slog.New(slog.DiscardHandler)),
		mercure.WithTransport(mercure.NewLocalTransport(mercure.NewSubscriberList(mercure.DefaultSubscriberListCacheSize))),
		mercure.WithPublisherJWT(o.secret, "HS256"),
		mercure.WithSubscriberJWT(o.secret, "HS256"),
		mercure.WithHeartbeat(heartbeat),
		mercure.WithWriteTimeout(0), // a stream lasts until its client leaves
	)
	if err != nil {
		return err
	}
	defer hub.Stop(context.Background()) // the connections are gone by now
	return serveHTTP(ctx, o, hub, "github.com/dunglas/mercure",
		"local transport, private updates, no history; comments every 20 s; no logging, no metrics", announce)
}
