// Package bus tells nodes that orders have changed. What it carries are hints:
// the ledger stays the truth, and a hint may be lost, repeated or reordered.
//
// A bus has two methods. Publish hands over changes that are durable; it never
// blocks, whatever the network does, and it cannot fail. Run brings changes to a
// [Receiver] until its context ends. [Local] does that inside one process, package
// bus/redis between nodes, and both pass the suite in bus/bustest.
package bus

import "github.com/paybell/paybell/order"

// A Receiver is told what a bus brings. Its methods must not block and may be
// called at once by several goroutines.
type Receiver interface {
	// Hints are changes committed by some node. They may be lost, repeated, or in
	// any order, and are never forged.
	Hints(changes []order.Change)
	// Gap says that hints up to now may have been lost, so the journal must be read.
	// It is called after the subscription is in force again.
	Gap()
	// Suspect says whether the bus may be deaf. While it is, the journal is read
	// more often.
	Suspect(bool)
}
