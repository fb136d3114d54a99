package collectors

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// logBudget is how much of a log is read at one poll. What a second brings
	// more than that is read later.
	logBudget = 16 << 20
	// logLine is how much of a line is kept: its status comes before that.
	logLine = 32 << 10
	// logTime bounds the reading of one poll.
	logTime = 150 * time.Millisecond
)

// logCounter counts the lines of an access log, of which each is a response.
type logCounter struct {
	tail  *tail
	lines logLines
}

func newLogCounter(path, format string) *logCounter {
	return &logCounter{tail: &tail{path: path}, lines: logLines{format: format}}
}

// count implements counter.
func (l *logCounter) count(ctx context.Context) (readout, error) {
	ctx, cancel := context.WithTimeout(ctx, logTime)
	defer cancel()
	behind, err := l.tail.read(ctx, logBudget, l.lines.take)
	if err != nil {
		return readout{}, err
	}
	t := l.lines.tally
	t.classes = true
	switch {
	case behind > 0:
		t.note = fmt.Sprintf("the log grows faster than it is read: %.1f MB behind", float64(behind)/1e6)
	case l.lines.confused():
		return readout{}, errors.New("its lines are neither the combined format nor JSON with a status: log in one of them")
	}
	return readout{tally: t}, nil
}

func (l *logCounter) close() { l.tail.close() }

// logLines counts lines.
type logLines struct {
	format string
	tally  tally
	junk   int // lines since the last that was understood
}

// take counts one line, which may be cut off after logLine bytes. Responses
// that are not final are no responses.
func (l *logLines) take(line []byte) {
	status := 0
	switch json := bytes.HasPrefix(line, []byte{'{'}); {
	case l.format == "json" || l.format == "" && json:
		status = jsonStatus(line)
	default:
		status = combinedStatus(line)
	}
	switch {
	case status == 0:
		l.junk++
		return
	case status >= 200:
		l.tally.add(status, 1)
	}
	l.junk = 0
}

// confused tells whether nothing of the log makes sense; a line of junk among
// others is passed over.
func (l *logLines) confused() bool { return l.junk >= 20 }

// combinedStatus takes the status from a line of the common or combined format,
// 0 = it is none. Something may come before it, as in Apache's vhost_combined.
//
//	127.0.0.1 - - [24/Nov/2026:15:08:05 +0000] "GET / HTTP/1.1" 200 612 "-" "curl"
func combinedStatus(line []byte) int {
	for {
		i := bytes.IndexByte(line, '"')
		if i < 0 {
			return 0
		}
		line = line[i+1:]
		end := quotedEnd(line)
		if end < 0 {
			return 0
		}
		line = line[end+1:]
		if len(line) >= 4 && line[0] == ' ' && (len(line) == 4 || line[4] == ' ') {
			if status := digits(line[1:4]); status != 0 {
				return status
			}
		}
	}
}

// quotedEnd is where a quoted text ends; a backslash takes the next character
// with it. −1 = it does not end.
func quotedEnd(b []byte) int {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// digits reads a status of three digits, 0 = it is none.
func digits(b []byte) int {
	if len(b) != 3 || b[0] < '1' || b[0] > '9' || b[1] < '0' || b[1] > '9' || b[2] < '0' || b[2] > '9' {
		return 0
	}
	return 100*int(b[0]-'0') + 10*int(b[1]-'0') + int(b[2]-'0')
}

// jsonKeys are the names under which programs write the status of a response.
var jsonKeys = [][]byte{
	[]byte("status"), []byte("status_code"), []byte("statusCode"), []byte("response_code"), []byte("responseCode"), []byte("http_status"),
	[]byte("http_status_code"), []byte("http.response.status_code"), []byte("DownstreamStatus"), []byte("code"),
}

// jsonStatus takes the status from a line of JSON without making values of it:
// the first member with a name of jsonKeys and a status as its value that is
// nested least. 0 = there is none. The line may be cut off.
func jsonStatus(line []byte) int {
	if !bytes.HasPrefix(line, []byte{'{'}) {
		return 0
	}
	status, at, depth := 0, 1<<30, 0
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			end := quotedEnd(line[i+1:])
			if end < 0 {
				return status
			}
			key := line[i+1 : i+1+end]
			i += 1 + end
			value, ok := bytes.CutPrefix(bytes.TrimLeft(line[i+1:], " \t"), []byte{':'})
			if !ok || depth >= at || !isJSONKey(key) {
				continue
			}
			if n := jsonDigits(bytes.TrimLeft(value, " \t")); n != 0 {
				status, at = n, depth
			}
		}
	}
	return status
}

func isJSONKey(key []byte) bool {
	for _, k := range jsonKeys {
		if bytes.Equal(k, key) {
			return true
		}
	}
	return false
}

// jsonDigits reads 200 or "200" off the beginning of a value.
func jsonDigits(v []byte) int {
	if bytes.HasPrefix(v, []byte{'"'}) {
		if len(v) < 5 || v[4] != '"' {
			return 0
		}
		return digits(v[1:4])
	}
	if len(v) < 4 || bytes.IndexByte([]byte(",} \t]"), v[3]) < 0 {
		return 0
	}
	return digits(v[:3])
}
