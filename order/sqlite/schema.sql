-- A Paybell ledger. Times are microseconds since 1970 in UTC, NULL for none;
-- amounts are minor units; a text that is not told is ''.

CREATE TABLE meta (
	key   TEXT PRIMARY KEY,
	value ANY NOT NULL
) STRICT, WITHOUT ROWID;

-- Every verified request. One that told nothing new keeps no body.
CREATE TABLE callbacks (
	id          INTEGER PRIMARY KEY,
	source      TEXT    NOT NULL,
	received_at INTEGER,
	quarantine  TEXT    NOT NULL,
	duplicate   INTEGER NOT NULL,
	body        BLOB
) STRICT;

-- Every fact, once, with the callback that told it first and its place there.
-- Rows are added at the end, so that those of one commit share pages; what a
-- commit costs is mostly the number of pages that it changes.
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
CREATE UNIQUE INDEX events_by_id ON events (source, id);
CREATE INDEX events_unnamed ON events (source, payment) WHERE order_id = '' AND payment <> '';

-- Callbacks that told a known fact again.
CREATE TABLE repeats (
	event    INTEGER NOT NULL, -- events.n
	callback INTEGER NOT NULL,
	place    INTEGER NOT NULL,
	PRIMARY KEY (event, callback, place)
) STRICT, WITHOUT ROWID;

-- Every payment that an event names. Whose it is, and the time (of year 1 for
-- none) and id of the event that says so: the first of those that tell their
-- order.
CREATE TABLE payments (
	source   TEXT    NOT NULL,
	payment  TEXT    NOT NULL,
	order_id TEXT    NOT NULL, -- '': nobody's yet
	at       INTEGER NOT NULL,
	id       TEXT    NOT NULL,
	PRIMARY KEY (source, payment)
) STRICT, WITHOUT ROWID;

-- Every order of which something was heard. Orders come in no order at all, so
-- that this is the one table in which nearly every row is on a page of its own:
-- it holds little, and saves others an index by order. The state is in the
-- journal, at shard and seq.
CREATE TABLE orders (
	order_id TEXT    PRIMARY KEY,
	shard    INTEGER NOT NULL,
	version  INTEGER NOT NULL, -- 0: no change yet
	seq      INTEGER NOT NULL, -- of its newest change; 0: none
	events   TEXT    NOT NULL, -- [events.n, …] of those that count for it
	terms    TEXT,
	due_at   INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX orders_by_due_at ON orders (due_at) WHERE due_at IS NOT NULL;

-- The journal. In each shard seq counts from 1 without holes. Each change leads
-- to the one before it of the same order, which is in the same shard.
-- Its rows are added at the end of the table: as a tree by shard and seq, with a
-- state in every key, it would grow at one place for each shard, and be deep.
CREATE TABLE changes (
	shard    INTEGER NOT NULL,
	seq      INTEGER NOT NULL,
	order_id TEXT    NOT NULL,
	version  INTEGER NOT NULL,
	previous INTEGER NOT NULL, -- seq; 0: none
	state    TEXT    NOT NULL,
	PRIMARY KEY (shard, seq)
) STRICT;

-- Keys that were used, and tickets. They may be forgotten once they expire.
CREATE TABLE idempotency (
	key         TEXT    PRIMARY KEY,
	fingerprint TEXT    NOT NULL,
	expires_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);

-- What opens nothing any more. seq counts from 1 without holes, in the order of
-- the commits; rows that are forgotten leave some. The last one is in meta.
CREATE TABLE revocations (
	seq        INTEGER PRIMARY KEY,
	id         TEXT    NOT NULL UNIQUE,
	kind       TEXT    NOT NULL, -- jti, subject, order or key
	value      TEXT    NOT NULL,
	reason     TEXT    NOT NULL,
	at         INTEGER NOT NULL,
	expires_at INTEGER           -- NULL: never
) STRICT;
CREATE INDEX revocations_by_expiry ON revocations (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE told (
	order_id  TEXT    NOT NULL,
	version   INTEGER NOT NULL,
	transport TEXT    NOT NULL,
	subject   TEXT    NOT NULL,
	first_at  INTEGER,
	count     INTEGER NOT NULL,
	PRIMARY KEY (order_id, version, transport, subject)
) STRICT, WITHOUT ROWID;

-- What providers must be asked about, because their webhooks say only that there
-- is news.
CREATE TABLE fetches (
	source TEXT    NOT NULL,
	ref    TEXT    NOT NULL,
	asked  INTEGER NOT NULL,
	tries  INTEGER NOT NULL,
	since  INTEGER NOT NULL,
	due_at INTEGER NOT NULL,
	PRIMARY KEY (source, ref)
) STRICT, WITHOUT ROWID;
CREATE INDEX fetches_by_due_at ON fetches (due_at);
