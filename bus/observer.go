package bus

import "time"

// An Observer is told what a bus does, for an operator's figures. Its methods are
// called often and at once, and must not block.
type Observer interface {
	// Published is told what became of hints that were to be sent.
	Published(f Fate, hints int)
	// Received is told of each hint of another node: "" and how long after it was
	// sent it came, by two clocks; or why it was refused, and nothing.
	Received(r Refusal, late time.Duration)
	// Link is told what happens to a connection that hints come by.
	Link(e LinkEvent)
	// Suspect is told whether the bus may be deaf.
	Suspect(bool)
}

// A Fate is what became of a hint that was to be sent. Those which were not are no
// loss: other nodes find the change in the journal.
type Fate string

// The fates.
const (
	Sent      Fate = "sent"      // the bus has it
	Displaced Fate = "displaced" // by newer ones: they came faster than they could be sent
	Failed    Fate = "failed"    // the bus was away or did not accept it
	TooLarge  Fate = "too_large"
)

// A LinkEvent is something that happens to a connection that hints come by.
type LinkEvent string

// The events of a connection.
const (
	Opened    LinkEvent = "opened"     // its subscription is in force, for the first time or again
	Ended     LinkEvent = "ended"      // it was cut, refused, or found deaf
	ProbeSent LinkEvent = "probe_sent" // and accepted
	ProbeLost LinkEvent = "probe_lost" // it was accepted and did not come back in time
	ProbeFail LinkEvent = "probe_failed"
)
