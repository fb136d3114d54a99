package collectors

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"time"
)

// procMemory reads /proc/meminfo, /proc/loadavg and the limits of the
// container, where they are lower than the machine.
type procMemory struct {
	proc, sys string
	meminfo   kept
	loadavg   kept

	read  time.Time // of the limit below
	err   error     // of that reading
	limit memoryLimit
	usage kept
	stat  kept
}

// memoryLimit is the smallest limit of the groups above.
type memoryLimit struct {
	bytes uint64 // 0 = none
	dir   string
	v2    bool
}

func newMemorySource(c Config) memorySource {
	if c.Portable {
		return portableMemory{}
	}
	return &procMemory{
		proc: c.Proc, sys: c.Sys,
		meminfo: kept{path: c.Proc + "/meminfo"},
		loadavg: kept{path: c.Proc + "/loadavg"},
	}
}

func (p *procMemory) close() {
	for _, f := range []*kept{&p.meminfo, &p.loadavg, &p.usage, &p.stat} {
		f.close()
	}
}

func (p *procMemory) memory(_ context.Context, now time.Time) (*memoryUse, error) {
	if p.read.IsZero() || now.Sub(p.read) >= limitsEvery {
		p.refresh()
		p.read = now
	}
	b, err := p.meminfo.read(4 << 10)
	if err != nil {
		return nil, errors.Join(err, p.err)
	}
	m, err := parseMeminfo(b)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", p.meminfo.path, err), p.err)
	}
	if p.limit.bytes == 0 || p.limit.bytes >= m.total {
		return &m, p.err
	}
	used, err := p.groupUse()
	if err != nil {
		return nil, errors.Join(err, p.err)
	}
	return &memoryUse{total: p.limit.bytes, used: min(used, p.limit.bytes)}, p.err
}

func (p *procMemory) load(context.Context) (*loadAvg, error) {
	b, err := p.loadavg.read(256)
	if err != nil {
		return nil, err
	}
	l, err := parseLoadavg(b)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", p.loadavg.path, err)
	}
	return &l, nil
}

// parseMeminfo reads total and used. MemAvailable is the kernel's estimate of
// what could be had without swapping; kernels before 3.14 have none, there it
// is what is free or cached.
func parseMeminfo(b []byte) (memoryUse, error) {
	var total, available, free, buffers, cached uint64
	var hasTotal, hasAvailable, hasFree bool
	for len(b) > 0 {
		line, rest, _ := bytes.Cut(b, newline)
		b = rest
		name, value, _ := bytes.Cut(line, []byte{':'})
		kb, _, ok := cutNumber(value)
		if !ok || kb > 1<<50 {
			continue
		}
		switch string(name) {
		case "MemTotal":
			total, hasTotal = kb*1024, true
		case "MemAvailable":
			available, hasAvailable = kb*1024, true
		case "MemFree":
			free, hasFree = kb*1024, true
		case "Buffers":
			buffers = kb * 1024
		case "Cached":
			cached = kb * 1024
		}
	}
	if !hasAvailable && hasFree {
		available, hasAvailable = min(free+buffers+cached, total), true
	}
	if !hasTotal || !hasAvailable || total == 0 {
		return memoryUse{}, errors.New("no MemTotal and MemAvailable in it")
	}
	return memoryUse{total: total, used: total - min(available, total)}, nil
}

// parseLoadavg reads the first three numbers of /proc/loadavg.
func parseLoadavg(b []byte) (loadAvg, error) {
	var l loadAvg
	for i := range l {
		var word []byte
		b = bytes.TrimLeft(b, " ")
		word, b, _ = bytes.Cut(b, []byte{' '})
		v, err := strconv.ParseFloat(string(bytes.TrimSpace(word)), 32)
		if err != nil || !(v >= 0 && v <= math.MaxInt16) {
			return loadAvg{}, fmt.Errorf("%q is no load", firstField(word))
		}
		l[i] = v
	}
	return l, nil
}

// groupUse is what the group with the limit holds and can't give back at once:
// its usage less the file pages that have not been used lately.
func (p *procMemory) groupUse() (uint64, error) {
	b, err := p.usage.read(64)
	if err != nil {
		return 0, fmt.Errorf("memory of the container: %w", err)
	}
	used, _, ok := cutNumber(b)
	if !ok {
		return 0, fmt.Errorf("memory of the container: no number in %s", p.usage.path)
	}
	b, err = p.stat.read(4 << 10)
	if err != nil {
		return 0, fmt.Errorf("memory of the container: %w", err)
	}
	name := "total_inactive_file"
	if p.limit.v2 {
		name = "inactive_file"
	}
	idle, ok := statValue(b, name)
	if !ok {
		return 0, fmt.Errorf("memory of the container: no %s in %s", name, p.stat.path)
	}
	return used - min(idle, used), nil
}

// refresh reads the limits again.
func (p *procMemory) refresh() {
	g, err := findCgroups(p.proc, p.sys)
	best, err2 := smallestMemory(g)
	p.err = nil
	if err := errors.Join(err, err2); err != nil {
		p.err = fmt.Errorf("limits of the container: %w", err)
	}
	if best.dir != p.limit.dir || best.v2 != p.limit.v2 {
		p.usage.close()
		p.stat.close()
		usage := "memory.usage_in_bytes"
		if best.v2 {
			usage = "memory.current"
		}
		p.usage = kept{path: filepath.Join(best.dir, usage)}
		p.stat = kept{path: filepath.Join(best.dir, "memory.stat")}
	}
	p.limit = best
}

func smallestMemory(g cgroups) (memoryLimit, error) {
	var best memoryLimit
	var errs []error
	look := func(dirs cgroupPath, name string, v2 bool) {
		for _, dir := range dirs {
			v, ok, err := readLimit(filepath.Join(dir, name))
			if err != nil {
				errs = append(errs, err)
			}
			// Version 1 writes "no limit" as the largest number of pages.
			if !ok || v < 1 || v >= math.MaxInt64/2 {
				continue
			}
			if best.bytes == 0 || uint64(v) < best.bytes {
				best = memoryLimit{bytes: uint64(v), dir: dir, v2: v2}
			}
		}
	}
	look(g.v1["memory"], "memory.limit_in_bytes", false)
	look(g.v2, "memory.max", true)
	return best, errors.Join(errs...)
}
