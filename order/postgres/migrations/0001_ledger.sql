-- A Paybell ledger. Amounts are minor units; a text that is not told is ''; NULL
-- is a time that is not told. Ids are compared byte by byte (COLLATE "C"), so
-- that no update of a locale library breaks an index.

CREATE TABLE meta (
	key   text COLLATE "C" PRIMARY KEY,
	value text NOT NULL
) WITH (fillfactor = 10);
INSERT INTO meta (key, value) VALUES ('epoch', ''), ('shards', ''), ('checks', '');

-- Where the journal of each shard ends. A row is locked from when its next number
-- is taken until the commit, so that numbers have no holes and follow the
-- commits. These rows change with every commit: the space that is left on their
-- page lets new forms of them take the place of old ones without a vacuum, and a
-- vacuum that is due anyway comes early and costs nothing.
CREATE TABLE shard_heads (
	shard smallint PRIMARY KEY,
	seq   bigint NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

-- Numbers transactions that store callbacks, in the order in which they begin.
CREATE SEQUENCE batches AS bigint MAXVALUE 140737488355327;

-- Every verified request. One that told nothing new keeps no body.
CREATE TABLE callbacks (
	id          bigint  PRIMARY KEY, -- its batch and, in the lower 16 bits, its place there
	source      text    COLLATE "C" NOT NULL,
	received_at timestamptz,
	quarantine  text    NOT NULL,
	duplicate   boolean NOT NULL,
	body        bytea
);

-- Every fact, once, with the callback that told it first and its place there.
CREATE TABLE events (
	source     text    COLLATE "C" NOT NULL,
	id         text    COLLATE "C" NOT NULL,
	callback   bigint  NOT NULL,
	place      integer NOT NULL,
	counts_for text    COLLATE "C" NOT NULL, -- the order that it is about; '': none yet
	order_id   text    COLLATE "C" NOT NULL, -- that it told itself; '': it counts for its payment's
	payment    text    COLLATE "C" NOT NULL,
	ref        text    NOT NULL,
	kind       text    NOT NULL,
	status     text    NOT NULL,
	amount     bigint  NOT NULL,
	currency   text    NOT NULL,
	method     text    NOT NULL,
	reason     text    NOT NULL,
	action_url text    NOT NULL,
	at         timestamptz,
	livemode   boolean NOT NULL,
	type       text    NOT NULL,
	PRIMARY KEY (source, id)
);
CREATE INDEX events_by_order ON events (counts_for) WHERE counts_for <> '';
CREATE INDEX events_unnamed ON events (source, payment) WHERE order_id = '' AND payment <> '';

-- Callbacks that told a known fact again.
CREATE TABLE repeats (
	source   text    COLLATE "C" NOT NULL,
	event    text    COLLATE "C" NOT NULL, -- events.id
	callback bigint  NOT NULL,
	place    integer NOT NULL,
	PRIMARY KEY (source, event, callback, place)
);

-- Every payment that an event names. Whose it is, and the time (of year 1 for
-- none) and id of the event that says so: the first of those that tell their
-- order.
CREATE TABLE payments (
	source   text COLLATE "C" NOT NULL,
	payment  text COLLATE "C" NOT NULL,
	order_id text COLLATE "C" NOT NULL, -- '': nobody's yet
	at       timestamptz NOT NULL,
	id       text COLLATE "C" NOT NULL,
	PRIMARY KEY (source, payment)
) WITH (fillfactor = 90);

-- Every order of which something was heard, with its newest state.
CREATE TABLE orders (
	order_id text     COLLATE "C" PRIMARY KEY,
	shard    smallint NOT NULL,
	version  bigint   NOT NULL, -- 0: no change yet
	seq      bigint   NOT NULL, -- of its newest change; 0: none
	state    text     NOT NULL, -- ''; there is none yet
	terms    text     NOT NULL, -- '': nobody registered it
	due_at   timestamptz
) WITH (fillfactor = 80);
CREATE INDEX orders_by_due_at ON orders (due_at) WHERE due_at IS NOT NULL;

-- The journal. In each shard seq counts from 1 without holes. Each change leads
-- to the one before it of the same order, which is in the same shard.
CREATE TABLE changes (
	shard    smallint NOT NULL,
	seq      bigint   NOT NULL,
	order_id text     COLLATE "C" NOT NULL,
	version  bigint   NOT NULL,
	previous bigint   NOT NULL, -- seq; 0: none
	state    text     NOT NULL,
	PRIMARY KEY (shard, seq)
);

-- Keys are what clients send, which need not be text.
CREATE TABLE idempotency (
	key         bytea PRIMARY KEY,
	fingerprint text  NOT NULL,
	at          timestamptz NOT NULL
);

CREATE TABLE told (
	order_id  text   COLLATE "C" NOT NULL,
	version   bigint NOT NULL,
	transport text   COLLATE "C" NOT NULL,
	subject   text   COLLATE "C" NOT NULL,
	first_at  timestamptz,
	count     bigint NOT NULL,
	PRIMARY KEY (order_id, version, transport, subject)
);
