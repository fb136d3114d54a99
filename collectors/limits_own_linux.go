package collectors

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// ownLimits are the connections that a server's configuration allows.
type ownLimits interface {
	// refresh looks at the configuration again.
	refresh(ctx context.Context, proc string, f *family)
	// of is what that means for one port.
	of(port uint16) connLimit
}

// newOwnLimits is nil for servers whose configuration is not understood here.
func newOwnLimits(name string) ownLimits {
	switch name {
	case "nginx":
		return new(nginxLimits)
	case "haproxy":
		return new(haproxyLimits)
	}
	return nil
}

// readConfig is what was read of one configuration, and how its files looked.
type readConfig struct {
	command string // the command line it was found by
	seen    map[string]viewStamp
	known   bool
	owned   bool // see processView
}

// stands tells whether the answer holds for this command and these files.
func (r *readConfig) stands(command []byte, v *processView) bool {
	return r.seen != nil && r.command == string(command) && v.unchanged(r.seen)
}

// note takes how a reading went.
func (r *readConfig) note(command []byte, v *processView, err error) {
	*r = readConfig{command: string(command), seen: v.seen, known: err == nil, owned: v.owned}
}

// nginxLimits follows the configuration of one nginx.
type nginxLimits struct {
	config  readConfig
	facts   nginxFacts
	workers int
}

var _ ownLimits = (*nginxLimits)(nil)

func (n *nginxLimits) refresh(_ context.Context, proc string, f *family) {
	n.workers = f.workers
	if !bytes.HasPrefix(f.command, []byte(nginxMaster)) {
		n.workers = 1 // master_process off
	}
	command := parseNginxCommand(f.command)
	file := command.config(f.exe)
	if file == "" || len(f.command) == 0 {
		n.config = readConfig{}
		return
	}
	view := newProcessView(proc, f.root)
	defer view.close()
	if n.config.stands(f.command, view) {
		return
	}
	var err error
	n.facts, err = readNginx(view, file, command.globals)
	n.config.note(f.command, view, err)
}

func (n *nginxLimits) of(uint16) connLimit {
	if !n.config.known {
		return connLimit{}
	}
	return n.facts.limit(n.workers)
}

// haproxyLimits follows the configuration of one HAProxy, and what the running
// one says where its configuration names a socket.
type haproxyLimits struct {
	config  readConfig
	facts   haproxyFacts
	command haproxyCommand
	running uint64 // maxconn as the process has it; 0 = not known
}

var _ ownLimits = (*haproxyLimits)(nil)

func (h *haproxyLimits) refresh(ctx context.Context, proc string, f *family) {
	h.running = 0
	pid := haproxyHome(proc, f.root, f.exe)
	view := newProcessView(proc, pid)
	defer view.close()
	if !h.config.stands(f.command, view) {
		h.read(proc, pid, f.command, view)
	}
	if h.config.known && h.config.owned && h.facts.socket != "" {
		h.running = askHAProxy(ctx, view, h.facts.socket)
	}
}

func (h *haproxyLimits) read(proc string, pid int, command []byte, view *processView) {
	var err error
	h.command, h.facts, err = readHAProxyOf(view, proc, pid, command)
	if errors.Is(err, errNoConfig) {
		h.config = readConfig{}
		return
	}
	h.config.note(command, view, err)
}

// haproxyHome is the process that has the files of a HAProxy: the worker has
// locked itself into an empty folder; its master, where there is one, is where
// it was started.
func haproxyHome(proc string, root int, exe string) int {
	if p, err := readProcess(proc, root); err == nil && p.parent > 1 && exe != "" && readExe(proc, p.parent) == exe {
		return p.parent
	}
	return root
}

// errNoConfig says that a command line does not tell where the configuration is.
var errNoConfig = errors.New("its configuration is not named by an absolute path, and its folder is not known")

// readHAProxyOf reads the configuration that a command line names, where view
// is that of pid.
func readHAProxyOf(view *processView, proc string, pid int, cmdline []byte) (haproxyCommand, haproxyFacts, error) {
	command := parseHAProxyCommand(cmdline)
	cwd, err := os.Readlink(filepath.Join(proc, strconv.Itoa(pid), "cwd"))
	if err != nil {
		cwd = ""
	}
	paths, ok := command.paths(cwd)
	if !ok {
		return command, haproxyFacts{}, errNoConfig
	}
	facts, err := readHAProxy(view, paths)
	return command, facts, err
}

func (h *haproxyLimits) of(port uint16) connLimit {
	facts := haproxyFacts{}
	if h.config.known {
		facts = h.facts
	}
	return facts.limit(port, h.whole())
}

// whole is what the process can hold, by the word that counts most: what it
// says itself, its command line, its configuration.
func (h *haproxyLimits) whole() connLimit {
	switch {
	case h.running > 0:
		return connLimit{most: h.running, from: fmt.Sprintf("maxconn %d (show info)", h.running)}
	case h.command.most > 0:
		return connLimit{most: h.command.most, from: fmt.Sprintf("haproxy -n %d", h.command.most)}
	case h.config.known && h.facts.most > 0:
		return connLimit{most: h.facts.most, from: fmt.Sprintf("maxconn %d", h.facts.most)}
	}
	return connLimit{}
}

const (
	// haproxyWait and haproxyAnswer bound what a stats socket may take and say.
	haproxyWait   = 200 * time.Millisecond
	haproxyAnswer = 64 << 10
)

// askHAProxy asks the running process for its limit; 0 = no answer. The socket
// stands in a file that only root or this user can write: nobody else can have
// us talk to one that is not theirs.
func askHAProxy(ctx context.Context, view *processView, socket string) uint64 {
	at, release, err := view.socket(socket)
	if err != nil {
		return 0
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, haproxyWait)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", at)
	if err != nil {
		return 0
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })()
	if _, err := io.WriteString(c, "show info\n"); err != nil {
		return 0
	}
	b, err := io.ReadAll(io.LimitReader(c, haproxyAnswer))
	if err != nil {
		return 0
	}
	most, _ := parseShowInfo(b)
	return most
}
