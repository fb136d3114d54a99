package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The classroom's walk, key by key, in a real terminal: votes, the four runs,
// the lock that disappoints, the run saved and played again.
func TestTheWalkThroughTheClassroom(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}} {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			p := openTmux(t, size[0], size[1])
			p.types("capmon demo --theme dark --workers 2")
			p.shows("PREDICT   A: one program with one endless loop.")
			_, all := p.capmon()
			p.press("t")
			p.shows("theme projector")
			p.press("t", "z")
			p.press("f", "s", "s") // so quickly that they come at once
			p.shows("(2)")
			p.press("v")
			p.shows("votes: ")
			p.types("f 9 s 14 = 7")
			p.shows("(14)")
			p.shows("that process shows") // the head of a big number
			p.press("a")
			p.shows("NOW RUNNING   A  one thread")
			p.shows("SEEN      the process shows ")
			p.press("Enter")
			p.shows("POINT     ")
			p.shows("NEXT      B: that program started twice.")
			p.press("b")
			p.shows("NOW RUNNING   B  2 processes")
			p.shows("SEEN      2 × ")
			p.shows("PORT      process ")
			p.press("z") // room for what happened to the port
			p.shows("address already in use")
			p.press("Enter")
			p.shows("NEXT      C: one process with 2 threads.")
			p.press("c")
			p.shows("NOW RUNNING   C  1 process, 2 threads")
			p.shows("SEEN      one process shows ")
			p.press("Enter")
			p.shows("NEXT      D: the same 2 threads share one lock.")
			p.press("f")
			p.shows("f faster (1)")
			p.press("Enter")
			p.shows("NOW RUNNING   D  2 threads, one lock")
			// What was seen of C, in the same words, may still be there.
			until(t, "each run to be measured", 20*time.Second, func() bool { return len(unmeasured(p.text())) == 0 })
			p.shows("SEEN      one process shows ")
			p.press("w")
			p.shows("record to: lesson3.capmon")
			p.press("Enter")
			p.shows("REC")
			p.press("x")
			p.shows("STOPPED   D")
			p.press("w")
			p.shows("recorded 1 host")
			p.press("q")
			p.usable(all)
			// It was saved at the end, and plays from the beginning.
			p.types("clear; capmon snapshot --from lesson3.capmon --at +1s --format text >first; capmon replay lesson3.capmon --theme dark --at -1s")
			p.shows("REPLAY")
			p.press("2")
			p.shows("2 cores")
			p.press("q")
			p.shows("$")
			if first, _ := os.ReadFile(filepath.Join(p.dir, "first")); strings.Contains(string(first), "capmon load") {
				t.Errorf("a second after its beginning a loop runs already:\n%s", first)
			}
		})
	}
}

// eachSize opens a terminal of the two sizes that a class is held on, beside each
// other or not, with the class at the question that so many keys lead to.
func eachSize(t *testing.T, beside bool, skip int, check func(t *testing.T, p *pane)) {
	for _, size := range [][2]int{{80, 24}, {120, 40}} {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			if beside {
				t.Parallel()
			}
			p := openTmux(t, size[0], size[1])
			p.types("capmon demo --theme dark --workers 2")
			p.shows("PREDICT   A: one program")
			p.press(strings.Fields(strings.Repeat("Right ", skip))...)
			check(t, p)
			_, all := p.capmon()
			p.press("q")
			p.usable(all)
		})
	}
}

// comes waits for what takes longer than a screen does.
func (p *pane) comes(text string) {
	p.t.Helper()
	defer func() {
		if p.t.Failed() {
			p.t.Logf("the pane shows:\n%s", p.text())
		}
	}()
	until(p.t, text, 90*time.Second, func() bool { return strings.Contains(p.text(), text) })
}

// Lesson 4: the same users before one thread and before a cluster.
func TestTheUsersOfTheClass(t *testing.T) {
	eachSize(t, false, 4, func(_ *testing.T, p *pane) {
		p.shows("lesson 4 of 5")
		p.shows("PREDICT   A: users ask more than 2 threads")
		p.press("s", "Enter")
		p.shows("NOW RUNNING   A  one thread")
		p.comes("/s served of") // SEEN
		p.press("Enter")
		p.shows("POINT     ")
		p.press("b")
		p.shows("NOW RUNNING   B  cluster of 2")
		p.comes("of A; capmon says")
	})
}

// Lesson 5 tells both stories in the class: real players and real requests, a
// setting changed on the story's own screen, and nothing of them stays.
func TestTheStoriesOfTheClass(t *testing.T) {
	t.Parallel()
	eachSize(t, true, 8, func(t *testing.T, p *pane) {
		p.shows("lesson 5 of 5")
		p.shows("PREDICT   A: 20,000 players come")
		p.press("f", "Enter")
		p.shows("NOW RUNNING   A  players who stay")
		p.shows("playing now")
		p.press("6")
		p.shows("capmon on these servers: NEED ")
		p.press("l", "l", "+")
		p.shows("warm-up 30s, by key")
		p.press("6")
		p.comes("SEEN      after ")
		p.press("Enter")
		p.shows("POINT     While a server warms up")
		p.press("Right")
		p.shows("PREDICT   B: 60 requests a second")
		p.press("s", "Enter")
		p.shows("NOW RUNNING   B  requests: a festival")
		p.comes("SEEN      after ")
		if text := p.text(); !strings.Contains(text, "the festival") {
			t.Errorf("no festival:\n%s", text)
		}
	})
}

// unmeasured are the rows of the table that say nothing yet.
func unmeasured(text string) (rows []string) {
	for _, row := range []string{"A  one thread", "B  2 processes", "C  1 process, 2 threads", "D  2 threads, one lock"} {
		_, rest, ok := strings.Cut(text, "\n "+row)
		rest, _, _ = strings.Cut(rest, "\n")
		if !ok || strings.Contains(rest, "?") || !strings.Contains(rest, "×") {
			rows = append(rows, row)
		}
	}
	return rows
}

// However the class ends, nothing that it began runs any more.
func TestNothingOfAClassStays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lang string
		end  func(p *pane, pid int)
	}{
		"q":                  {"go", func(p *pane, _ int) { p.press("q") }},
		"kill -9":            {"go", func(_ *pane, pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) }},
		"kill -9, node":      {"node", func(_ *pane, pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) }},
		"the terminal":       {"go", func(p *pane, _ int) { p.tmux("kill-server") }},
		"the terminal, node": {"node", func(p *pane, _ int) { p.tmux("kill-server") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.lang != "go" {
				need(t, c.lang)
			}
			p := openTmux(t, 80, 24)
			p.types("capmon demo --theme dark --workers 2 --lang " + c.lang)
			p.shows("PREDICT")
			p.press("b")
			p.shows("NOW RUNNING   B")
			pid, all := p.capmon()
			loops := 0
			for _, one := range all {
				comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", one))
				if s := strings.TrimSpace(string(comm)); s == "capmon load" || s == "node" {
					loops++
				}
			}
			if loops != 2 {
				t.Errorf("%d processes with a loop below %d: %v", loops, pid, all)
			}
			c.end(p, pid)
			for _, one := range all {
				until(t, fmt.Sprintf("process %d to end", one), 10*time.Second, func() bool {
					text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", one))
					_, rest, _ := strings.Cut(string(text), ") ")
					return err != nil || strings.HasPrefix(rest, "Z")
				})
			}
		})
	}
}

// A second class beside the first works, and its runs are its own.
func TestTwoClassesAtATime(t *testing.T) {
	first, second := openTmux(t, 80, 24), openTmux(t, 80, 24)
	for _, p := range []*pane{first, second} {
		p.types("capmon demo --theme dark")
		p.shows("PREDICT")
		p.press("a")
	}
	for _, p := range []*pane{first, second} {
		p.shows("SEEN      the process shows ")
		p.press("q")
		p.shows("$")
	}
}

// Without a screen the four runs come one after the other, and their table.
func TestTheLessonsHeadless(t *testing.T) {
	t.Parallel()
	cmd := alone(t, "capmon", "demo", "--headless", "--json", "--for", "6s", "--workers", "2")
	temporary := t.TempDir()
	cmd.Env = append(cmd.Env, "TMPDIR="+temporary)
	p := start(t, cmd)
	<-p.done
	if code := p.cmd.ProcessState.ExitCode(); code != exitOK {
		t.Fatalf("exit code %d: %s", code, p.errs)
	}
	var got struct {
		Schema string
		Rows   []struct {
			Run   string
			Cores *float64 `json:"cores_used"`
			Work  *float64 `json:"loops_per_s"`
			Speed *float64 `json:"speed_up"`
		}
	}
	if err := json.Unmarshal([]byte(p.out.String()), &got); err != nil {
		t.Fatalf("%v: %s", err, p.out)
	}
	if got.Schema != "capmon.lessons/1" || len(got.Rows) != 4 {
		t.Fatalf("%+v", got)
	}
	for i, r := range got.Rows {
		if r.Run != string("ABCD"[i]) || r.Cores == nil || *r.Cores <= 0 || r.Work == nil || *r.Work <= 0 || r.Speed == nil {
			t.Errorf("row %d: %+v", i, r)
		}
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("left on the disk: %v, %v", left, err)
	}
}
