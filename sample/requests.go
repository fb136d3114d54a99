package sample

// Requests adds up the requests a second of a machine's services; ok is false
// when none is known. One that passes through a proxy and the server behind it
// counts once: what is behind a service that knows its requests is left out.
func Requests(services []*Service) (rps float64, ok bool) {
	for _, v := range services {
		if r := v.GetRps(); v == nil || v.Rps == nil || !(r >= 0) || v.CountedBy(services) {
			continue
		}
		rps += float64(*v.Rps)
		ok = true
	}
	return rps, ok
}

// hops bounds how many services one request is taken to pass through.
const hops = 4

// CountedBy says whether the requests of s are among those of a service of all
// that it is behind, through others or not. They are not where none of those
// knows its own.
func (s *Service) CountedBy(all []*Service) bool {
	at := s
	for range hops {
		at = at.front(all)
		switch {
		case at == nil || at.GetPort() == s.GetPort():
			return false
		case at.Rps != nil:
			return true
		}
	}
	return false
}

// front is the service of all that s is behind; nil when it is an edge.
func (s *Service) front(all []*Service) *Service {
	if s.GetBehind() == 0 {
		return nil
	}
	for _, v := range all {
		if v.GetPort() == s.GetBehind() {
			return v
		}
	}
	return nil
}
