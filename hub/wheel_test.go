package hub

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTokensEndWhenTheySay(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, n *node) {
		var all sync.WaitGroup
		for i := range 500 {
			began := time.Now()
			life := time.Duration(rand.Int64N(int64(15 * time.Minute)))
			c, r := n.join(Grant{Orders: []string{fmt.Sprint("o", i)}, Expires: began.Add(life)})
			all.Go(func() {
				<-c.gone
				if took := time.Since(began); took < life || took > life+2*wheelStep || r.end() != "token_expired" {
					t.Errorf("a token of %v ended after %v as %s", life, took, r.end())
				}
				warnings := 0
				for _, kind := range r.others {
					if kind == tokenExpiring {
						warnings++
					}
				}
				if warnings != 1 && life > 2*wheelStep {
					t.Errorf("warned %d times of a token of %v", warnings, life)
				}
			})
		}
		all.Wait()
	})
}

// A deadline further away than the wheel is long.
func TestFarDeadlines(t *testing.T) {
	inBubble(t, Options{Heartbeat: 48 * time.Hour}, func(t *testing.T, n *node) {
		const life = 10 * time.Minute
		began := time.Now()
		c, r := n.join(Grant{Orders: []string{"o"}, Expires: began.Add(life)})
		if <-c.gone; time.Since(began) < life || time.Since(began) > life+2*wheelStep {
			t.Errorf("ended after %v", time.Since(began))
		}
		if got := fmt.Sprint(r.others); got != "[token_expiring]" {
			t.Errorf("told %s", got)
		}
	})
}

func TestGrantThatIsOverEndsAtOnce(t *testing.T) {
	for _, ago := range []time.Duration{0, time.Hour, 200 * 365 * 24 * time.Hour} {
		inBubble(t, Options{}, func(t *testing.T, n *node) {
			began := time.Now()
			c, r := n.join(Grant{Orders: []string{"o"}, Expires: began.Add(-ago)})
			if <-c.gone; time.Since(began) > 2*wheelStep || r.end() != "token_expired" {
				t.Errorf("ended after %v as %s", time.Since(began), r.end())
			}
		})
	}
}

// The wheel's goroutine may be kept from running. Then it looks at everybody,
// once, however long it was.
func TestStalledWheelCatchesUp(t *testing.T) {
	for _, stall := range []time.Duration{wheelStep, time.Second, time.Minute, 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			n := newStillNode(t, Options{Goroutines: true})
			last := time.Now()
			var over, fine []*client
			for i := range 100 {
				over = append(over, n.open(&recorder{t: t}, "test", Grant{Expires: last.Add(stall * time.Duration(i) / 100)}, seat{}))
				fine = append(fine, n.open(&recorder{t: t}, "test", Grant{Expires: last.Add(stall + time.Hour)}, seat{}))
			}
			time.Sleep(stall)
			turned := n.wheel.at
			if came := n.wheel.advance(last, time.Now()); time.Since(came) >= wheelStep {
				t.Errorf("after a stall of %v it is %v late", stall, time.Since(came))
			}
			if turns := (n.wheel.at - turned + wheelSlots) % wheelSlots; turns != int(min(stall/wheelStep, wheelSlots))%wheelSlots {
				t.Errorf("%d turns after a stall of %v", turns, stall)
			}
			for _, c := range over {
				<-c.gone
			}
			synctest.Wait()
			if n.Clients() != len(fine) {
				t.Errorf("%d of %d are left", n.Clients(), len(fine))
			}
			for _, c := range fine {
				c.end(causeGone)
				<-c.gone
			}
			n.wantEmpty()
		})
	}
}

// schedule, cancel and turn may meet in any order.
func TestWheelUnderContention(t *testing.T) {
	n := newNode(t, Options{})
	var all sync.WaitGroup
	stop := make(chan struct{})
	all.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				n.wheel.turn(time.Now().Add(time.Hour)) // when everything is due
			}
		}
	})
	var clients sync.WaitGroup
	for i := range 4 {
		clients.Go(func() {
			for range 100 {
				id := fmt.Sprint("o", i)
				c, _ := n.join(Grant{Orders: []string{id}})
				c.renew(Grant{Orders: []string{id, "other"}, Expires: time.Now().Add(time.Minute)})
				n.commit(id, "pending")
				c.end(causeCut)
				c.renew(Grant{Orders: []string{id}, Expires: time.Now().Add(time.Minute)})
				<-c.gone
			}
		})
	}
	clients.Wait()
	close(stop)
	all.Wait()
}

// A renewal is never lost to a turn that looks at the client meanwhile.
func TestRenewalDuringATurnCounts(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, n *node) {
		for range 100 {
			c, _ := n.join(Grant{Orders: []string{"o"}})
			time.Sleep(15*time.Second + rand.N(5*time.Second)) // about when a heartbeat is due
			renewed := time.Now()
			go c.tick(renewed)
			go n.wheel.schedule(c, renewed)
			c.renew(Grant{Orders: []string{"o"}, Expires: renewed.Add(time.Second)})
			if <-c.gone; time.Since(renewed) > time.Second+2*wheelStep {
				t.Fatalf("a token of one second ended after %v", time.Since(renewed))
			}
		}
	})
}

func TestHeartbeatsAreSpread(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, n *node) {
		began := time.Now()
		at := map[time.Duration]int{}
		var records []*recorder
		for range 200 {
			c, r := n.join(Grant{Orders: []string{"o"}})
			defer c.end(causeGone)
			records = append(records, r)
		}
		for time.Since(began) < 21*time.Second {
			time.Sleep(wheelStep)
			synctest.Wait()
			for _, r := range records {
				at[time.Since(began).Round(wheelStep)] += r.beats()
			}
		}
		beats := 0
		for when, clients := range at {
			if beats += clients; clients > 30 {
				t.Errorf("%d heartbeats at once after %v", clients, when)
			}
		}
		if beats != 200 {
			t.Errorf("%d of 200 clients had a heartbeat in 21 s", beats)
		}
	})
}
