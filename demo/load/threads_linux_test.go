package load

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Each loop is a thread of the kernel, with its name, its niceness and its core.
func TestThreadsAreThere(t *testing.T) {
	r, err := Start(t.Context(), Spec{Threads: 2, Duty: 1, For: time.Minute, Nice: 12, Pin: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Stop()
	working(r)
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, task := range tasks {
		dir := "/proc/self/task/" + task.Name()
		comm, _ := os.ReadFile(dir + "/comm")
		if !strings.HasPrefix(string(comm), "loop ") {
			continue
		}
		stat, _ := os.ReadFile(dir + "/stat")
		_, rest, _ := strings.Cut(string(stat), ") ")
		var tid int
		fmt.Sscan(task.Name(), &tid)
		var set unix.CPUSet
		if err := unix.SchedGetaffinity(tid, &set); err != nil {
			t.Fatal(err)
		}
		found = append(found, fmt.Sprintf("%s nice %s cores %d", strings.TrimSpace(string(comm)), strings.Fields(rest)[16], set.Count()))
	}
	slices.Sort(found)
	want := []string{"loop 1 nice 12 cores 1", "loop 2 nice 12 cores 1"}
	if !slices.Equal(found, want) {
		t.Errorf("threads %q, want %q", found, want)
	}
}

// A thread that is lent has its name, and the process keeps its own.
func TestLentThreadsHaveNames(t *testing.T) {
	process, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	names := make(chan string)
	for range 8 {
		go OnThread("lent", func() {
			comm, _ := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/comm", unix.Gettid()))
			names <- strings.TrimSpace(string(comm))
		})
		if got := <-names; got != "lent" {
			t.Errorf("it is called %q", got)
		}
	}
	if now, _ := os.ReadFile("/proc/self/comm"); string(now) != string(process) {
		t.Errorf("the process is called %q, it was %q", now, process)
	}
}
