package lessons

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestRunsOn(t *testing.T) {
	line := func(name, state, core string) string {
		return "7431 (" + name + ") " + state + strings.Repeat(" 1", 35) + " " + core + " 0 0\n"
	}
	for text, want := range map[string]int{
		line("loop 1", "R", "3"):       3,
		line("a) R (b 1 2", "R", "12"): 12,
		line("loop 1", "S", "3"):       -1,
		line("loop 1", "R", "x"):       -1,
		"7431 (short) R 1":             -1,
		"no parenthesis R":             -1,
		"":                             -1,
	} {
		core, ok := runsOn([]byte(text))
		if !ok {
			core = -1
		}
		if core != want {
			t.Errorf("%q: core %d, want %d", text, core, want)
		}
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/stat", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	stat[strings.LastIndex(string(stat), ")")+2] = 'R'
	if _, ok := runsOn(stat); !ok {
		t.Errorf("the kernel's own line can't be read: %q", stat)
	}
}

func TestCPUIn(t *testing.T) {
	for text, want := range map[string]float64{
		"7 (a) b) R 1 1 1 1 1 1 1 1 1 1 250 50 0 0": 3,
		"7 (a) R 1 1 1":                    -1,
		"7 (a) R 1 1 1 1 1 1 1 1 1 1 x 50": -1,
		"":                                 -1,
	} {
		got, ok := cpuIn([]byte(text))
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%q: %v seconds, want %v", text, got, want)
		}
	}
	if _, ok := cpuOf(os.Getpid()); !ok {
		t.Error("that of this process can't be read")
	}
}
