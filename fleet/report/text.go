package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"capmon/capacity"
	"capmon/fleet"
)

// Text writes s for people and grep: the verdict, the totals, and one line a
// host whose columns are aligned in cells, not bytes. Unknown is ?.
func Text(w io.Writer, s fleet.Snapshot) error {
	var b bytes.Buffer
	header(&b, s)
	for _, p := range s.Pools {
		poolText(&b, p, len(s.Pools) > 1)
	}
	poolTable(&b, s)
	b.WriteString("\n")
	hostTable(&b, s)
	for i := range s.Hosts {
		if h := &s.Hosts[i]; h.State != fleet.Up {
			fmt.Fprintf(&b, "\n%s is %s", h.Name, h.State)
			for _, more := range []string{h.Reason, h.Do} {
				if more != "" {
					b.WriteString(": " + more)
				}
			}
		}
	}
	for i := range s.Hosts {
		h := &s.Hosts[i]
		for k := range h.Learned {
			if line := sayLearned(h.Name, &h.Learned[k], targetOf(s, h), s.At); line != "" {
				b.WriteString("\n" + line)
			}
		}
		for k := range h.Scaling {
			fmt.Fprintf(&b, "\n%s %s", h.Name, h.Scaling[k].Say())
		}
		for k := range h.Findings {
			fmt.Fprintf(&b, "\n%s: %s", h.Name, h.Findings[k].Say())
		}
		if h.RPSNote != "" && h.State == fleet.Up {
			fmt.Fprintf(&b, "\n%s: requests not known: %s", h.Name, h.RPSNote)
		}
		for _, why := range h.Unread() {
			fmt.Fprintf(&b, "\n%s: not read: %s", h.Name, why)
		}
	}
	for _, n := range s.Notes {
		fmt.Fprintf(&b, "\nnote: %s", n)
	}
	if !bytes.HasSuffix(b.Bytes(), []byte("\n")) {
		b.WriteString("\n")
	}
	_, err := w.Write(b.Bytes())
	return err
}

func header(b *bytes.Buffer, s fleet.Snapshot) {
	t := s.Totals
	fmt.Fprintf(b, "capmon  %s  %d of %d hosts up", s.At.UTC().Format(time.RFC3339), t.Up, t.Hosts)
	for _, state := range []struct {
		n    int
		word string
	}{{t.Stale, "stale"}, {t.Down, "down"}, {t.Unseen, "unseen"}} {
		if state.n > 0 {
			fmt.Fprintf(b, ", %d %s", state.n, state.word)
		}
	}
	if s.Simulated {
		b.WriteString("  SIMULATED")
	}
	b.WriteString("\n")
}

func poolText(b *bytes.Buffer, p fleet.Pool, named bool) {
	pool := ""
	if named {
		pool = p.Name + ": "
	}
	if do := longest(p.Verdict.Do); do != "" {
		sign := p.Verdict.Level.Sign()
		if sign != "" && !strings.HasPrefix(do, sign) {
			sign += " "
		} else {
			sign = ""
		}
		b.WriteString(pool + sign + do + "\n")
	}
	if why := longest(p.Verdict.Why); why != "" {
		b.WriteString(pool + why + "\n")
	}
}

// rowsOf are the cells of the table, the head first and the totals last.
func rowsOf(s fleet.Snapshot) [][]string {
	rows := [][]string{{"HOST", "STATE", "AGE", "CPU%", "CORES", "OF", "HOT%", "RPS", "CONNS", "ROOM", "BOUND", "FLAGS"}}
	for i := range s.Hosts {
		h := &s.Hosts[i]
		rows = append(rows, []string{
			h.Name, h.State.String(), decimal(h.Age, 1), percent(h.CPU), decimal(h.CoresUsed, 1), amount(h.Available), hot(h.HottestCore),
			whole(h.RPS), whole(h.Connections), whole(h.RoomUsers), or(h.Bound, "?"), or(strings.Join(h.Flags, ","), "-"),
		})
	}
	t := s.Totals
	bound, room, conns := "?", capacity.Num{}, t.Connections
	if len(s.Pools) > 1 { // as requests and room: of the edge, never a sum over tiers
		conns = capacity.Num{}
	}
	if p := edgePool(s); p != nil {
		bound, room = or(p.Bound, "?"), p.RoomUsers
		for i := range s.Hosts {
			if h := &s.Hosts[i]; len(s.Pools) > 1 && h.Counted && h.Pool == p.Name && h.Connections.OK {
				conns = capacity.Known(conns.V + h.Connections.V)
			}
		}
	}
	return append(rows, []string{
		"FLEET", fmt.Sprintf("%d/%d", t.Counted, t.Hosts), "", percent(t.CPU), decimal(t.CoresUsed, 1), amount(t.Cores), hot(t.HottestCore),
		whole(t.RPS), whole(conns), whole(room), bound, "",
	})
}

// hostTable writes one line a host, with its pool where there are several.
func hostTable(b *bytes.Buffer, s fleet.Snapshot) {
	rows, left := rowsOf(s), map[int]bool{0: true, 1: true, 10: true, 11: true}
	if len(s.Pools) > 1 {
		pools := []string{"POOL"}
		for i := range s.Hosts {
			pools = append(pools, or(s.Hosts[i].Pool, "?"))
		}
		for i, name := range append(pools, or(s.Totals.Edge, "?")) {
			rows[i] = slices.Insert(rows[i], 1, name)
		}
		left = map[int]bool{0: true, 1: true, 2: true, 11: true, 12: true}
	}
	table(b, rows, left)
}

// table writes rows in columns as wide as their widest cell, with two spaces
// between them and none at the end of a line; left says which are of words.
func table(b *bytes.Buffer, rows [][]string, left map[int]bool) {
	widths := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, c := range r {
			widths[i] = max(widths[i], ansi.StringWidth(c))
		}
	}
	for _, r := range rows {
		var line strings.Builder
		for i, c := range r {
			pad := strings.Repeat(" ", widths[i]-ansi.StringWidth(c))
			if i > 0 {
				line.WriteString("  ")
			}
			if left[i] {
				line.WriteString(c + pad)
			} else {
				line.WriteString(pad + c)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

func percent(n capacity.Num) string {
	if !n.OK {
		return "?"
	}
	return capacity.Count(n.V * 100)
}

func decimal(n capacity.Num, digits int) string {
	if !n.OK {
		return "?"
	}
	return capacity.Decimal(n.V, digits)
}

func whole(n capacity.Num) string { return decimal(n, 0) }

func amount(n capacity.Num) string {
	if !n.OK {
		return "?"
	}
	return capacity.Amount(n.V)
}

func hot(h fleet.HotCore) string {
	if !h.Known {
		return "?"
	}
	return capacity.Count(h.Busy * 100)
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
