-- Idempotency keys, and tickets that were used, may be forgotten once they expire.
ALTER TABLE idempotency RENAME COLUMN at TO expires_at;
UPDATE idempotency SET expires_at = expires_at + interval '7 days';
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);

-- What opens nothing any more. seq counts from 1 without holes, in the order of
-- the commits; rows that are forgotten leave some.
CREATE TABLE revocations (
	seq        bigint PRIMARY KEY,
	id         text COLLATE "C" NOT NULL UNIQUE,
	kind       text NOT NULL, -- jti, subject, order or key
	value      text NOT NULL,
	reason     text NOT NULL,
	at         timestamptz NOT NULL,
	expires_at timestamptz    -- NULL: never
);
CREATE INDEX revocations_by_expiry ON revocations (expires_at) WHERE expires_at IS NOT NULL;

-- Where they end. The one row is locked from when the next number is taken until
-- the commit.
CREATE TABLE revocation_head (seq bigint NOT NULL) WITH (fillfactor = 10);
INSERT INTO revocation_head (seq) VALUES (0);

-- The gateways that run, which say so every few seconds. A crash of the server may
-- forget them.
CREATE UNLOGGED TABLE nodes (
	id      text COLLATE "C" PRIMARY KEY,
	seen_at timestamptz NOT NULL
) WITH (fillfactor = 10);
