package collectors

import (
	"os"
	"path/filepath"
	"strconv"
)

// procNames are the names of the processes that are shown, each looked up once.
type procNames struct {
	proc string
	byID map[procKey]knownName
}

type knownName struct{ comm, name string }

// maxNames bounds what is kept of processes that are gone.
const maxNames = 256

func newProcNames(proc string) *procNames {
	return &procNames{proc: proc, byID: make(map[procKey]knownName)}
}

// of is the name of a process that calls itself comm.
func (n *procNames) of(key procKey, comm string, kernel bool) string {
	if kernel {
		return programName(comm, "")
	}
	if k, ok := n.byID[key]; ok && k.comm == comm {
		return k.name
	}
	if len(n.byID) >= maxNames {
		clear(n.byID)
	}
	exe, err := os.Readlink(filepath.Join(n.proc, strconv.Itoa(key.pid), "exe"))
	if err != nil {
		exe = ""
	}
	name := programName(comm, exe)
	n.byID[key] = knownName{comm, name}
	return name
}
