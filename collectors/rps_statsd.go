package collectors

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// statsdNames bounds the counters that are told apart.
	statsdNames = 256
	// statsdLength bounds the name of one.
	statsdLength = 200
	// statsdPackets is how many packets a second are read; what comes beyond
	// that the kernel drops.
	statsdPackets = 50_000
	// statsdRoom is what the kernel is asked to keep of packets that are not read
	// yet, in bytes.
	statsdRoom = 4 << 20
	// statsdMost is the largest number one packet may add.
	statsdMost = 1e9
)

// statsdPort listens on a UDP port and gives every packet to packet, with mu held.
type statsdPort struct {
	address string
	packet  func(b []byte)

	conn   net.PacketConn
	reader sync.WaitGroup

	mu      sync.Mutex
	flooded bool // packets were dropped since the last look
}

// open begins to listen, once.
func (s *statsdPort) open(ctx context.Context) error {
	if s.conn != nil {
		return nil
	}
	var lc net.ListenConfig
	conn, err := lc.ListenPacket(ctx, "udp", s.address)
	if err != nil {
		return err
	}
	// The kernel drops what comes while this program waits for a core and there is no
	// room for: as much as the system lends.
	if c, ok := conn.(*net.UDPConn); ok {
		_ = c.SetReadBuffer(statsdRoom)
	}
	s.conn = conn
	s.reader.Go(s.listen)
	return nil
}

func (s *statsdPort) close() {
	if s.conn != nil {
		_ = s.conn.Close()
		s.reader.Wait()
		s.conn = nil
	}
}

// listen takes packets until the port is closed.
func (s *statsdPort) listen() {
	buf := make([]byte, 64<<10)
	var second time.Time
	packets := 0
	for {
		n, _, err := s.conn.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if now := time.Now(); now.Sub(second) >= time.Second {
			second, packets = now, 0
		}
		if packets++; err != nil || packets > statsdPackets {
			// Left to the kernel, which drops what does not fit; an error that
			// comes again and again does not turn here either.
			s.mu.Lock()
			s.flooded = s.flooded || err == nil
			s.mu.Unlock()
			time.Sleep(time.Until(second.Add(time.Second)) / 8)
			continue
		}
		s.mu.Lock()
		s.packet(buf[:n])
		s.mu.Unlock()
	}
}

// statsdCounter counts what comes to such a port:
//
//	api.requests:1|c|@0.1|#status:200
type statsdCounter struct {
	source RPSSource
	statsdPort

	// With mu held.
	names   map[string]*tally
	garbage int  // packets in which nothing was understood
	full    bool // more names came than are told apart
}

func newStatsdCounter(s RPSSource) *statsdCounter {
	c := &statsdCounter{source: s, names: make(map[string]*tally)}
	c.statsdPort = statsdPort{address: s.Address, packet: c.packet}
	return c
}

// count implements counter. The first call opens the port.
func (s *statsdCounter) count(ctx context.Context) (readout, error) {
	if err := s.open(ctx); err != nil {
		return readout{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name, err := s.choose()
	if err != nil {
		return readout{}, err
	}
	t := *s.names[name]
	if s.flooded {
		s.flooded = false
		t.note = fmt.Sprintf("more than %d packets a second: the rest is not read; let the client sample", statsdPackets)
	}
	return readout{tally: t}, nil
}

// packet counts what is in one packet, a counter a line. mu is held.
func (s *statsdCounter) packet(b []byte) {
	known := false
	for line := range bytes.SplitSeq(b, newline) {
		name, n, status, ok := parseStatsd(bytes.TrimSuffix(line, []byte{'\r'}))
		if !ok {
			continue
		}
		known = true
		t := s.names[string(name)]
		switch {
		case n == 0: // a gauge, a timer or a set
			continue
		case t == nil && len(s.names) == statsdNames:
			s.full = true
			continue
		case t == nil:
			t = &tally{classes: true}
			s.names[string(name)] = t
		}
		t.add(status, n)
		t.classes = t.classes && status != 0
	}
	if !known {
		s.garbage++
	}
}

// choose picks the counter that counts requests.
func (s *statsdCounter) choose() (string, error) {
	if want := s.source.Metric; want != "" {
		if s.names[want] == nil {
			return "", s.nothing("no counter " + want + " has come yet")
		}
		return want, nil
	}
	var all, known, mine []string
	for name := range s.names {
		all = append(all, name)
		parts := strings.FieldsFunc(name, func(r rune) bool { return r == '.' || r == '_' || r == '-' || r == '/' })
		if !endsInRequests(parts) {
			continue
		}
		known = append(known, name)
		if slices.Contains(parts, s.source.Service) {
			mine = append(mine, name)
		}
	}
	for _, list := range [][]string{mine, known, all} {
		if len(list) == 1 {
			return list[0], nil
		}
	}
	if len(all) == 0 {
		return "", s.nothing("no counter has come yet")
	}
	slices.Sort(all)
	return "", fmt.Errorf("several counters come (%s): name the one of the requests as statsd:%s#NAME", cut(strings.Join(all, ", "), 100), s.source.Address)
}

// endsInRequests tells whether a counter is called one of requests:
// api.requests, http_requests_total; not api.requests.status.404.
func endsInRequests(parts []string) bool {
	if n := len(parts); n > 1 && (parts[n-1] == "total" || parts[n-1] == "count") {
		parts = parts[:n-1]
	}
	return len(parts) > 0 && (parts[len(parts)-1] == "requests" || parts[len(parts)-1] == "request")
}

func (s *statsdCounter) nothing(text string) error {
	switch {
	case s.full:
		text += fmt.Sprintf("; more than %d names came, the others are not kept", statsdNames)
	case s.garbage > 0:
		text += fmt.Sprintf("; %d packets were not StatsD", s.garbage)
	}
	return quietError(text)
}

// parseStatsd reads one line. n is 0 for what is StatsD and no counter. status
// is the one a tag tells, 0 = none does.
func parseStatsd(line []byte) (name []byte, n float64, status int, ok bool) {
	name, rest, found := bytes.Cut(line, []byte{':'})
	if !found || !statsdName(name) {
		return nil, 0, 0, false
	}
	values, rest, found := bytes.Cut(rest, []byte{'|'})
	kind, rest, _ := bytes.Cut(rest, []byte{'|'})
	if !found {
		return nil, 0, 0, false
	}
	switch string(kind) {
	case "c":
	case "g", "ms", "h", "s", "d":
		return name, 0, 0, true
	default:
		return nil, 0, 0, false
	}
	for v := range bytes.SplitSeq(values, []byte{':'}) {
		x, err := strconv.ParseFloat(string(v), 64)
		if err != nil || !(x >= 0 && x <= statsdMost) {
			return nil, 0, 0, false
		}
		n += x
	}
	rate := 1.0
	for part := range bytes.SplitSeq(rest, []byte{'|'}) {
		if text, ok := bytes.CutPrefix(part, []byte{'@'}); ok {
			x, err := strconv.ParseFloat(string(text), 64)
			if err != nil || !(x > 0 && x <= 1) {
				return nil, 0, 0, false
			}
			rate = x
		}
		if tags, ok := bytes.CutPrefix(part, []byte{'#'}); ok {
			status = tagStatus(tags)
		}
	}
	if n /= rate; math.IsNaN(n) || n > statsdMost {
		return nil, 0, 0, false
	}
	return name, n, status, true
}

// tagStatus looks for a status among tags: status:200,method:GET.
func tagStatus(tags []byte) int {
	for tag := range bytes.SplitSeq(tags, []byte{','}) {
		name, value, _ := bytes.Cut(tag, []byte{':'})
		if slices.Contains(codeLabels, string(name)) {
			if status := statusOf(value); status != 0 {
				return status
			}
		}
	}
	return 0
}

// statsdName tells whether b may be the name of a counter.
func statsdName(b []byte) bool {
	if len(b) == 0 || len(b) > statsdLength {
		return false
	}
	for _, c := range b {
		if c <= ' ' || c >= 0x7f || c == '|' || c == ':' || c == '@' {
			return false
		}
	}
	return true
}
