package agents

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestARepeatedFailureIsFolded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logbook
		f := newFold(log.log(), "refused", "gone", time.Minute)
		for range 100 {
			f.report("a", "one", "port", 1)
			time.Sleep(time.Second)
		}
		f.report("a", "two")
		f.report("b", "one")
		time.Sleep(2 * time.Minute)
		f.end("a") // was over already
		f.report("a", "one")
		f.report("c", "three")
		f.report("c", "three")
		f.close()
		f.report("d", "late")
		var got []string
		for line := range strings.Lines(log.String()) {
			_, after, _ := strings.Cut(line, "msg=")
			got = append(got, strings.TrimSpace(after))
		}
		want := []string{
			"refused who=a reason=one port=1",
			"refused who=a reason=two before=one times=100",
			"refused who=b reason=one",
			"gone who=a was=two times=1",
			"gone who=b was=one times=1",
			"refused who=a reason=one",
			"refused who=c reason=three",
			"gone who=c was=three times=2",
		}
		if len(got) == len(want) && got[3] > got[4] { // both at the same moment
			got[3], got[4] = got[4], got[3]
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestFoldsHaveABound(t *testing.T) {
	var log logbook
	f := newFold(log.log(), "refused", "gone", time.Minute)
	defer f.close()
	for i := range 10 * foldKeys {
		f.report(fmt.Sprint(i), fmt.Sprint("reason ", i))
	}
	if n := strings.Count(log.String(), "\n"); len(f.open) > foldKeys+1 || n > foldKeys+1 {
		t.Errorf("%d failures are told apart in %d lines", len(f.open), n)
	}
}

func TestPausesGrowAndEnd(t *testing.T) {
	var p pause
	last := time.Duration(0)
	for i := range 20 {
		d := p.next(0, false)
		if d > backoffMost || d < backoffFirst*3/4 {
			t.Errorf("pause %d is %v", i, d)
		}
		last = p.last
	}
	if last != backoffMost {
		t.Errorf("pauses grow to %v, want %v", last, backoffMost)
	}
	if d := p.next(time.Minute, false); d > backoffFirst {
		t.Errorf("after a link that lasted the pause is %v", d)
	}
	if d := p.next(0, true); d < violatorPause {
		t.Errorf("after a violation the pause is %v", d)
	}
}
