//go:build linux

package kernel

import (
	"fmt"
	"time"
)

// slotCount is how many ports the tables hold. Slot 0 means "not watched".
const slotCount = 512

// grace is how long a slot rests after its port: a program that has read the
// slot's number just before finishes long within it.
const grace = time.Second

// slots says which counters belong to which port. Listeners come and go, so a
// slot is used again. Times come in as arguments.
type slots struct {
	of      map[uint16]uint16 // port to slot
	free    []uint16
	resting []resting // the oldest first
}

type resting struct {
	slot  uint16
	since time.Time
}

func newSlots() slots {
	s := slots{of: map[uint16]uint16{}}
	for i := slotCount - 1; i > 0; i-- {
		s.free = append(s.free, uint16(i))
	}
	return s
}

// take gives a port its slot; fresh if it had none.
func (s *slots) take(port uint16, now time.Time) (slot uint16, fresh bool, err error) {
	if slot, ok := s.of[port]; ok {
		return slot, false, nil
	}
	for len(s.resting) > 0 && now.Sub(s.resting[0].since) >= grace {
		s.free = append(s.free, s.resting[0].slot)
		s.resting = s.resting[1:]
	}
	if len(s.free) == 0 {
		return 0, false, fmt.Errorf("watch port %d: all %d counters are in use", port, slotCount-1)
	}
	slot = s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	s.of[port] = slot
	return slot, true, nil
}

// drop lets the slot of a port rest; false if it had none.
func (s *slots) drop(port uint16, now time.Time) bool {
	slot, ok := s.of[port]
	if ok {
		delete(s.of, port)
		s.resting = append(s.resting, resting{slot, now})
	}
	return ok
}
