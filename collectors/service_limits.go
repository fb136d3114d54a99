package collectors

import "capmon/sample"

// limitsEighth is how often the limits of a service are in a sample though
// nothing about them changed: a viewer that comes later, or lost a sample, has
// them after as many.
const limitsEighth = 8

// limitsOf is the ServiceLimits message of v, to which several collectors add
// what they know. They add all of it to every sample; limitsRhythm, which comes
// after them, takes the message out again where it says nothing new. So a
// message is never the half that changed.
func limitsOf(v *sample.Service) *sample.ServiceLimits {
	if v.Limits == nil {
		v.Limits = new(sample.ServiceLimits)
	}
	return v.Limits
}

// limitsRhythm leaves the limits of services in the samples where they are
// worth their bytes: the first two of a service, those where something changed,
// and every eighth.
type limitsRhythm struct {
	samples uint64
	said    map[uint32]saidLimits // by port
}

// saidLimits is what was last said of one service.
type saidLimits struct {
	limits *sample.ServiceLimits // never changed again
	times  int
}

// settle is called once for each sample, by the last collector that knows
// limits, in its Reading. A service that had limits and has none now keeps an
// empty message: else a viewer would go on showing what is not known any more.
func (r *limitsRhythm) settle(s *sample.Sample) {
	every := r.samples%limitsEighth == 0
	r.samples++
	said := make(map[uint32]saidLimits, len(r.said))
	for _, v := range s.GetServices() {
		last, before := r.said[v.GetPort()]
		if noLimits(v.GetLimits()) && !before {
			v.Limits = nil
			continue
		}
		now := limitsOf(v)
		if !before || last.times < 2 || every || limitsChanged(last.limits, now) {
			said[v.GetPort()] = saidLimits{now, last.times + 1}
			continue
		}
		v.Limits = nil
		said[v.GetPort()] = last
	}
	r.said = said
}

// noLimits tells whether nothing is known.
func noLimits(l *sample.ServiceLimits) bool {
	return l == nil || l.Queue == nil && l.FilesUsed == nil && l.Files == nil && l.Connections == nil
}

// limitsChanged tells whether now is news after last. Open files come and go
// with every client: less than a hundredth of their limit is none.
func limitsChanged(last, now *sample.ServiceLimits) bool {
	if !sameNumber(last.Queue, now.Queue) || !sameNumber(last.Files, now.Files) || !sameNumber(last.Connections, now.Connections) ||
		last.GetConnectionsFrom() != now.GetConnectionsFrom() || (last.FilesUsed == nil) != (now.FilesUsed == nil) {
		return true
	}
	a, b := uint64(last.GetFilesUsed()), uint64(now.GetFilesUsed())
	return 100*(max(a, b)-min(a, b)) > now.GetFiles()
}

func sameNumber[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
