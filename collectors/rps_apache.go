package collectors

import (
	"bytes"
	"errors"
)

// parseServerStatus takes the number of requests from the machine-readable page
// of Apache's mod_status, all ports together. ReqPerSec is not looked at: it is
// the mean since Apache was started.
//
//	127.0.0.1
//	ServerVersion: Apache/2.4.71 (Debian)
//	...
//	Total Accesses: 31070465
//	Total kBytes: 83120
func parseServerStatus(b []byte) (readout, error) {
	if bytes.Contains(b[:min(len(b), 1024)], []byte("<html")) {
		return readout{}, errors.New("a page for people: ask for it with ?auto at the end")
	}
	apache := false
	for line := range bytes.Lines(b) {
		if bytes.HasPrefix(line, []byte("Scoreboard: ")) || bytes.HasPrefix(line, []byte("BusyWorkers: ")) {
			apache = true
		}
		rest, ok := bytes.CutPrefix(line, []byte("Total Accesses:"))
		if !ok {
			continue
		}
		n, rest, ok := cutNumber(rest)
		if !ok || n > maxCount || len(bytes.TrimSpace(rest)) > 0 {
			return readout{}, errors.New("a server-status page whose Total Accesses is no count")
		}
		return readout{tally: tally{count: float64(n)}}, nil
	}
	if apache {
		return readout{}, errors.New("a server-status page without Total Accesses: set ExtendedStatus On")
	}
	return readout{}, errors.New("not a server-status page")
}
