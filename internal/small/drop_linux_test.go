package small

import (
	"bufio"
	"os"
	"strings"
	"testing"
)

// What is let go must be pages that the file can give back: this program goes
// on after it, and no mapping with pages of its own is among them.
func TestProgramPagesComeBack(t *testing.T) {
	before := strings.Repeat("x", 10)
	Drop()
	if before != strings.Repeat("x", 10) {
		t.Error("a constant of the program changed")
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	found := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if _, _, ok := mapping(lines.Text()); ok && isProgram(lines.Text()) {
			found++
			if strings.Contains(lines.Text(), " rw") {
				t.Errorf("a writable mapping counts as program: %s", lines.Text())
			}
		}
	}
	if found == 0 {
		t.Error("the program was not found among its own mappings")
	}
}

func TestMapping(t *testing.T) {
	for line, want := range map[string]bool{
		"00400000-00aa2000 r-xp 00000000 fe:00 99   /usr/bin/capmon": true,
		"00aa2000-011ea000 r--p 006a2000 fe:00 99   /usr/bin/capmon": true,
		"011ea000-01275000 rw-p 00dea000 fe:00 99   /usr/bin/capmon": false,
		"ece64800000-ece65000000 rw-p 00000000 00:00 0 ":             false,
		"7ffc1000-7ffc3000 r-xp 00000000 00:00 0    [vdso]":          false,
		"Anonymous:             0 kB":                                false,
		"Pss_Dirty:             0 kB":                                false,
		"":                                                           false,
	} {
		_, _, ok := mapping(line)
		if got := ok && isProgram(line); got != want {
			t.Errorf("%q: program is %v, want %v", line, got, want)
		}
	}
}

func BenchmarkDrop(b *testing.B) {
	for b.Loop() {
		Drop()
	}
}
