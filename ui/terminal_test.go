package ui

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// pieces reads five bytes at a time.
type pieces struct{ r io.Reader }

func (p pieces) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), 5)]) }

func TestAnswerIsTakenOutOfTheKeys(t *testing.T) {
	for name, c := range map[string]struct {
		in    string
		keys  string
		light []bool
	}{
		"keys alone":       {"jk\x1b[Aq", "jk\x1b[Aq", nil},
		"light, BEL":       {"j\x1b]11;rgb:ffff/ffff/ffff\ak", "jk", []bool{true}},
		"dark, ST":         {"\x1b]11;rgb:1010/1414/1818\x1b\\q", "q", []bool{false}},
		"two digits":       {"\x1b]11;rgb:fd/f6/e3\a", "", []bool{true}},
		"twice":            {"\x1b]11;rgb:0/0/0\a\x1b]11;rgb:f/f/f\a", "", []bool{false}},
		"nonsense":         {"a\x1b]11;pink\ab", "ab", nil},
		"too many digits":  {"\x1b]11;rgb:fffff/0/0\a", "", nil},
		"an escape alone":  {"\x1b", "\x1b", nil},
		"another question": {"\x1b]10;rgb:0/0/0\ax", "\x1b]10;rgb:0/0/0\ax", nil},
	} {
		for _, way := range []struct {
			name string
			read func(io.Reader) io.Reader
		}{{"whole", func(r io.Reader) io.Reader { return r }}, {"in pieces", func(r io.Reader) io.Reader { return pieces{r} }}} {
			t.Run(name+"/"+way.name, func(t *testing.T) {
				var light []bool
				left := false
				k := &keyboard{in: way.read(bytes.NewBufferString(c.in)), gone: func() { left = true }, answer: func(l bool) { light = append(light, l) }}
				var keys []byte
				for !left {
					buf := make([]byte, 256)
					n, err := k.Read(buf)
					keys = append(keys, buf[:n]...)
					if err != nil && !errors.Is(err, io.EOF) {
						t.Fatal(err)
					}
				}
				if string(keys) != c.keys {
					t.Errorf("keys %q, want %q", keys, c.keys)
				}
				if len(light) != len(c.light) || len(light) > 0 && light[0] != c.light[0] {
					t.Errorf("answers %v, want %v", light, c.light)
				}
			})
		}
	}
}

func FuzzKeyboard(f *testing.F) {
	f.Add([]byte("\x1b]11;rgb:ffff/ffff/ffff\a"), uint8(3))
	f.Add([]byte("\x1b]11;\x1b]11;\x1b\\"), uint8(1))
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		left := false
		k := &keyboard{in: bytes.NewReader(in), gone: func() { left = true }, answer: func(bool) {}}
		total := 0
		for i := 0; !left; i++ {
			if i > 2*len(in)+10 {
				t.Fatal("it never ends")
			}
			n, _ := k.Read(make([]byte, int(step)+1))
			total += n
		}
		if total > len(in) {
			t.Errorf("%d bytes came out of %d", total, len(in))
		}
	})
}
