package checker

import (
	"cmp"
	"slices"
)

// A reign is the time in which one copy of the ledger answered in one epoch. A
// ledger that is put back from a backup is another copy: what it has in common
// with the one before is what the backup held, and its journal is read anew.
type reign struct {
	copy        int // how often the ledger had been put back before
	epoch       string
	from, until Time
}

func (r *Run) reigns() []reign {
	now := reign{epoch: r.Plan.Epoch, until: never}
	var all []reign
	turn := func(at Time, copies int, epoch string) {
		now.until = at
		all = append(all, now)
		now = reign{now.copy + copies, epoch, at, never}
	}
	faults := slices.Clone(r.Faults)
	slices.SortStableFunc(faults, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
	for _, f := range faults {
		switch f.Kind {
		case RestoreFault:
			turn(f.At, 1, f.Epoch)
		case NewEpochFault:
			turn(f.At, 0, f.Epoch)
		}
	}
	return append(all, now)
}

// reigned says whether a copy of the ledger ever answered in an epoch.
func (f *facts) reigned(copies int, epoch string) bool {
	return slices.ContainsFunc(f.reigns, func(r reign) bool { return r.copy == copies && r.epoch == epoch })
}

// unsettled says whether at a time the ledger had been put back and still had the
// epoch of the one before. Until nodes notice, whoever comes is shown what the
// backup holds, under a version that may be lower than what they saw: this is why
// a restored ledger gets a new epoch, and why versions compare within one alone.
func (f *facts) unsettled(at Time) bool {
	for i, r := range f.reigns {
		if i > 0 && r.copy != f.reigns[i-1].copy && r.from <= at && at <= r.until {
			return true
		}
	}
	return false
}

// durable judges an acknowledgement by the ledger that gave it, across restores:
//
//   - One from before the backup was made must be in the backup, as it is read
//     before anybody can add to it.
//   - One from between the backup and the restore is void: the ledger that gave it
//     is gone, by an operator's hand. The provider is asked to send again, and is
//     answered anew.
//   - Any other, so also every one of those answered anew, must be in the ledger
//     that there is in the end, before all is sent once more for I16.
func durable(f *facts, wrong report) {
	for _, a := range f.Webhooks {
		if !a.Accepted() || a.Forged || a.Replay {
			continue
		}
		void := false
		for i, r := range f.restores {
			if a.Answered <= r.Backup {
				if !f.held[i][a.ID] {
					wrong(a.Mark, "%s was answered %d before the backup of %v was made, and is not in it", a.ID, a.Code, r.Mark)
				}
			} else if void = a.Answered <= r.Until; void {
				break
			}
		}
		if !void && !f.kept[a.ID] {
			wrong(a.Mark, "%s was answered %d and is not in the ledger", a.ID, a.Code)
		}
	}
}

func epochs(f *facts, wrong report) {
	for _, row := range f.Journal {
		if !f.epochs[row.State.Epoch] {
			wrong(row.Mark, "the ledger has an epoch that nobody gave it")
		}
	}
	final := f.reigns[len(f.reigns)-1].epoch
	for _, c := range f.conns {
		saw := f.begins(c, wrong)
		for _, id := range c.open.Orders {
			if last := c.last(id); last != nil && c.live(f.Plan.EndAt) && f.epochs[last.State.Epoch] && last.State.Epoch != final {
				wrong(c.open.Mark, "client %s did not begin order %s anew in the last epoch", c.open.Client, id)
				continue
			}
			for i, r := range f.reigns[1:] {
				stood := min(c.end, r.until) - max(c.open.At, r.from)
				if r.copy == f.reigns[i].copy && c.open.At < r.from && stood > grace && !saw[begin{r.epoch, id}] {
					wrong(c.open.Mark, "client %s did not begin order %s anew in epoch %s", c.open.Client, id, r.epoch)
				}
			}
		}
	}
	f.onlyForward(wrong)
	f.noticed(wrong)
}

// A begin is an order in an epoch.
type begin struct{ epoch, order string }

// begins looks at what a connection was shown of each epoch, and returns it.
func (f *facts) begins(c *connection, wrong report) map[begin]bool {
	saw, anew, was := map[begin]bool{}, map[begin]int{}, map[string]string{}
	for _, got := range c.states {
		s := got.State
		if !f.epochs[s.Epoch] {
			wrong(got.Mark, "client %s saw order %s in an epoch that the ledger never had", got.Client, s.Order)
			continue
		}
		b := begin{s.Epoch, s.Order}
		saw[b] = true
		if before := was[s.Order]; before != "" && before != s.Epoch && got.Type == Update {
			wrong(got.Mark, "client %s got order %s of another epoch as an update", got.Client, s.Order)
		}
		was[s.Order] = s.Epoch
		if got.Type == Snapshot {
			if anew[b]++; anew[b] == 2 {
				wrong(got.Mark, "client %s was told to begin order %s anew twice in one epoch", got.Client, s.Order)
			}
		}
	}
	return saw
}

// onlyForward sees that nobody who has begun anew is shown an older epoch, on
// whichever connection.
func (f *facts) onlyForward(wrong report) {
	rank := func(epoch string) int {
		return slices.IndexFunc(f.reigns, func(r reign) bool { return r.epoch == epoch })
	}
	newest := map[[2]string]int{}
	for _, c := range f.Clients {
		if c.What != Received || c.State == nil || !f.epochs[c.State.Epoch] {
			continue
		}
		key := [2]string{c.Client, c.State.Order}
		if now := rank(c.State.Epoch); now < newest[key] {
			wrong(c.Mark, "client %s saw order %s in an older epoch again", c.Client, c.State.Order)
		} else {
			newest[key] = now
		}
	}
}

// noticed sees that nodes which know that their ledger went backwards show
// nothing until it has a new epoch.
func (f *facts) noticed(wrong report) {
	for _, fault := range f.Faults {
		if fault.Kind != NewEpochFault || fault.Noticed == 0 {
			continue
		}
		for _, c := range f.Clients {
			if c.What == Received && c.At > fault.Noticed && c.At < fault.At {
				wrong(c.Mark, "client %s was shown a state though every node knew that the ledger had gone backwards, until %v", c.Client, fault.Mark)
			}
		}
	}
}
