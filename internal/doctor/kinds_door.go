package doctor

const certificateCaddy = `
# Caddy gets certificates by itself, for the names of its sites:
pay.example.com { reverse_proxy … }`

const certificateCloudflare = `
# SSL/TLS → Edge Certificates: one that covers the name, a wildcard covers one level`

const certificateALB = `
aws elbv2 add-listener-certificates --listener-arn … --certificates CertificateArn=…`

var tlsName = &kind{
	"tls-name-mismatch", Fault,
	"Browsers and phones refuse to connect: nobody sees anything, and providers' webhooks do not arrive. The token was not sent here.",
	map[Proxy]string{
		Nginx: `
server { server_name pay.example.com; ssl_certificate …; ssl_certificate_key …; }   # one with that name`,
		HAProxy: `
bind :443 ssl crt /etc/haproxy/certs/   # a folder with a PEM of that name`,
		Caddy: certificateCaddy, Cloudflare: certificateCloudflare, ALB: certificateALB,
		Gateway: `
tls: {cert: …, key: …}   # where Paybell ends TLS itself`,
	},
}

var tlsExpired = &kind{
	"tls-expired", Fault,
	"Browsers and phones refuse to connect: nobody sees anything, and providers' webhooks do not arrive. If the certificate looks right, look at this machine's clock.",
	map[Proxy]string{
		Nginx: `
# renew it (certbot renew), and then: nginx -s reload`,
		HAProxy: `
# renew it, put certificate, chain and key into one PEM, and reload`,
		Caddy: certificateCaddy, Cloudflare: certificateCloudflare, ALB: certificateALB,
	},
}

var tlsExpires = &kind{
	"tls-expires-soon", Warning,
	"A renewal that works by itself would have been by now. On that day nobody sees anything any more.",
	tlsExpired.mends,
}

var tlsIncomplete = &kind{
	"tls-incomplete-chain", Fault,
	"Browsers on desktops find the missing certificate by themselves; phones' apps, providers' webhooks and curl do not, and refuse. If the authority is your own, name it with --ca.",
	map[Proxy]string{
		Nginx: `
ssl_certificate fullchain.pem;   # the certificate and those between, not cert.pem`,
		HAProxy: `
# the PEM of "crt" holds: certificate, those between, key, in this order`,
		Caddy: `
tls fullchain.pem key.pem`,
		Cloudflare: `
# SSL/TLS → Edge Certificates → custom certificate: bundle method "compatible"`,
		ALB: `
aws acm import-certificate --certificate … --private-key … --certificate-chain file://chain.pem`,
		Gateway: `
tls: {cert: fullchain.pem, key: …}   # where Paybell ends TLS itself`,
	},
}

var tlsUntrusted = &kind{
	"tls-untrusted", Fault,
	"Browsers and phones refuse to connect. If the authority is your own, name it with --ca.",
	tlsName.mends,
}

var tlsOld = &kind{
	"tls-old-version", Warning,
	"TLS 1.0 and 1.1 are broken (RFC 8996), and card schemes forbid them. No browser of today needs them.",
	map[Proxy]string{
		Nginx: `
ssl_protocols TLSv1.2 TLSv1.3;`,
		HAProxy: `
ssl-default-bind-options ssl-min-ver TLSv1.2`,
		Caddy: `
tls { protocols tls1.2 tls1.3 }`,
		Cloudflare: `
# SSL/TLS → Edge Certificates → Minimum TLS Version: 1.2`,
		ALB: `
aws elbv2 modify-listener --listener-arn … --ssl-policy ELBSecurityPolicy-TLS13-1-2-2021-06`,
	},
}

var tlsOnlyOld = &kind{
	"tls-too-old", Fault,
	"Browsers and phones of today speak TLS 1.2 and later, and refuse to connect.",
	tlsOld.mends,
}

var noTLS = &kind{
	"no-tls", Warning,
	"Tokens and states travel in clear, a page over https may not connect at all, and networks of mobile operators change what they can read.",
	map[Proxy]string{Gateway: `
tls: {cert: …, key: …}   # or end TLS at the proxy`},
}

var toHTTPS = &kind{
	"redirect-to-https", Note,
	"Examined is what it sends to. In pages and at providers write https: a WebSocket follows no redirect, and a webhook that does arrives without its body.",
	nil,
}

var redirected = &kind{
	"redirected", Fault,
	"A WebSocket follows no redirect, a fetch to another origin loses its token, and a webhook that is redirected arrives as a GET without a body, or not at all.",
	map[Proxy]string{
		Nginx: `
# "location /v1/sse/ { proxy_pass … }" redirects /v1/sse: take out the slash at the end.
# Take out for /v1/ and /webhooks/: return 301 …, rewrite … redirect`,
		HAProxy: `
http-request redirect … unless { path_beg /v1/ /webhooks/ }`,
		Caddy: `
# take out for /v1/ and /webhooks/: redir …; a path with a slash at the end needs handle, not redir`,
		Cloudflare: `
# Rules → Redirect Rules: not for the paths /v1/ and /webhooks/`,
		ALB: `
# listener rules: forward /v1/* and /webhooks/* before any redirect`,
	},
}

var pathChanged = &kind{
	"path-changed", Fault,
	"The gateway sees another path than the one that was asked for, so that nothing is found.",
	map[Proxy]string{
		Nginx: `
proxy_pass http://paybell/;   # in location /pay/ { }; both with a slash: /pay/v1/… becomes /v1/…`,
		HAProxy: `
http-request replace-path /pay(/.*) \1`,
		Caddy: `
handle_path /pay/* { reverse_proxy … }`,
		Cloudflare: `
# Rules → URL Rewrite Rules: none for /v1/`,
		ALB: `
# an ALB's rule needs a URL rewrite transform; else let the gateway have a name of its own`,
	},
}

var blocked = &kind{
	"blocked", Fault,
	"Something before the gateway refuses in its place. Customers' pages can answer neither a login nor a puzzle, and providers' webhooks cannot either.",
	map[Proxy]string{
		Nginx: `
auth_basic off;   # in each location for /v1/ and /webhooks/; and no auth_request, deny, limit_except
# A 404 of nginx: that location has no proxy_pass`,
		HAProxy: `
# not for /v1/ and /webhooks/: http-request auth, deny, tarpit`,
		Caddy: `
# basic_auth and forward_auth with a matcher: @rest not path /v1/* /webhooks/*`,
		Cloudflare: `
# Security → WAF → Custom rules, for the paths /v1/ and /webhooks/: skip (challenges, bot fight mode)`,
		ALB: `
# no authenticate-oidc or fixed-response action, and no WAF rule, for /v1/* and /webhooks/*`,
	},
}

var noGateway = &kind{
	"no-gateway", Fault,
	"The proxy answers, and reaches no gateway behind it. Nobody sees anything, and providers repeat their webhooks.",
	map[Proxy]string{
		Nginx: `
upstream paybell { server HOST:8080; }   # the gateway's "listen"; its error_log says why
proxy_pass http://paybell;               # in each location for /v1/: without it nginx says 404`,
		HAProxy: `
server paybell-1 HOST:8080 check         # the gateway's "listen"; is /readyz 200 there?`,
		Caddy: `
reverse_proxy HOST:8080`,
		Cloudflare: `
# DNS: the record of the name leads to the gateway, and its firewall lets Cloudflare in`,
		ALB: `
# target group: health check path /readyz, and the security group lets the ALB in`,
	},
}

var notReady = &kind{
	"not-ready", Fault,
	"The gateway answers that it takes nobody now.",
	map[Proxy]string{Gateway: `
# its log and /readyz on its admin address say why`},
}

var notPaybell = &kind{
	"not-paybell", Fault,
	"What answers at this address is no gateway: another site, or a page of the proxy's own.",
	noGateway.mends,
}

var noAnswer = &kind{
	"no-answer", Fault,
	"A request that a gateway answers at once gets no answer. For a customer the page hangs.",
	noGateway.mends,
}

var authorizationStripped = &kind{
	"authorization-stripped", Fault,
	"The token of SSE and polls does not arrive: customers for whom WebSockets do not work see nothing, and apps neither. Backends' API keys do not arrive either.",
	map[Proxy]string{
		Nginx: `
# take out: proxy_set_header Authorization …`,
		HAProxy: `
# take out: http-request del-header Authorization`,
		Caddy: `
# take out: header_up -Authorization, header_up Authorization …`,
		Cloudflare: `
# Rules → Transform Rules: no request header Authorization; and no Access application for /v1/`,
		ALB: `
# no authenticate-oidc action for /v1/*`,
	},
}

var tokenRefused = &kind{
	"token-refused", Fault,
	"The gateway does not take the token. If customers' tokens are made the same way, none of them sees anything.",
	map[Proxy]string{Gateway: `
# paybell token --order paybell-doctor, with the configuration of this gateway, makes one;
# clocks by NTP on every machine that signs`},
}

var clockOff = &kind{
	"clock-off", Warning,
	"The clocks differ. Up to 30 s are allowed between the one that signs tokens and the gateway's; there is not much left. Which of them is wrong shows by comparing with another.",
	map[Proxy]string{Gateway: `
timedatectl set-ntp true   # on the gateway, the proxy and every machine that signs`},
}

var clockWrong = &kind{
	"clock-wrong", Fault,
	"The clocks differ by more than the 30 s that are allowed. If this machine signs tokens, they are refused as of the future, or end too early; webhooks may be refused as too old.",
	clockOff.mends,
}

// askedOrigin stands for the origin that was asked about.
const askedOrigin = "https://shop.example"

var originRefused = &kind{
	"origin-refused", Fault,
	"The browser lets the shop's page neither ask nor read: its customers see nothing, though apps and curl do.",
	map[Proxy]string{Gateway: `
# add to "origins", with scheme, host and port as the browser's address bar has them:
origins: [` + askedOrigin + `]`},
}

var originStripped = &kind{
	"origin-stripped", Warning,
	"The gateway does not get to know of which page a WebSocket is, so that pages of any origin may open one. Tokens still protect orders.",
	map[Proxy]string{
		Nginx: `
# take out: proxy_set_header Origin …`,
		HAProxy: `
# take out: http-request del-header Origin, set-header Origin …`,
		Caddy: `
# take out: header_up -Origin, header_up Origin …`,
		Cloudflare: `
# Rules → Transform Rules: no request header Origin`,
	},
}

const corsNginx = `
# not for /v1/: add_header Access-Control-…, if ($request_method = OPTIONS) { return … },
# limit_except. The gateway answers preflights itself`

const corsHAProxy = `
# not for /v1/: http-response set-header Access-Control-…, http-request return … if METH_OPTIONS`

const corsCaddy = `
# not for /v1/: header Access-Control-…, respond to OPTIONS`

const corsCloudflare = `
# Rules → Transform Rules: no response header Access-Control-…; Access: bypass OPTIONS`

const corsALB = `
# listener attributes: no routing.http.response.access_control_…`

var corsMends = map[Proxy]string{Nginx: corsNginx, HAProxy: corsHAProxy, Caddy: corsCaddy, Cloudflare: corsCloudflare, ALB: corsALB}

var preflightBlocked = &kind{
	"preflight-blocked", Fault,
	"What a browser asks before a page's first request (OPTIONS, without a token) is answered by something else, or not as it must be. The shop's page sees nothing, though curl does.",
	corsMends,
}

var corsTwice = &kind{
	"cors-twice", Fault,
	"The gateway allows the origin, and something adds a second Access-Control-Allow-Origin. Browsers refuse an answer with two.",
	corsMends,
}

var corsAny = &kind{
	"cors-any", Warning,
	"The gateway allows the shop's pages alone, and something replaces that by any page's. Tokens still protect orders.",
	corsMends,
}

var corsHidden = &kind{
	"cors-hidden", Warning,
	"The page cannot read the ETag of a poll, so that its polls are never held.",
	corsMends,
}

const forwardNginx = `
proxy_set_header X-Forwarded-For $remote_addr;   # also in each location that has a proxy_set_header`

const forwardHAProxy = `
http-request set-header X-Forwarded-For %[src]`

var unnamedProxy = &kind{
	"unnamed-proxy", Warning,
	"The gateway takes all customers behind this proxy for one, and holds them together to what one address may have (limits.per_address, 1,000): the next are told to come again, for ever.",
	map[Proxy]string{Gateway: `
trusted_proxies: [10.0.0.7]   # from which the proxy comes to the gateway; its log names it as "peer"`},
}

var noForwardedFor = &kind{
	"no-forwarded-for", Warning,
	"The proxy does not say where customers come from. If it is trusted, nobody has a limit by address; and else all are one, and share that limit.",
	map[Proxy]string{
		Nginx: forwardNginx, HAProxy: forwardHAProxy,
		Caddy: `
# Caddy says it by itself. Take out: header_up -X-Forwarded-For`,
		ALB: `
aws elbv2 modify-load-balancer-attributes --load-balancer-arn … \
  --attributes Key=routing.http.xff_header_processing.mode,Value=append`,
	},
}

var adminShown = &kind{
	"admin-exposed", Fault,
	"Figures and profiles of the gateway are open to anybody; a profile also slows it down.",
	map[Proxy]string{
		Gateway: `
admin: 127.0.0.1:9090   # never the public address`,
		Nginx: `
location /metrics { return 404; }   # pass on /v1/, /webhooks/, /pay/ and /paybell* alone`,
		HAProxy: `
http-request return status 404 if { path_beg /metrics /debug/ }`,
		Caddy: `
@admin path /metrics /debug/*
respond @admin 404`,
		ALB: `
# listener rules: forward /v1/*, /webhooks/*, /pay/* and /paybell* alone`,
	},
}

var readyzShown = &kind{
	"readyz-exposed", Note,
	"Anybody may ask whether the gateway is ready, at the cost of a commit a second. It means one node and says nothing of the others.",
	map[Proxy]string{
		Nginx: `
location = /readyz { return 404; }`,
		HAProxy: `
http-request return status 404 if { path /readyz }`,
		Caddy: `
respond /readyz 404`,
		Cloudflare: `
# Security → WAF → Custom rules: block the path /readyz`,
		ALB: `
# listener rules: fixed-response 404 for /readyz`,
	},
}
