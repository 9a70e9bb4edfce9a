-- From schema 4 to 5: what providers must be asked about. The last programs of
-- schema 4 made the table on the side, so that a ledger may have it.

CREATE TABLE IF NOT EXISTS fetches (
	source TEXT    NOT NULL,
	ref    TEXT    NOT NULL,
	asked  INTEGER NOT NULL,
	tries  INTEGER NOT NULL,
	since  INTEGER NOT NULL,
	due_at INTEGER NOT NULL,
	PRIMARY KEY (source, ref)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS fetches_by_due_at ON fetches (due_at);
