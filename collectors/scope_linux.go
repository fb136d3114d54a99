package collectors

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// scopeProcesses bounds the processes of a scope that are looked at, and
	// scopeGroups the control groups below it.
	scopeProcesses = 512
	scopeGroups    = 512

	// scopeEvery is how often the processes of a control group are listed though
	// none began on this machine: they can be moved.
	scopeEvery = 5 * time.Second
)

// Find tells whether the scope is there; its error says what to do.
func (s Scope) Find(c Config) error {
	c = c.withDefaults()
	if s.pid != 0 {
		if _, ok := readStart(c.Proc, s.pid); !ok {
			return fmt.Errorf("there is no process %d, or it is hidden from this user", s.pid)
		}
		return nil
	}
	g, err := s.groups(c)
	if err != nil {
		return err
	}
	if s.folder(g) == "" {
		return fmt.Errorf("there is no control group %s: `cat /proc/PID/cgroup` shows that of a process", s.group)
	}
	return nil
}

// Gone returns when the process of the scope has ended, with an error that says
// so, or with ctx. A control group may come back: it is never gone.
func (s Scope) Gone(ctx context.Context) error {
	if s.pid == 0 {
		<-ctx.Done()
		return nil
	}
	name := ""
	if p, err := readProcess("/proc", s.pid); err == nil {
		name = " (" + printName(p.name) + ")"
	}
	s.wait(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("process %d%s has ended, and with it what this agent reads", s.pid, name)
}

// wait returns when the process has ended, or with ctx.
func (s Scope) wait(ctx context.Context) {
	start, there := readStart("/proc", s.pid)
	if fd, err := unix.PidfdOpen(s.pid, unix.PIDFD_NONBLOCK); err == nil {
		process := os.NewFile(uintptr(fd), "pidfd")
		defer process.Close()
		defer context.AfterFunc(ctx, func() { process.Close() })()
		if raw, err := process.SyscallConn(); err == nil {
			err = raw.Read(func(fd uintptr) bool {
				n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
				return err == nil && n > 0
			})
			if err == nil || ctx.Err() != nil {
				return
			}
		}
	}
	tick := time.NewTicker(time.Second) // a kernel before 5.10
	defer tick.Stop()
	for there {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now, ok := readStart("/proc", s.pid)
		there = ok && now == start
	}
}

// groups are the folders of the control group in each hierarchy that has it,
// and of those above it.
func (s Scope) groups(c Config) (cgroups, error) {
	b, err := readBounded(path.Join(c.Proc, "self/mountinfo"))
	if err != nil {
		return cgroups{}, fmt.Errorf("find the control groups: %w", err)
	}
	mounts := parseCgroupMounts(b)
	group := path.Clean("/" + s.group)
	for _, m := range mounts {
		if rest, ok := strings.CutPrefix(group, m.point); ok && (rest == "" || rest[0] == '/') {
			group = path.Join("/", m.root, rest) // the path of its folder
			break
		}
	}
	there := func(dirs cgroupPath) bool {
		if len(dirs) == 0 {
			return false
		}
		_, err := os.Stat(dirs[0])
		return err == nil
	}
	member := map[string]string{"": group}
	for _, m := range mounts {
		for _, name := range m.controllers {
			member[name] = group
		}
	}
	g := joinCgroups(member, mounts, c.Sys)
	// groupsBelow takes what is not below a mount for its root.
	if !there(g.v2) || group != "/" && len(g.v2) < 2 {
		g.v2 = nil
	}
	for name, dirs := range g.v1 {
		if !there(dirs) || group != "/" && len(dirs) < 2 {
			delete(g.v1, name)
		}
	}
	return g, nil
}

// folder is one that lists the processes of the group; "" = the group is not
// there.
func (s Scope) folder(g cgroups) string {
	for _, name := range []string{"cpuacct", "cpu", "memory", "cpuset"} {
		if dirs := g.v1[name]; len(dirs) > 0 {
			return dirs[0]
		}
	}
	if len(g.v2) > 0 {
		return g.v2[0]
	}
	return ""
}

// scopeMembers are the processes of a scope. Safe for concurrent use: each
// collector of an interval asks, and the first one looks.
type scopeMembers struct {
	scope Scope
	c     Config

	mu     sync.Mutex
	newest kept // /proc/loadavg: its last number is that of the newest process
	last   string
	listed time.Time
	pids   []int // in rising order
	turn   uint64
	err    error
	walk   walker
}

func newScopeMembers(c Config) *scopeMembers {
	return &scopeMembers{scope: c.Scope, c: c, newest: kept{path: c.Proc + "/loadavg"}, walk: walker{ctx: context.Background(), buf: make([]byte, 4<<10)}}
}

func (m *scopeMembers) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.newest.close()
}

// get lists them; turn changes with the list. An error means that there are
// none now.
func (m *scopeMembers) get(now time.Time) (pids []int, turn uint64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.Equal(m.listed) {
		return m.pids, m.turn, m.err
	}
	b, err := m.newest.read(128)
	newest := lastField(b)
	if err == nil && newest == m.last && m.err == nil && now.Sub(m.listed) < scopeEvery && m.alive() {
		return m.pids, m.turn, nil
	}
	m.last, m.listed = newest, now
	var found []int
	if m.scope.pid != 0 {
		found, m.err = m.tree()
	} else {
		found, m.err = m.group()
	}
	slices.Sort(found)
	found = slices.Compact(found)
	if !slices.Equal(found, m.pids) {
		m.pids, m.turn = found, m.turn+1
	}
	return m.pids, m.turn, m.err
}

// alive tells whether every process of the list is there still; one that
// ended does not make another newest.
func (m *scopeMembers) alive() bool {
	for _, pid := range m.pids {
		if unix.Kill(pid, 0) == unix.ESRCH {
			return false
		}
	}
	return true
}

// tree is the process, those it started, those they started, and those that
// were so found before and are there still: one whose parent has ended has
// another, which is none of the scope.
func (m *scopeMembers) tree() ([]int, error) {
	if _, ok := readStart(m.c.Proc, m.scope.pid); !ok {
		return nil, fmt.Errorf("process %d has ended", m.scope.pid)
	}
	found := []int{m.scope.pid}
	for _, pid := range m.pids {
		if pid != m.scope.pid && unix.Kill(pid, 0) != unix.ESRCH {
			found = append(found, pid)
		}
	}
	for i := 0; i < len(found); i++ {
		for _, child := range m.children(found[i]) {
			if !slices.Contains(found, child) {
				found = append(found, child)
			}
		}
		if len(found) > scopeProcesses {
			return found[:scopeProcesses], fmt.Errorf("the scope has more than %d processes: the rest is left out", scopeProcesses)
		}
	}
	return found, nil
}

// children are the processes that any thread of pid started.
func (m *scopeMembers) children(pid int) (all []int) {
	folder := filepath.Join(m.c.Proc, strconv.Itoa(pid), "task")
	m.walk.eachName(folder, func(_ int, tid string) bool {
		if tid[0] == '.' {
			return true
		}
		b, err := readBounded(folder + "/" + tid + "/children")
		if err != nil {
			return true // it has ended, or the kernel was built without
		}
		for word := range strings.FieldsSeq(string(b)) {
			if child, err := strconv.Atoi(word); err == nil {
				all = append(all, child)
			}
		}
		return true
	})
	return all
}

// group is the processes of the control group and of those below it.
func (m *scopeMembers) group() ([]int, error) {
	g, err := m.scope.groups(m.c)
	if err != nil {
		return nil, err
	}
	folder := m.scope.folder(g)
	if folder == "" {
		return nil, fmt.Errorf("control group %s is gone: waiting for it to come back", m.scope.group)
	}
	var found []int
	groups := 0
	err = filepath.WalkDir(folder, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil // removed meanwhile
		}
		if groups++; groups > scopeGroups {
			return fmt.Errorf("the scope has more than %d control groups: the rest is left out", scopeGroups)
		}
		b, err := readGroupFile(name + "/cgroup.procs")
		if err != nil {
			return nil // a group of threads: those above have its processes
		}
		for word := range strings.FieldsSeq(string(b)) {
			if pid, err := strconv.Atoi(word); err == nil && pid > 0 {
				found = append(found, pid)
			}
		}
		if len(found) > scopeProcesses {
			found = found[:scopeProcesses]
			return fmt.Errorf("the scope has more than %d processes: the rest is left out", scopeProcesses)
		}
		return nil
	})
	return found, err
}

var errNoScopeUse = errors.New("no use in it")

// scopeList are the collectors of a scope, in the order of List. The cores come
// after the threads, of which its cells are made.
func scopeList(c Config) []Collector {
	own := new(ownConns)
	found := newListeners()
	idle := new(idleCores)
	members := newScopeMembers(c)
	use := newScopeUse(c, members)
	list := []Collector{
		&memoryCollector{source: use},
		newScopeConnections(c, own, found, members),
		newLimits(c, found),
		newRPS(c, own, found),
		newScopeThreads(c, found, idle, members),
		newScopeCPU(c, idle, use),
		newSelf(c),
	}
	if c.Users.String() != "" {
		list = append(list, newUsers(c.Users, own))
	}
	return list
}
