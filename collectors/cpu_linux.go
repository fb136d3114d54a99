package collectors

import (
	"bytes"
	"context"
	"fmt"
	"math"
)

// userHz is the unit of /proc/stat on every architecture Go runs on: ticks a
// second as the kernel shows them to programs, whatever its own clock does.
const userHz = 100

// statSource reads /proc/stat, 11 µs on a kept descriptor.
type statSource struct{ file kept }

func newCoreSource(c Config) coreSource {
	if c.Portable {
		return new(timesSource)
	}
	return &statSource{file: kept{path: c.Proc + "/stat"}}
}

func (s *statSource) close() { s.file.close() }

func (s *statSource) read(_ context.Context, into *coreTimes) error {
	into.hz = userHz
	b, err := s.file.readUntil(8<<10, coresEnd)
	if err != nil {
		into.cores = into.cores[:0]
		return err
	}
	into.cores, err = parseStat(into.cores[:0], b)
	if err != nil {
		return fmt.Errorf("read %s: %w", s.file.path, err)
	}
	return nil
}

// coresEnd tells whether the lines of the cores are complete in b.
func coresEnd(b []byte) bool {
	for len(b) > 0 {
		line, rest, whole := bytes.Cut(b, newline)
		if !whole {
			return false
		}
		if !bytes.HasPrefix(line, cpuPrefix) {
			return true
		}
		b = rest
	}
	return false
}

var cpuPrefix = []byte("cpu")

// parseStat reads the cpuN lines of /proc/stat. Only cores that are online
// have one. Kernels before 2.6.33 have fewer fields; four are needed.
func parseStat(dst []coreTime, b []byte) ([]coreTime, error) {
	for len(b) > 0 {
		line, rest, _ := bytes.Cut(b, newline)
		b = rest
		if !bytes.HasPrefix(line, cpuPrefix) {
			break
		}
		line = line[len(cpuPrefix):]
		if len(line) == 0 || line[0] < '0' || line[0] > '9' {
			continue // the sum of all cores
		}
		id, line, ok := cutNumber(line)
		if !ok || id > math.MaxInt32 {
			return dst[:0], fmt.Errorf("a core with number %q", firstField(line))
		}
		if n := len(dst); n > 0 && uint64(dst[n-1].id) >= id {
			return dst[:0], fmt.Errorf("core %d after core %d", id, dst[n-1].id)
		}
		c := coreTime{id: int(id)}
		f := 0
		for ; f < timeFields; f++ {
			v, rest, ok := cutNumber(line)
			if !ok {
				break
			}
			c.t[f], line = v, rest
		}
		if f <= tIdle {
			return dst[:0], fmt.Errorf("core %d has %d numbers, at least 4 are needed", id, f)
		}
		dst = append(dst, c)
	}
	if len(dst) == 0 {
		return dst, fmt.Errorf("no cores in it")
	}
	return dst, nil
}

// firstField is what an error quotes of a line: its first word, cut short.
func firstField(b []byte) []byte {
	b, _, _ = bytes.Cut(bytes.TrimSpace(b), []byte{' '})
	return b[:min(len(b), 32)]
}
