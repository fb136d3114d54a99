package collectors

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// A cgroupPath is the chain of control groups above this process in one
// hierarchy, as far as they can be seen from here: its own first, the topmost
// last. Each is a folder.
type cgroupPath []string

// cgroups are the hierarchies this process is in. Where both versions are
// mounted (a hybrid), a controller is in one of them only; the other has no
// file of it and sets no limit.
type cgroups struct {
	v1 map[string]cgroupPath // by controller
	v2 cgroupPath            // nil = not mounted
}

// cgroupMount is one mounted hierarchy.
type cgroupMount struct {
	root        string // the group that is seen at point
	point       string
	v2          bool
	controllers []string // version 1 only
}

// findCgroups reads /proc/self/cgroup and /proc/self/mountinfo. A system
// without control groups has an empty answer and no error.
func findCgroups(proc, sys string) (cgroups, error) {
	member, err := readBounded(path.Join(proc, "self/cgroup"))
	if errors.Is(err, fs.ErrNotExist) {
		return cgroups{}, nil
	}
	if err != nil {
		return cgroups{}, err
	}
	mounts, err := readBounded(path.Join(proc, "self/mountinfo"))
	if err != nil {
		return cgroups{}, err
	}
	return joinCgroups(parseMembership(member), parseCgroupMounts(mounts), sys), nil
}

// joinCgroups finds each group of this process below a mount of its hierarchy.
func joinCgroups(member map[string]string, mounts []cgroupMount, sys string) cgroups {
	g := cgroups{v1: make(map[string]cgroupPath)}
	better := func(old cgroupPath, m cgroupMount, group string) cgroupPath {
		dirs := groupsBelow(m, group, sys)
		if len(dirs) > len(old) {
			return dirs // sees more of the groups above
		}
		return old
	}
	for _, m := range mounts {
		if m.v2 {
			if group, ok := member[""]; ok {
				g.v2 = better(g.v2, m, group)
			}
			continue
		}
		for _, c := range m.controllers {
			if group, ok := member[c]; ok {
				g.v1[c] = better(g.v1[c], m, group)
			}
		}
	}
	return g
}

// groupsBelow lists the folders from group up to the mount's point. A group
// that is not below what the mount shows (a bind mount of a container's own
// group without a namespace of its own, say) is taken to be at the point.
func groupsBelow(m cgroupMount, group, sys string) cgroupPath {
	point := m.point
	if rest, ok := strings.CutPrefix(point, "/sys/"); ok {
		point = path.Join(sys, rest)
	}
	group = path.Clean("/" + group)
	root := path.Clean("/" + m.root)
	rel := ""
	if root == "/" {
		rel = group
	} else if rest, ok := strings.CutPrefix(group, root); ok && (rest == "" || rest[0] == '/') {
		rel = rest
	}
	rel = strings.Trim(rel, "/")
	var dirs cgroupPath
	for rel != "" && rel != "." {
		dirs = append(dirs, path.Join(point, rel))
		rel = path.Dir(rel)
	}
	return append(dirs, point)
}

// parseMembership reads /proc/self/cgroup: lines of id:controllers:path. The
// second version has the empty controller. Named hierarchies (name=systemd)
// have no limits and are left out.
func parseMembership(b []byte) map[string]string {
	member := make(map[string]string)
	for line := range bytes.Lines(b) {
		fields := strings.SplitN(strings.TrimSuffix(string(line), "\n"), ":", 3)
		if len(fields) != 3 || !strings.HasPrefix(fields[2], "/") {
			continue
		}
		if fields[1] == "" && fields[0] != "0" {
			continue
		}
		for c := range strings.SplitSeq(fields[1], ",") {
			if !strings.Contains(c, "=") {
				member[c] = fields[2]
			}
		}
	}
	return member
}

// parseCgroupMounts reads the lines of /proc/self/mountinfo that are control
// groups: id parent major:minor root point options [tags] - type source options.
func parseCgroupMounts(b []byte) []cgroupMount {
	var mounts []cgroupMount
	for line := range bytes.Lines(b) {
		left, right, ok := strings.Cut(strings.TrimSuffix(string(line), "\n"), " - ")
		before, after := strings.Fields(left), strings.Fields(right)
		if !ok || len(before) < 6 || len(after) < 3 {
			continue
		}
		m := cgroupMount{root: unescapeMount(before[3]), point: unescapeMount(before[4])}
		switch after[0] {
		case "cgroup2":
			m.v2 = true
		case "cgroup":
			for o := range strings.SplitSeq(after[len(after)-1], ",") {
				switch o {
				case "cpu", "cpuacct", "cpuset", "memory":
					m.controllers = append(m.controllers, o)
				}
			}
			if m.controllers == nil {
				continue
			}
		default:
			continue
		}
		mounts = append(mounts, m)
	}
	return mounts
}

// unescapeMount turns the \040 of mountinfo back into a blank.
func unescapeMount(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if v, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(v))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// readLimit reads one number of a control group. ok is false where the file is
// not there or holds "max" or "-1": no limit. Other text is an error.
func readLimit(file string) (v float64, ok bool, err error) {
	b, err := readGroupFile(file)
	if b == nil || err != nil {
		return 0, false, err
	}
	v, ok, err = parseLimit(string(bytes.TrimSpace(b)))
	if err != nil {
		err = fmt.Errorf("read %s: %w", file, err)
	}
	return v, ok, err
}

func parseLimit(text string) (v float64, ok bool, err error) {
	if text == "max" || text == "-1" || text == "" {
		return 0, false, nil
	}
	v, err = strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
		return 0, false, fmt.Errorf("%.32q is no limit", text)
	}
	return v, true, nil
}

// readGroupFile is readBounded where a file that is not there, or a group that
// is being removed, is nil and no error.
func readGroupFile(file string) ([]byte, error) {
	b, err := readBounded(file)
	if err != nil && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, errGroupGone)) {
		return nil, nil
	}
	return b, err
}

// readBounded reads a file of at most 1 MB.
func readBounded(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxKept+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxKept {
		return nil, fmt.Errorf("read %s: longer than %d bytes", file, maxKept)
	}
	return b, nil
}

// statValue finds "name value" on a line of its own, as in cpu.stat and
// memory.stat.
func statValue(b []byte, name string) (uint64, bool) {
	for len(b) > 0 {
		line, rest, _ := bytes.Cut(b, newline)
		b = rest
		if len(line) > len(name) && line[len(name)] == ' ' && string(line[:len(name)]) == name {
			v, _, ok := cutNumber(line[len(name):])
			return v, ok
		}
	}
	return 0, false
}
