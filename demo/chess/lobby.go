package chess

import (
	"encoding/json"
	"net/http"
	"sync"
)

// seat is the server that a player is to go to.
type seat struct {
	Server string `json:"server"`
	Addr   string `json:"addr"`
}

// lobby names each player the server with the most free seats, so that no
// connection passes through a balancer. Its methods may be called from any
// goroutine.
type lobby struct {
	per int

	mu      sync.Mutex
	servers []*table
}

// table is what the lobby knows of a server.
type table struct {
	seat
	taken  int
	closed bool // to those who come
}

// Where players ask for a seat, and give it back.
const (
	seatPath  = "/seat"
	leavePath = "/leave"
)

func (l *lobby) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodPost && r.URL.Path == seatPath:
		s, ok := l.take()
		if !ok {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		// The player that does not get it asks no more: nothing is owed to it.
		_ = json.NewEncoder(w).Encode(s)
	case r.Method == http.MethodPost && r.URL.Path == leavePath:
		l.leave(r.URL.Query().Get("server"))
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (l *lobby) take() (seat, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var best *table
	for _, t := range l.servers {
		if !t.closed && t.taken < l.per && (best == nil || t.taken < best.taken) {
			best = t
		}
	}
	if best == nil {
		return seat{}, false
	}
	best.taken++
	return best.seat, true
}

// leave gives a seat back; those of a server that is gone are gone with it.
func (l *lobby) leave(server string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.servers {
		if t.Server == server && t.taken > 0 {
			t.taken--
		}
	}
}

// add opens a server for players.
func (l *lobby) add(s seat) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.servers = append(l.servers, &table{seat: s})
}

// shut opens or closes a server to those who come; who is there stays. It says how
// many that are.
func (l *lobby) shut(server string, closed bool) (taken int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.servers {
		if t.Server == server {
			t.closed, taken = closed, t.taken
		}
	}
	return taken
}

// remove forgets one.
func (l *lobby) remove(server string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, t := range l.servers {
		if t.Server == server {
			l.servers = append(l.servers[:i], l.servers[i+1:]...)
			return
		}
	}
}
