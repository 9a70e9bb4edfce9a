// Package fault breaks things around real gateways and holds them to what they
// promise.
//
// Its tests start `paybell serve` in processes of its own, behind real load
// balancers, over a real Postgres and Redis; send signed webhooks as a provider
// does, late, doubled, out of order and again until they are accepted; connect
// customers over every transport; and meanwhile kill, stop and cut off whatever
// there is, put back old backups, and revoke tokens. All that happened is written
// to logs, from which package checker decides what was broken. A run's seed is
// printed, and a run of the same seed sends the same events, though no two
// interleave alike.
//
// `make test` runs each in a short form, `make fault` at full length and with a
// table at the end. The package itself has nothing to import.
package fault
