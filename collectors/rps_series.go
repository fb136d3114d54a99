package collectors

import (
	"bytes"
	"errors"
	"strings"
)

// seriesLabel is one label of a line.
type seriesLabel struct{ name, value []byte }

// maxLabels bounds the labels of one line.
const maxLabels = 64

var errSeries = errors.New("not a metric")

// escapeLabel writes a value as the text format does.
var escapeLabel = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

// metricLength is how many bytes at the beginning of b are a metric's name.
func metricLength(b []byte) int {
	for i, c := range b {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == ':' || i > 0 && c >= '0' && c <= '9') {
			return i
		}
	}
	return len(b)
}

// parseSeries reads metric{label="value",..} off the beginning of b. Values are
// unescaped; those without an escape point into b.
func parseSeries(b []byte) (metric []byte, labels []seriesLabel, rest []byte, err error) {
	n := metricLength(b)
	if n == 0 {
		return nil, nil, nil, errSeries
	}
	metric, rest = b[:n], b[n:]
	inner := bytes.TrimLeft(rest, " \t")
	if !bytes.HasPrefix(inner, []byte{'{'}) {
		return metric, nil, rest, nil
	}
	rest = bytes.TrimLeft(inner[1:], " \t")
	for !bytes.HasPrefix(rest, []byte{'}'}) {
		if len(labels) == maxLabels {
			return nil, nil, nil, errSeries
		}
		var l seriesLabel
		if l, rest, err = parseLabel(rest); err != nil {
			return nil, nil, nil, err
		}
		labels = append(labels, l)
		rest = bytes.TrimLeft(rest, " \t")
		switch {
		case bytes.HasPrefix(rest, []byte{','}):
			rest = bytes.TrimLeft(rest[1:], " \t")
		case !bytes.HasPrefix(rest, []byte{'}'}):
			return nil, nil, nil, errSeries
		}
	}
	return metric, labels, rest[1:], nil
}

// parseLabel reads name="value" off the beginning of b.
func parseLabel(b []byte) (l seriesLabel, rest []byte, err error) {
	n := metricLength(b)
	l.name = b[:n]
	rest = bytes.TrimLeft(b[n:], " \t")
	if n == 0 || len(rest) == 0 || rest[0] != '=' {
		return l, nil, errSeries
	}
	rest = bytes.TrimLeft(rest[1:], " \t")
	if len(rest) == 0 || rest[0] != '"' {
		return l, nil, errSeries
	}
	rest = rest[1:]
	escaped := false
	for i := 0; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			l.value = rest[:i]
			if escaped {
				l.value = unescapeLabel(l.value)
			}
			return l, rest[i+1:], nil
		}
	}
	return l, nil, errSeries
}

// unescapeLabel turns \\, \" and \n of a value back.
func unescapeLabel(v []byte) []byte {
	out := make([]byte, 0, len(v))
	for i := 0; i < len(v); i++ {
		if v[i] == '\\' && i+1 < len(v) {
			i++
			switch v[i] {
			case 'n':
				out = append(out, '\n')
				continue
			case '\\', '"':
			default:
				out = append(out, '\\')
			}
		}
		out = append(out, v[i])
	}
	return out
}
