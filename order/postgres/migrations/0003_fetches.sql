-- What providers must be asked about, because their webhooks say only that there
-- is news.
CREATE TABLE fetches (
	source text COLLATE "C" NOT NULL,
	ref    text COLLATE "C" NOT NULL,
	asked  bigint NOT NULL,
	tries  integer NOT NULL,
	since  timestamptz NOT NULL,
	due_at timestamptz NOT NULL,
	PRIMARY KEY (source, ref)
);
CREATE INDEX fetches_by_due_at ON fetches (due_at);
