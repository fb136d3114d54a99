package collectors

import (
	"path/filepath"
	"strconv"
)

// readHAProxyConfig reads the configuration of the HAProxy that is process root
// as far as this user may. Where it can't, the result is empty.
func readHAProxyConfig(proc string, root int) haproxyConfig {
	pid := haproxyHome(proc, root, readExe(proc, root))
	view := newProcessView(proc, pid)
	defer view.close()
	cmdline, err := readBounded(filepath.Join(proc, strconv.Itoa(root), "cmdline"))
	if err != nil {
		return haproxyConfig{}
	}
	_, facts, err := readHAProxyOf(view, proc, pid, cmdline)
	if err != nil {
		return haproxyConfig{}
	}
	c := haproxyConfig{ports: facts.places()}
	// As for its limits: only a file that nobody else can write may have us talk
	// to a socket.
	if view.owned && facts.socket != "" {
		c.socket = facts.socket
		if !view.ours() {
			c.socket = filepath.Join(proc, strconv.Itoa(pid), "root", c.socket)
		}
	}
	return c
}
