package balance

// roundRobin gives each server its turn, in proportion to the weights and evenly
// spread, also while weights change. Configuration manual, "balance roundrobin".
//
// Picks have positions on a line that is cut into rounds; a round is as long as the
// sum of all weights. After a pick at its position a server's next one lies the
// length of a round divided by its weight further on; the remainder is kept, so that
// no turn is lost in the long run. The servers of a round wait in three queues: begin
// has those that had no turn yet in this round, the heaviest first; now has those
// that come again in this round, by position; next has those whose position lies
// beyond it and who form begin when the round ends. At a position the server whose
// position has come precedes one of begin, and begin fills the holes.
//
// A pick costs O(log n), and as much again for each full server that was passed
// over.
type roundRobin struct {
	begin, now, next *order
	where            []*order // queue of a server; nil: it is out of rotation
	shares           []uint32 // by weight, Scale for a unit
	at, prior        []uint32 // position of a server's next turn and the one before; 0: none yet
	rest             []uint32 // remainder of the divisions
	pos              uint32   // of the next pick
	round            uint32   // length of this round
	total            uint32   // sum of shares: the length of the next round
	started          bool
	passed           []int32 // taken out during a pick
}

func newRoundRobin(_ Method, servers []Server) Algorithm {
	n := len(servers)
	return &roundRobin{
		begin: newOrder(n), now: newOrder(n), next: newOrder(n),
		where: make([]*order, n), shares: make([]uint32, n),
		at: make([]uint32, n), prior: make([]uint32, n), rest: make([]uint32, n),
		passed: make([]int32, 0, n),
	}
}

// SetLoad does nothing: turns do not depend on the number of connections.
func (a *roundRobin) SetLoad(int, int) {}

func (a *roundRobin) SetShares(i, shares int) {
	old, w := a.shares[i], uint32(shares)
	if w == old {
		return
	}
	a.shares[i] = w
	a.total += w - old
	switch {
	case !a.started:
	case w == 0:
		a.take(i)
	case old == 0:
		a.at[i] = a.pos + (a.total+a.round-a.pos)/w
		a.queue(i)
	case a.where[i] == a.begin:
		a.take(i)
		a.queueByWeight(a.begin, i)
	default:
		a.reschedule(i)
	}
}

// reschedule moves the next turn of a server whose weight has changed: it is the
// earlier one of the old and the new position, but not one that has passed.
func (a *roundRobin) reschedule(i int) {
	if a.where[i] == a.next {
		a.at[i] += a.round
	}
	step := a.total / a.shares[i]
	a.at[i] = min(a.prior[i]+step, a.at[i])
	a.rest[i] = 0
	if a.at[i] < a.pos+2 {
		a.at[i] = a.pos + step
	}
	a.take(i)
	a.queue(i)
}

// start queues all servers for the first round.
func (a *roundRobin) start() {
	a.started = true
	a.pos, a.round = a.total, a.total
	for i, w := range a.shares {
		if w > 0 {
			a.queueByWeight(a.begin, i)
		}
	}
}

func (a *roundRobin) take(i int) {
	if a.where[i] != nil {
		a.where[i].remove(i)
		a.where[i] = nil
	}
}

func (a *roundRobin) queueByWeight(o *order, i int) {
	a.where[i] = o
	o.put(i, uint64(WeightMax*Scale-a.shares[i]))
}

// queue puts a server where its position belongs. Positions that are far from each
// other in a large farm with large weights share a key of 32 bits; that is so in
// HAProxy too, and only the order within a round suffers.
func (a *roundRobin) queue(i int) {
	if a.at[i] >= 2*a.round || a.at[i] >= a.round+a.total {
		a.at[i] -= a.round
		a.queueByWeight(a.next, i)
		return
	}
	a.where[i] = a.now
	key := a.at[i]*WeightMax + (WeightMax*Scale+a.rest[i]-a.shares[i])/Scale
	a.now.put(i, uint64(key))
}

// candidate returns the server for the present position, -1 if the round has none.
func (a *roundRobin) candidate() int {
	i := a.now.first()
	if i >= 0 && a.at[i] <= a.pos {
		return i
	}
	if k := a.begin.first(); k >= 0 {
		a.at[k], a.rest[k] = 0, 0
		return k
	}
	return i
}

// advance computes the turn of server i that follows the one at hand.
func (a *roundRobin) advance(i int) {
	w := a.shares[i]
	if a.at[i] == 0 {
		a.at[i] = a.pos
	}
	a.prior[i] = a.at[i]
	a.at[i] += a.total / w
	a.rest[i] += a.total % w
	if a.rest[i] >= w {
		a.rest[i] -= w
		a.at[i]++
	}
}

func (a *roundRobin) Pick(_ Key, avoid int, full func(int) bool) (int, bool) {
	if !a.started {
		a.start()
	}
	picked, avoided, ended := -1, false, false
	for {
		if a.round == 0 {
			a.pos, a.round = a.total, a.total
		}
		i := a.candidate()
		if i < 0 && !ended {
			ended = true
			a.endRound()
			i = a.candidate()
		}
		if i < 0 {
			break
		}
		a.advance(i)
		a.take(i)
		a.pos++
		if open(i, full) {
			if i != avoid {
				picked = i
				break
			}
			avoided = true
		}
		a.passed = append(a.passed, int32(i))
	}
	if picked < 0 && avoided {
		picked = avoid
	}
	a.requeue(picked, ended)
	return picked, picked >= 0
}

func (a *roundRobin) endRound() {
	a.begin, a.next = a.next, a.begin
	a.round, a.pos = a.total, a.total
}

// requeue puts the picked server back and those that were passed over: as if they
// had had their turn, or if a round has ended meanwhile, for the next one's begin.
func (a *roundRobin) requeue(picked int, ended bool) {
	if picked >= 0 {
		a.queue(picked)
	}
	for k := len(a.passed) - 1; k >= 0; k-- {
		switch i := int(a.passed[k]); {
		case i == picked:
		case ended:
			a.queueByWeight(a.begin, i)
		default:
			a.queue(i)
		}
	}
	a.passed = a.passed[:0]
}
