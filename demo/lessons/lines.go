package lessons

import (
	"bufio"
	"bytes"
	"io"
	"strings"
)

// eachLine calls hear with each line of r until its end.
func eachLine(r io.Reader, hear func(line string)) {
	for s := bufio.NewScanner(r); s.Scan(); {
		hear(strings.TrimSpace(s.Text()))
	}
}

// firstLine is the first line of what a program said.
func firstLine(said []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(said), []byte("\n"))
	return string(line)
}
