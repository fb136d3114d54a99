package collectors

import (
	"bytes"
	"errors"
)

// parseStubStatus takes the number of requests from a stub_status page. They
// are those of the whole nginx, all its ports together, this one included.
//
//	Active connections: 291
//	server accepts handled requests
//	 16630948 16630948 31070465
//	Reading: 6 Writing: 179 Waiting: 106
func parseStubStatus(b []byte) (readout, error) {
	errNot := errors.New("not a stub_status page")
	first, b, _ := bytes.Cut(b, newline)
	second, b, _ := bytes.Cut(b, newline)
	third, _, _ := bytes.Cut(b, newline)
	if !bytes.HasPrefix(first, []byte("Active connections: ")) || !bytes.HasPrefix(second, []byte("server accepts handled requests")) {
		return readout{}, errNot
	}
	_, third, ok := cutNumber(third)
	_, third, ok2 := cutNumber(third)
	requests, _, ok3 := cutNumber(third)
	if !ok || !ok2 || !ok3 || requests > maxCount {
		return readout{}, errNot
	}
	return readout{tally: tally{count: float64(requests)}}, nil
}
