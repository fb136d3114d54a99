package collectors

import (
	"runtime"
	"time"
)

// threadPace keeps the reading of threads within threadsDearest. It counts CPU
// time: on a full machine the clock on the wall would say that reading is dear
// when threads matter most.
type threadPace struct{ earliest time.Time }

func (p *threadPace) due(now time.Time) bool { return !now.Before(p.earliest) }

// begin starts a reading at now, on this goroutine; the function it returns
// ends it.
func (p *threadPace) begin(now time.Time) (end func()) {
	runtime.LockOSThread()
	before := threadTime()
	return func() {
		took := threadTime() - before
		runtime.UnlockOSThread()
		p.earliest = now.Add(time.Duration(float64(took) / threadsDearest))
	}
}
