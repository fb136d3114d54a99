package agents

import (
	"testing"
	"testing/synctest"
	"time"
)

// A silence is over by the last that was heard, also when that allows for less
// than was allowed before; after stop nothing ends.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var ended time.Duration
		s := newSilence(15*time.Second, func() { ended = time.Since(began) })
		for range 4 {
			time.Sleep(time.Second)
			s.heard(5 * time.Second)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if ended != 9*time.Second {
			t.Errorf("ended %v after the beginning, want 5 s after 4", ended)
		}
		s.stop()
	})
	synctest.Test(t, func(t *testing.T) {
		s := newSilence(15*time.Second, func() { t.Error("ended after stop") })
		time.Sleep(time.Second)
		s.heard(5 * time.Second)
		s.stop()
		s.heard(time.Second)
		time.Sleep(time.Minute)
	})
	synctest.Test(t, func(t *testing.T) {
		ended := false
		s := newSilence(15*time.Second, func() { ended = true })
		for range 60 {
			time.Sleep(time.Second)
			s.heard(5 * time.Second)
		}
		synctest.Wait()
		if ended {
			t.Error("ended while it was heard every second")
		}
		s.stop()
	})
}
