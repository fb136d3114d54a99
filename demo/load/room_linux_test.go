package load

import (
	"os"
	"path/filepath"
	"testing"
)

func TestGroupRoom(t *testing.T) {
	dir := t.TempDir()
	write := func(file, text string) {
		t.Helper()
		file = filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("cpu", "3:cpu:/a\n2:memory:/b")
	write("one", "5:cpu,cpuacct:/x\n4:pids:/a/b\n0::/a/b")
	write("two", "0::/c/d")
	write("root/pids/a/b/pids.max", "max")
	write("root/pids/a/b/pids.current", "3")
	write("root/pids/a/pids.max", "100")
	write("root/pids/a/pids.current", "60")
	write("root/pids/pids.max", "50")
	write("root/pids/pids.current", "20")
	write("root/c/d/pids.max", "40")
	write("root/c/d/pids.current", "12")
	for file, want := range map[string][3]int{"none": {}, "cpu": {}, "one": {50, 20, 1}, "two": {40, 12, 1}} {
		most, used, ok := groupRoom(filepath.Join(dir, file), filepath.Join(dir, "root"))
		if (want[2] == 1) != ok || most != want[0] || used != want[1] {
			t.Errorf("%s: %d of %d, %v; want %v", file, used, most, ok, want)
		}
	}
}

func TestThreadsOf(t *testing.T) {
	if n := threadsOf("self"); n < 2 {
		t.Errorf("this process has %d threads", n)
	}
	if n := threadsOf("0"); n != 0 {
		t.Errorf("a process that is not there has %d threads", n)
	}
}
