-- From schema 5 to 6: the journal's rows are added at the end of its table.

ALTER TABLE changes RENAME TO changes_5;
CREATE TABLE changes (
	shard    INTEGER NOT NULL,
	seq      INTEGER NOT NULL,
	order_id TEXT    NOT NULL,
	version  INTEGER NOT NULL,
	previous INTEGER NOT NULL, -- seq; 0: none
	state    TEXT    NOT NULL,
	PRIMARY KEY (shard, seq)
) STRICT;
INSERT INTO changes (shard, seq, order_id, version, previous, state)
	SELECT shard, seq, order_id, version, previous, state FROM changes_5;
DROP TABLE changes_5;
