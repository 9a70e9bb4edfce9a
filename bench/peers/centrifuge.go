package main

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/centrifugal/centrifuge"
)

// maxPublished bounds a published event, in bytes.
const maxPublished = 64 << 10

// serveCentrifuge serves waiting clients with the library's own SSE and WebSocket
// handlers. The channels come from the connect's token, so that the server
// subscribes the client and the client says nothing after connecting.
func serveCentrifuge(ctx context.Context, o options, announce func(ready)) error {
	node, err := centrifuge.New(centrifuge.Config{})
	if err != nil {
		return err
	}
	node.OnConnecting(func(_ context.Context, e centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		c, err := parseToken(e.Token, o.secret)
		if err != nil {
			return centrifuge.ConnectReply{}, centrifuge.DisconnectInvalidToken
		}
		subscriptions := make(map[string]centrifuge.SubscribeOptions, len(c.Channels))
		for _, channel := range c.Channels {
			subscriptions[channel] = centrifuge.SubscribeOptions{}
		}
		return centrifuge.ConnectReply{
			Credentials:       &centrifuge.Credentials{UserID: c.Subject, ExpireAt: c.ExpiresAt.Unix()},
			ClientSideRefresh: true,
			Subscriptions:     subscriptions,

			MaxMessagesInFrame: 1, // one line a message, as clients of one channel would see anyway
		}, nil
	})
	if err := node.Run(); err != nil {
		return err
	}
	defer func() {
		ended, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		node.Shutdown(ended) // the connections are gone by now
	}()

	pings := centrifuge.PingPongConfig{PingInterval: heartbeat, PongTimeout: -1}
	mux := http.NewServeMux()
	mux.Handle("GET /connection/sse", centrifuge.NewSSEHandler(node, centrifuge.SSEConfig{PingPongConfig: pings}))
	mux.Handle("GET /connection/websocket", centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{
		ReadBufferSize:             256,
		UseWriteBufferPool:         true,
		ProcessCommandsOffReadLoop: true,
		PingPongConfig:             pings,
	}))
	mux.HandleFunc("POST /publish", func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPublished))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if _, err := node.Publish(r.URL.Query().Get("channel"), data); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	return serveHTTP(ctx, o, mux, "github.com/centrifugal/centrifuge",
		"in memory, no history, no presence; pings every 20 s without pongs; pooled write buffers, read buffers of 256 bytes, commands off the read loop", announce)
}
