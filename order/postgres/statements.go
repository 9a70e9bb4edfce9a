package postgres

// The statements of a transaction. Each takes its locks sorted: by the order of
// the arrays where rows are added, by ORDER BY where they are locked. Rows are
// added before those that were there are locked, so that whoever waits to add one
// holds none of the other kind.
const (
	begin = `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE`
	check = `UPDATE meta SET value = now()::text WHERE key = 'checks'`

	claimKeys = `INSERT INTO idempotency (key, fingerprint, expires_at)
		SELECT key, fingerprint, expires_at FROM unnest($1::bytea[], $2::text[], $3::timestamptz[])
			WITH ORDINALITY u (key, fingerprint, expires_at, n) ORDER BY n
		ON CONFLICT DO NOTHING`
	claimedKeys = `SELECT key, fingerprint FROM idempotency WHERE key = ANY($1::bytea[])`

	nextBatch = `SELECT nextval('batches')`
	// A callback's id is the number of the transaction and its place there.
	insertEvents = `INSERT INTO events (callback, place, source, id, counts_for, order_id, payment, ref, kind, status,
			amount, currency, method, reason, action_url, at, livemode, type)
		SELECT (currval('batches') << 16) + callback, place, source, id, order_id, order_id, payment, ref, kind, status,
			amount, currency, method, reason, action_url, at, livemode, type
		FROM unnest($1::int[], $2::int[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
			$10::bigint[], $11::text[], $12::text[], $13::text[], $14::text[], $15::timestamptz[], $16::bool[], $17::text[])
			WITH ORDINALITY u (callback, place, source, id, order_id, payment, ref, kind, status,
			amount, currency, method, reason, action_url, at, livemode, type, n) ORDER BY n
		ON CONFLICT DO NOTHING RETURNING (callback & 65535)::int, place`
	insertCallbacks = `INSERT INTO callbacks (id, source, received_at, quarantine, duplicate, body)
		SELECT (currval('batches') << 16) + n - 1, source, received_at, quarantine, duplicate, body
		FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::bool[], $5::bytea[])
			WITH ORDINALITY u (source, received_at, quarantine, duplicate, body, n)`
	insertRepeats = `INSERT INTO repeats (source, event, callback, place)
		SELECT source, event, (currval('batches') << 16) + callback, place
		FROM unnest($1::text[], $2::text[], $3::int[], $4::int[]) u (source, event, callback, place)`

	insertPayments = `INSERT INTO payments (source, payment, order_id, at, id)
		SELECT source, payment, order_id, at, id
		FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[])
			WITH ORDINALITY u (source, payment, order_id, at, id, n) ORDER BY n
		ON CONFLICT DO NOTHING RETURNING source, payment`
	lockPayments = `SELECT p.source, p.payment, p.order_id, p.at, p.id
		FROM unnest($1::text[], $2::text[]) u (source, payment) JOIN payments p USING (source, payment)
		ORDER BY p.source, p.payment FOR UPDATE OF p`
	unnamedBefore = `SELECT DISTINCT e.source, e.payment
		FROM unnest($1::text[], $2::text[]) u (source, payment) JOIN events e USING (source, payment)
		WHERE e.order_id = '' AND e.payment <> '' AND e.callback >> 16 <> currval('batches')`
	claimPayments = `UPDATE payments p SET order_id = u.order_id, at = u.at, id = u.id
		FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[]) u (source, payment, order_id, at, id)
		WHERE p.source = u.source AND p.payment = u.payment`
	moveUnnamed = `UPDATE events e SET counts_for = u.order_id
		FROM unnest($1::text[], $2::text[], $3::text[]) u (source, payment, order_id)
		WHERE e.source = u.source AND e.payment = u.payment AND e.order_id = '' AND e.payment <> '' AND e.counts_for <> u.order_id`

	insertOrders = `INSERT INTO orders (order_id, shard, version, seq, state, terms)
		SELECT order_id, shard, 0, 0, '', '' FROM unnest($1::text[], $2::smallint[]) WITH ORDINALITY u (order_id, shard, n) ORDER BY n
		ON CONFLICT DO NOTHING`
	lockOrders = `SELECT order_id, version, seq, state, terms, due_at, ` + epochNow + ` FROM orders
		WHERE order_id = ANY($1::text[]) ORDER BY order_id FOR UPDATE`
	loadEvents = `SELECT ` + eventColumns + ` FROM events e WHERE e.counts_for = ANY($1::text[]) AND e.counts_for <> ''`

	lockHeads     = `SELECT shard, seq FROM shard_heads WHERE shard = ANY($1::smallint[]) ORDER BY shard FOR UPDATE`
	selectEpoch   = `SELECT value FROM meta WHERE key = 'epoch'`
	moveHeads     = `UPDATE shard_heads h SET seq = u.seq FROM unnest($1::smallint[], $2::bigint[]) u (shard, seq) WHERE h.shard = u.shard`
	insertChanges = `INSERT INTO changes (shard, seq, order_id, version, previous, state)
		SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::text[])`
	// A version that is not stored any more makes it fail, and so the commit that
	// follows without waiting for the answer.
	saveOrders = `WITH saved AS (UPDATE orders o SET version = u.version, seq = u.seq, state = u.state, terms = u.terms, due_at = u.due_at
		FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::timestamptz[])
			u (order_id, was, version, seq, state, terms, due_at)
		WHERE o.order_id = u.order_id AND o.version = u.was RETURNING 1)
		SELECT 1 / (count(*) = cardinality($1::text[]))::int FROM saved`

	tell = `INSERT INTO told (order_id, version, transport, subject, first_at, count)
		SELECT order_id, version, transport, subject, min(first_at), sum(count)
		FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::timestamptz[], $6::bigint[])
			u (order_id, version, transport, subject, first_at, count) GROUP BY 1, 2, 3, 4
			ORDER BY order_id COLLATE "C", version, transport COLLATE "C", subject COLLATE "C"
		ON CONFLICT (order_id, version, transport, subject)
		DO UPDATE SET count = told.count + excluded.count, first_at = least(told.first_at, excluded.first_at)`
)

// epochNow is the epoch, as a column of another statement.
const epochNow = `(SELECT value FROM meta WHERE key = 'epoch')`

// The statements of readers. Each carries the epoch of the moment that it reads.
const (
	selectStates = `SELECT u.n::int, o.state, ` + epochNow + ` FROM unnest($1::text[]) WITH ORDINALITY u (order_id, n)
		LEFT JOIN orders o ON o.order_id = u.order_id AND o.version > 0`
	selectHeads   = `SELECT shard, seq, ` + epochNow + ` FROM shard_heads ORDER BY shard`
	selectChanges = `SELECT seq, state, ` + epochNow + ` FROM changes WHERE shard = $1 AND seq > $2 ORDER BY seq LIMIT $3`
	selectDue     = `SELECT order_id FROM orders WHERE due_at <= $1 ORDER BY due_at, order_id LIMIT $2`
	selectEvent   = `SELECT ` + eventColumns + ` FROM events e WHERE e.source = $1 AND e.id = $2`

	selectTerms   = `SELECT coalesce((SELECT terms FROM orders WHERE order_id = $1), '')`
	selectHistory = `WITH list AS (SELECT * FROM events WHERE counts_for = $1 AND counts_for <> '')
		SELECT c.id, c.source, c.received_at, c.quarantine, c.duplicate, ` + eventColumns + ` FROM (
			SELECT source, id, callback, place FROM list
			UNION ALL
			SELECT r.source, r.event, r.callback, r.place FROM list l JOIN repeats r ON r.source = l.source AND r.event = l.id
		) t JOIN list e USING (source, id) JOIN callbacks c ON c.id = t.callback ORDER BY t.callback, t.place`
	selectVersions = `WITH RECURSIVE n (shard, seq, previous, state) AS (
			SELECT c.shard, c.seq, c.previous, c.state FROM orders o JOIN changes c USING (shard, seq) WHERE o.order_id = $1
			UNION ALL
			SELECT c.shard, c.seq, c.previous, c.state FROM n JOIN changes c ON c.shard = n.shard AND c.seq = n.previous
		) SELECT shard, seq, state, ` + epochNow + ` FROM n ORDER BY seq`
	selectTold = `SELECT version, transport, subject, first_at, count FROM told WHERE order_id = $1
		ORDER BY first_at, version, transport, subject`
)
