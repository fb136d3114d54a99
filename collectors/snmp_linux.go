package collectors

import (
	"bytes"
	"errors"
)

// tcpStamp is what moves in /proc/net/snmp when a connection is made or ended.
type tcpStamp struct{ active, passive, resets, established uint64 }

func (d *diagSource) counters() (tcpStamp, error) {
	b, err := d.snmp.read(4 << 10)
	if err != nil {
		return tcpStamp{}, err
	}
	return parseSnmp(b)
}

// parseSnmp reads the Tcp lines: a line of names, then one of numbers.
func parseSnmp(b []byte) (tcpStamp, error) {
	var s tcpStamp
	_, b, ok := bytes.Cut(b, []byte("\nTcp:"))
	names, b, ok2 := bytes.Cut(b, []byte("\nTcp:"))
	if !ok || !ok2 || bytes.IndexByte(names, '\n') >= 0 {
		return s, errors.New("no two Tcp lines in /proc/net/snmp")
	}
	found := 0
	for len(names) > 0 {
		var name, value []byte
		name, names = nextField(names)
		value, b = nextField(b)
		var to *uint64
		switch string(name) {
		case "ActiveOpens":
			to = &s.active
		case "PassiveOpens":
			to = &s.passive
		case "EstabResets":
			to = &s.resets
		case "CurrEstab":
			to = &s.established
		default:
			continue
		}
		v, _, ok := cutNumber(value)
		if !ok {
			return s, errors.New("no number for " + string(name) + " in /proc/net/snmp")
		}
		*to = v
		found++
	}
	if found != 4 {
		return s, errors.New("counters of connections missing in /proc/net/snmp")
	}
	return s, nil
}

// nextField takes the next word of a line off b.
func nextField(b []byte) (word, rest []byte) {
	i := 0
	for i < len(b) && b[i] == ' ' {
		i++
	}
	begin := i
	for i < len(b) && b[i] != ' ' && b[i] != '\n' {
		i++
	}
	return b[begin:i], b[i:]
}
