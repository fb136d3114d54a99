package fleet

// slotChunk is how many slots lie together: what a copy shares is copied in
// these when it changes.
const slotChunk = maxRows / 15

// slots holds how busy the cores of each row were: runs of bytes of one length,
// that of the row with most cores. Copies share chunks until they change.
type slots struct {
	size   int // bytes of a slot
	chunks [maxRows / slotChunk][]byte
	shared uint16 // bit of each chunk that another holds too
}

// get is the first n bytes of a slot.
func (s *slots) get(slot, n int) []byte {
	if n == 0 {
		return nil
	}
	at := slot % slotChunk * s.size
	return s.chunks[slot/slotChunk][at : at+n : at+n]
}

// put fills a slot.
func (s *slots) put(slot int, b []byte) {
	if len(b) > s.size {
		s.widen(len(b))
	}
	if len(b) == 0 {
		return
	}
	c, bit := &s.chunks[slot/slotChunk], uint16(1)<<(slot/slotChunk)
	switch {
	case *c == nil:
		*c = make([]byte, slotChunk*s.size)
	case s.shared&bit != 0:
		*c = append([]byte(nil), *c...)
	}
	s.shared &^= bit
	copy((*c)[slot%slotChunk*s.size:], b)
}

// widen makes slots of size bytes.
func (s *slots) widen(size int) {
	for i, old := range s.chunks {
		if old == nil {
			continue
		}
		c := make([]byte, slotChunk*size)
		for k := range slotChunk {
			copy(c[k*size:], old[k*s.size:(k+1)*s.size])
		}
		s.chunks[i] = c
	}
	s.size, s.shared = size, 0
}

// share marks all chunks as those of a copy too, and returns it.
func (s *slots) share() slots {
	s.shared = 1<<len(s.chunks) - 1
	return *s
}
