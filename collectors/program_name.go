package collectors

import (
	"path/filepath"
	"strings"

	"capmon/sample"
)

// commMax is where the kernel of Linux cuts the name of a process, in bytes.
const commMax = 15

// programName is comm, the name a process goes by, with two things put right by
// the path of its program: comm may be cut short, and some runtimes (newer
// Node) name their main thread by its role. exe may be empty.
func programName(comm, exe string) string {
	program := filepath.Base(strings.TrimSuffix(exe, " (deleted)"))
	if exe != "" && (strings.HasSuffix(comm, "MainThread") || len(comm) == commMax && strings.HasPrefix(program, comm)) {
		comm = program
	}
	return cut(sample.Printable(comm), sample.MaxName)
}
