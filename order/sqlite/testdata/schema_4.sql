-- A ledger of schema 4, as its last program made and used it.
PRAGMA application_id = 1348565314;
CREATE TABLE callbacks (
	id          INTEGER PRIMARY KEY,
	source      TEXT    NOT NULL,
	received_at INTEGER,
	quarantine  TEXT    NOT NULL,
	duplicate   INTEGER NOT NULL,
	body        BLOB
) STRICT;
INSERT INTO callbacks VALUES(1,'shop',1795420800000000,'',0,X'7b2269742773223a22726177227d');
INSERT INTO callbacks VALUES(2,'shop',1795420800000000,'',1,NULL);
INSERT INTO callbacks VALUES(3,'shop',1795420800000000,'',0,X'7b2269742773223a22726177227d');
INSERT INTO callbacks VALUES(4,'backend',1795420800000000,'',0,X'78');
INSERT INTO callbacks VALUES(5,'mollie',1795420800000000,'',0,X'69643d74725f31');
CREATE TABLE changes (
	shard    INTEGER NOT NULL,
	seq      INTEGER NOT NULL,
	order_id TEXT    NOT NULL,
	version  INTEGER NOT NULL,
	previous INTEGER NOT NULL, -- seq; 0: none
	state    TEXT    NOT NULL,
	PRIMARY KEY (shard, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO changes VALUES(5,1,'B2',1,0,'{"order":"B2","version":1,"epoch":"353568a77866ea673eb7344ed55d9061","status":"paid","final":true,"amount":9900,"currency":"EUR","paid":9900,"refunded":0,"disputed":false,"overpaid":false,"method":"card","reason":null,"action_url":null,"livemode":true,"updated_at":"2026-11-25T16:38:58.072Z"}');
INSERT INTO changes VALUES(7,1,'A1',1,0,'{"order":"A1","version":1,"epoch":"353568a77866ea673eb7344ed55d9061","status":"created","final":false,"amount":9900,"currency":"EUR","paid":0,"refunded":0,"disputed":false,"overpaid":false,"method":null,"reason":null,"action_url":null,"livemode":true,"updated_at":"2026-11-25T16:38:58.060Z"}');
INSERT INTO changes VALUES(7,2,'A1',2,1,'{"order":"A1","version":2,"epoch":"353568a77866ea673eb7344ed55d9061","status":"paid","final":true,"amount":9900,"currency":"EUR","paid":9900,"refunded":0,"disputed":false,"overpaid":false,"method":"card","reason":null,"action_url":null,"livemode":true,"updated_at":"2026-11-25T16:38:58.063Z"}');
CREATE TABLE events (
	n          INTEGER PRIMARY KEY,
	source     TEXT    NOT NULL,
	id         TEXT    NOT NULL,
	callback   INTEGER NOT NULL,
	place      INTEGER NOT NULL,
	order_id   TEXT    NOT NULL, -- that it told itself; '': it counts for its payment's
	payment    TEXT    NOT NULL,
	ref        TEXT    NOT NULL,
	kind       TEXT    NOT NULL,
	status     TEXT    NOT NULL,
	amount     INTEGER NOT NULL,
	currency   TEXT    NOT NULL,
	method     TEXT    NOT NULL,
	reason     TEXT    NOT NULL,
	action_url TEXT    NOT NULL,
	at         INTEGER,
	livemode   INTEGER NOT NULL,
	type       TEXT    NOT NULL
) STRICT;
INSERT INTO events VALUES(1,'shop','e1',1,0,'A1','p-A1','','payment','paid',9900,'EUR','card','','',1795420800000000,1,'payment.paid');
INSERT INTO events VALUES(2,'shop','e2',3,0,'A1','p-A1','','payment','paid',9900,'EUR','card','','',1795420800000000,1,'payment.paid');
INSERT INTO events VALUES(3,'shop','e3',4,0,'B2','p-B2','','payment','paid',9900,'EUR','card','','',1795420800000000,1,'payment.paid');
INSERT INTO events VALUES(4,'mollie','n1',5,0,'','tr_1','tr_1','note','to_fetch',0,'','','','',NULL,0,'');
CREATE TABLE meta (
	key   TEXT PRIMARY KEY,
	value ANY NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES('checks',0);
INSERT INTO meta VALUES('created_at',1795624738049011);
INSERT INTO meta VALUES('epoch','353568a77866ea673eb7344ed55d9061');
INSERT INTO meta VALUES('revocations',1);
INSERT INTO meta VALUES('schema',4);
INSERT INTO meta VALUES('shards',16);
CREATE TABLE orders (
	order_id TEXT    PRIMARY KEY,
	shard    INTEGER NOT NULL,
	version  INTEGER NOT NULL, -- 0: no change yet
	seq      INTEGER NOT NULL, -- of its newest change; 0: none
	events   TEXT    NOT NULL, -- [events.n, …] of those that count for it
	terms    TEXT,
	due_at   INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO orders VALUES('A1',7,2,2,'[1,2]','{"amount":9900,"currency":"EUR","expires_at":"2926-11-23T08:00:00Z"}',NULL);
INSERT INTO orders VALUES('B2',5,1,1,'[3]',NULL,NULL);
CREATE TABLE payments (
	source   TEXT    NOT NULL,
	payment  TEXT    NOT NULL,
	order_id TEXT    NOT NULL, -- '': nobody's yet
	at       INTEGER NOT NULL,
	id       TEXT    NOT NULL,
	PRIMARY KEY (source, payment)
) STRICT, WITHOUT ROWID;
INSERT INTO payments VALUES('mollie','tr_1','',-62135596800000000,'n1');
INSERT INTO payments VALUES('shop','p-A1','A1',1795420800000000,'e1');
INSERT INTO payments VALUES('shop','p-B2','B2',1795420800000000,'e3');
CREATE TABLE repeats (
	event    INTEGER NOT NULL, -- events.n
	callback INTEGER NOT NULL,
	place    INTEGER NOT NULL,
	PRIMARY KEY (event, callback, place)
) STRICT, WITHOUT ROWID;
INSERT INTO repeats VALUES(1,2,0);
CREATE TABLE told (
	order_id  TEXT    NOT NULL,
	version   INTEGER NOT NULL,
	transport TEXT    NOT NULL,
	subject   TEXT    NOT NULL,
	first_at  INTEGER,
	count     INTEGER NOT NULL,
	PRIMARY KEY (order_id, version, transport, subject)
) STRICT, WITHOUT ROWID;
INSERT INTO told VALUES('A1',2,'sse','u1',1795420800000000,2);
CREATE TABLE idempotency (
	key         TEXT    PRIMARY KEY,
	fingerprint TEXT    NOT NULL,
	expires_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO idempotency VALUES('/v1/orders/B2/events k2','f2',1796229538072750);
INSERT INTO idempotency VALUES('/v1/sessions k1','f1',1796229538060164);
CREATE TABLE revocations (
	seq        INTEGER PRIMARY KEY,
	id         TEXT    NOT NULL UNIQUE,
	kind       TEXT    NOT NULL, -- jti, subject, order or key
	value      TEXT    NOT NULL,
	reason     TEXT    NOT NULL,
	at         INTEGER NOT NULL,
	expires_at INTEGER           -- NULL: never
) STRICT;
INSERT INTO revocations VALUES(1,'r1','key','k1','',1795624738060164,NULL);
CREATE TABLE fetches (
	source TEXT    NOT NULL,
	ref    TEXT    NOT NULL,
	asked  INTEGER NOT NULL,
	tries  INTEGER NOT NULL,
	since  INTEGER NOT NULL,
	due_at INTEGER NOT NULL,
	PRIMARY KEY (source, ref)
) STRICT, WITHOUT ROWID;
INSERT INTO fetches VALUES('mollie','tr_1',1,0,1795624738060164,0);
CREATE UNIQUE INDEX events_by_id ON events (source, id);
CREATE INDEX events_unnamed ON events (source, payment) WHERE order_id = '' AND payment <> '';
CREATE INDEX orders_by_due_at ON orders (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);
CREATE INDEX revocations_by_expiry ON revocations (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX fetches_by_due_at ON fetches (due_at);
