package collectors

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// MaxScopeCores bounds the cores that a scope may be said to have.
const MaxScopeCores = 1024

// Scope is a part of this machine that is read as if it were a machine: a
// process with all that it starts, or a control group. The zero value is the
// whole machine.
type Scope struct {
	pid   int    // > 0: this process and its descendants
	group string // not empty: this control group, a path
	cores float64
}

// ParseScope reads pid:N or cgroup:PATH; a path is that of the group below its
// hierarchy, or of its folder.
func ParseScope(text string) (Scope, error) {
	kind, value, _ := strings.Cut(text, ":")
	switch kind {
	case "pid":
		pid, err := strconv.ParseUint(value, 10, 31)
		if err != nil || pid == 0 {
			return Scope{}, fmt.Errorf("%.40q is no process: want pid:1234", value)
		}
		return Scope{pid: int(pid)}, nil
	case "cgroup":
		if value == "" || len(value) > 4096 || strings.ContainsRune(value, 0) {
			return Scope{}, errors.New("want the path of a control group, as cgroup:/system.slice/nginx.service")
		}
		for part := range strings.SplitSeq(value, "/") {
			if part == ".." {
				return Scope{}, fmt.Errorf("%.80q: a control group is named without .. in its path", value)
			}
		}
		return Scope{group: value}, nil
	default:
		return Scope{}, errors.New("want pid:N or cgroup:PATH")
	}
}

// WithCores is s with a number of cores that replaces what is found.
func (s Scope) WithCores(cores float64) (Scope, error) {
	if !(cores > 0 && cores <= MaxScopeCores) || math.IsInf(cores, 0) {
		return s, fmt.Errorf("want more than 0 and at most %d", MaxScopeCores)
	}
	s.cores = cores
	return s, nil
}

// Whole tells whether s is the whole machine.
func (s Scope) Whole() bool { return s.pid == 0 && s.group == "" }

// String is what ParseScope reads; "" = the whole machine.
func (s Scope) String() string {
	switch {
	case s.pid != 0:
		return "pid:" + strconv.Itoa(s.pid)
	case s.group != "":
		return "cgroup:" + s.group
	default:
		return ""
	}
}

// cells fills n cells with what a scope used: its busiest threads first, each
// onto the cell with the most room, then the rest evenly, as water would stand.
// They are no cores: the kernel moves threads over all the machine's. Their sum
// is used, as long as there is room. runs are cores, highest first.
func cells(n int, runs []float64, used float64) []float64 {
	if n <= 0 {
		return nil
	}
	full := make([]float64, n)
	left := used
	for _, run := range runs {
		run = min(run, left)
		at := 0
		for i := range full {
			if full[i] < full[at] {
				at = i
			}
		}
		put := min(run, 1-full[at])
		full[at] += put
		left -= put
	}
	for left > 1e-9 {
		low, next, lows := 1.0, 1.0, 0
		for _, f := range full {
			low = min(low, f)
		}
		for _, f := range full {
			if f <= low+1e-12 {
				lows++
			} else {
				next = min(next, f)
			}
		}
		if low >= 1 {
			break
		}
		rise := min(next-low, left/float64(lows))
		for i, f := range full {
			if f <= low+1e-12 {
				full[i] += rise
			}
		}
		left -= rise * float64(lows)
	}
	return full
}
