package doctor

// What can be found, and how to mend it. Each kind names the lines that matter and
// no others; where a proxy is missing, it cannot be the cause, or there is nothing
// to set. The kinds of what stands between are here, those of certificates and
// addresses in kinds_door.go.
//
// Whoever writes down all that is told must end without a finding. So a location
// of nginx is told whole: it stands beside those that are there and takes nothing
// from them, and a proxy_set_header in it puts all those around it out of force.

const idleNginx = `
proxy_read_timeout 75s;   # instead of a shorter one, in server { } and in each location for /v1/`

const idleHAProxy = `
timeout client 75s
timeout server 75s
timeout tunnel 75s   # WebSockets, and streams`

const idleCaddy = `
# Caddy cuts nothing that is idle by itself. Look for, and take out:
reverse_proxy … { stream_timeout …
                  transport http { read_timeout … } }
servers { timeouts { write … } }`

const idleCloudflare = `
# Cloudflare allows 120 s of silence (Proxy Read Timeout). A shorter one is of a
# proxy between it and the gateway.`

const idleALB = `
aws elbv2 modify-load-balancer-attributes --load-balancer-arn … \
  --attributes Key=idle_timeout.timeout_seconds,Value=75`

var idleMends = map[Proxy]string{
	Nginx: idleNginx, HAProxy: idleHAProxy, Caddy: idleCaddy, Cloudflare: idleCloudflare, ALB: idleALB,
}

const unbufferedNginx = `
location = /v1/sse {
    proxy_buffering off;
    proxy_cache off;
    proxy_read_timeout 75s;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr;
    # and your proxy_pass
}`

var streamBuffered = &kind{
	"stream-buffered", Fault,
	"The customer sees nothing until the buffer is full or the stream ends: the page waits, and does not say that it was paid. The client library goes on to polls, which are later and cost more.",
	map[Proxy]string{
		Nginx: unbufferedNginx,
		HAProxy: `
# HAProxy holds nothing back by itself. Look for, and take out:
option http-buffer-request
filter compression; compression …
# and have: option http-no-delay`,
		Caddy: `
reverse_proxy … { flush_interval -1 }`,
		Cloudflare: `
# Rules → Configuration Rules, for the path /v1/sse:
response_body_buffering: none`,
		ALB: `
# An ALB holds nothing back. Look at what is behind it.`,
	},
}

var beatsHeld = &kind{
	"heartbeats-held", Fault,
	"Something holds back what the gateway sends to keep the connection alive, and so would hold back the payment. The client takes the connection for dead and opens another, again and again.",
	streamBuffered.mends,
}

var streamCompressed = &kind{
	"stream-compressed", Warning,
	"A compressor holds what it was given until it has enough, so that a payment may show late; and it takes memory for each customer who waits. States are smaller than what compression would cost.",
	map[Proxy]string{
		Nginx: `
gzip off;   # or no text/event-stream in gzip_types; brotli_types the same`,
		HAProxy: `
# no text/event-stream in: compression type …`,
		Caddy: `
@rest not path /v1/sse
encode @rest gzip zstd`,
		Cloudflare: `
# Rules → Compression Rules, for the media type text/event-stream: no compression`,
		ALB: `
# An ALB compresses nothing. Look at what is behind it, or before it (CloudFront).`,
	},
}

var streamChanged = &kind{
	"stream-content-type", Fault,
	"A browser takes an event stream for one by its Content-Type alone, and gives up at any other.",
	map[Proxy]string{
		Nginx: `
# take out, for /v1/: add_header Content-Type …, proxy_hide_header Content-Type`,
		HAProxy: `
# take out: http-response set-header Content-Type …`,
		Caddy: `
# take out: header Content-Type …`,
	},
}

var idleCut = &kind{
	"idle-cut", Fault,
	"Every customer who waits is cut off again and again. A payment that falls into such a gap shows late, and every reconnect costs a handshake and a read of the ledger. Allow more than three heartbeats and a held poll: at least 75 s.",
	idleMends,
}

var lifeCut = &kind{
	"lifetime-cut", Warning,
	"It is not silence that is cut off but age, or a client that says nothing, which customers who wait never do. They come back, each at the cost of a handshake and a gap.",
	map[Proxy]string{
		Nginx: `
# with HTTP/2 or many requests on a connection: keepalive_time 1h;`,
		HAProxy: `
timeout client 75s
# and no http-request set-timeout client …`,
		Caddy: `
# take out: reverse_proxy { stream_timeout … }, servers { timeouts { write … } }`,
		ALB: `
aws elbv2 modify-load-balancer-attributes --load-balancer-arn … \
  --attributes Key=client_keep_alive.seconds,Value=3600`,
	},
}

var pollCut = &kind{
	"poll-cut", Fault,
	"Where neither WebSocket nor SSE gets through, the page's polls are held for 25 s. Each of these fails, and the customer is told of trouble instead of news.",
	idleMends,
}

var pollCutLate = &kind{
	"poll-cut-late", Warning,
	"The client library's polls, of 25 s, get through. An app that asks for the longest, 60 s, gets errors; and the idle limit is nearer to the heartbeat, 20 s, than is comfortable.",
	idleMends,
}

var notHeld = &kind{
	"poll-not-held", Warning,
	"The query of an address gets lost, or something answers in the gateway's place. Customers who poll ask without a pause, and tickets do not work.",
	map[Proxy]string{
		Nginx: `
# proxy_pass with a path of its own and variables needs $is_args$args; best without a path:
proxy_pass http://paybell;   # in each location for /v1/`,
		HAProxy: `
# take out: http-request set-query, or set-uri without the query`,
		Caddy: `
# take out: rewrite … for /v1/`,
		Cloudflare: `
# Rules → Cache Rules, for the path /v1/: bypass cache`,
	},
}

var cached = &kind{
	"cached", Fault,
	"Something keeps answers and gives them to others: a customer sees a state of before the payment, or that of somebody else's order.",
	map[Proxy]string{
		Nginx: `
proxy_cache off;   # in each location for /v1/, and no proxy_ignore_headers Cache-Control`,
		HAProxy: `
# take out for /v1/: http-request cache-use …, http-response cache-store …`,
		Caddy: `
# take out for /v1/: cache`,
		Cloudflare: `
# Rules → Cache Rules, for the path /v1/: bypass cache`,
		ALB: `
# An ALB keeps nothing. Before it, CloudFront: CachePolicy CachingDisabled for /v1/*`,
	},
}

var cacheControlLost = &kind{
	"cache-control-lost", Warning,
	"The gateway says no-store, and that is replaced on the way. Browsers and caches further on may keep a state, and show it when it is old.",
	map[Proxy]string{
		Nginx: `
# take out for /v1/: expires …, add_header Cache-Control …, proxy_hide_header Cache-Control`,
		HAProxy: `
# take out for /v1/: http-response set-header Cache-Control …, del-header Cache-Control`,
		Caddy: `
# take out for /v1/: header Cache-Control …`,
		Cloudflare: `
# Rules → Cache Rules, for the path /v1/: browser TTL "respect origin"`,
	},
}

var tagLost = &kind{
	"etag-lost", Warning,
	"A poll that cannot say what it knows is never held: customers who poll hear late, and ask for the whole state each time.",
	map[Proxy]string{
		Nginx: `
# take out for /v1/: proxy_hide_header ETag, and filters that change bodies (sub_filter, ssi)`,
		HAProxy: `
# take out: http-response del-header ETag`,
		Caddy: `
# take out: header -ETag`,
		Cloudflare: `
# Rules → Configuration Rules, for /v1/: no rewriting of bodies (Email Obfuscation, Rocket Loader)`,
	},
}

var conditionStripped = &kind{
	"if-none-match-stripped", Warning,
	"A poll that cannot say what it knows is never held: customers who poll hear late, and ask for the whole state each time.",
	map[Proxy]string{
		Nginx: `
proxy_cache off;   # in each location for /v1/, and no proxy_set_header If-None-Match …`,
		HAProxy: `
# take out: http-request del-header If-None-Match`,
		Caddy: `
# take out: header_up -If-None-Match`,
		Cloudflare: `
# Rules → Cache Rules, for the path /v1/: bypass cache`,
	},
}

var goodbye = &kind{
	"goodbye", Warning,
	"The gateway itself ended the connection while it was watched: it stops (drain), lost its ledger, or is over a limit. Run this again when it is at rest.",
	map[Proxy]string{Gateway: `
# its log and /readyz on its admin address say why`},
}

var upgradeStripped = &kind{
	"upgrade-stripped", Fault,
	"No customer gets a WebSocket. The client library tries at every visit, fails, and goes on to SSE, so that everybody begins later; clients that speak WebSocket alone see nothing.",
	map[Proxy]string{
		Nginx: `
map $http_upgrade $connection_upgrade { "" ""; default upgrade; }   # in http { }
location = /v1/ws {
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_read_timeout 75s;
    # and your proxy_pass
}`,
		HAProxy: `
# HAProxy passes upgrades on. Take out: option httpclose, option http-server-close on that
# way, http-request del-header Upgrade, and proto h2 of the server lines`,
		Caddy: `
# Caddy passes upgrades on. Take out: header_up Connection …, header_up Upgrade …,
# transport http { versions 2 }`,
		Cloudflare: `
# Network → WebSockets: on`,
		ALB: `
# the target group's protocol version must be HTTP1`,
	},
}

var protocolStripped = &kind{
	"subprotocol-stripped", Fault,
	"Sec-WebSocket-Protocol gets lost. It brings a page's token, so no page gets a WebSocket; and a browser ends one whose sub-protocol is not confirmed.",
	map[Proxy]string{
		Nginx: `
# take out: proxy_set_header Sec-WebSocket-Protocol …, proxy_hide_header Sec-WebSocket-Protocol`,
		HAProxy: `
# take out: http-request del-header Sec-WebSocket-Protocol, and the same of http-response`,
		Caddy: `
# take out: header_up -Sec-WebSocket-Protocol`,
	},
}

var socketRefused = &kind{
	"websocket-refused", Fault,
	"No customer gets a WebSocket. The client library tries at every visit, fails, and goes on to SSE; clients that speak WebSocket alone see nothing.",
	upgradeStripped.mends,
}

var onlyHTTP1 = &kind{
	"http1-only", Note,
	"Over HTTP/1.1 a browser opens six connections to a site, all its tabs together. Customers with many tabs over SSE may wait for one. The client library shares one connection between tabs.",
	map[Proxy]string{
		Nginx: `
listen 443 ssl http2;   # from 1.25.1: http2 on;
http2_max_concurrent_streams 512;`,
		HAProxy: `
bind :443 ssl crt … alpn h2,http/1.1`,
		ALB: `
# HTTPS listeners speak HTTP/2: attribute routing.http2.enabled=true`,
		Cloudflare: `
# Speed → Protocol: HTTP/2 on`,
	},
}
