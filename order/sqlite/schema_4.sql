-- From schema 3 to 4: idempotency keys expire, and tokens can be revoked.

ALTER TABLE idempotency RENAME TO idempotency_3;
CREATE TABLE idempotency (
	key         TEXT    PRIMARY KEY,
	fingerprint TEXT    NOT NULL,
	expires_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO idempotency (key, fingerprint, expires_at) SELECT key, fingerprint, at + 604800000000 FROM idempotency_3;
DROP TABLE idempotency_3;
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);

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
INSERT INTO meta (key, value) VALUES ('revocations', 0);
