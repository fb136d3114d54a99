package collectors

import "testing"

func TestParseSockstat(t *testing.T) {
	const good = "sockets: used 31\nTCP: inuse 12 orphan 0 tw 345 alloc 14 mem 1\nUDP: inuse 0 mem 0\n"
	if n, err := parseSockstat([]byte(good)); n != 345 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for _, bad := range []string{"", "TCP:", "TCP: inuse 1\n", "TCP: tw\n", "TCP: tw x\n", "TCP: tw 99999999999\n", "UDP: tw 3\n"} {
		if n, err := parseSockstat([]byte(bad)); err == nil {
			t.Errorf("%q gave %d", bad, n)
		}
	}
}

func FuzzParseSockstat(f *testing.F) {
	f.Add([]byte("TCP: inuse 12 orphan 0 tw 345 alloc 14 mem 1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, err := parseSockstat(b); n != 0 && err != nil {
			t.Errorf("%d and %v", n, err)
		}
	})
}

func TestParsePortRange(t *testing.T) {
	if first, last, err := parsePortRange([]byte("32768\t60999\n")); first != 32768 || last != 60999 || err != nil {
		t.Errorf("%d, %d, %v", first, last, err)
	}
	for _, bad := range []string{"", "1", "0 5", "9 5", "1 65536", "a b", "-1 5"} {
		if first, last, err := parsePortRange([]byte(bad)); err == nil {
			t.Errorf("%q gave %d, %d", bad, first, last)
		}
	}
}

func FuzzParsePortRange(f *testing.F) {
	f.Add([]byte("32768\t60999\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if first, last, err := parsePortRange(b); err == nil && (first == 0 || last < first) {
			t.Errorf("%d, %d", first, last)
		}
	})
}
