package collectors

import (
	"errors"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// BenchmarkThreads is one second of the threads collector: CPU time a second
// with the processes there are, and with 5,000 threads more. It is read from the
// clock of the thread that collects.
func BenchmarkThreads(b *testing.B) {
	for _, c := range []struct {
		name    string
		refused bool
		threads int
		servers int // services of four processes, and this process as one more
	}{
		{"iterator", false, 0, 0},
		{"proc", true, 0, 0},
		{"iterator-services", false, 0, 3},
		{"proc-services", true, 0, 3},
		{"iterator-5000-threads", false, 5000, 0},
		{"proc-5000-threads", true, 5000, 0},
	} {
		b.Run(c.name, func(b *testing.B) {
			if c.refused {
				load := loadTasks
				b.Cleanup(func() { loadTasks = load })
				loadTasks = func() (taskReader, error) { return nil, errors.New("refused by this benchmark") }
			}
			sleepers(b, c.threads)
			idle := new(idleCores)
			cpu := newCPU(Config{}.withDefaults(), idle)
			defer cpu.Close()
			found := newListeners()
			found.publish(idleServers(b, c.servers))
			col := newThreads(Config{}.withDefaults(), found, idle)
			defer col.Close()
			now := time.Now()
			col.work.clock = func() time.Time { return now }
			second := func() {
				now = now.Add(time.Second)
				_, _ = cpu.Collect(b.Context(), now)
				_, _ = col.Collect(b.Context(), now) // the first says what is refused
			}
			second()
			if s, ok := col.source.(*linuxProcs).procSource.(*taskSource); ok {
				s.clock = func() time.Time { return now } // or what was used in no time would be much a second
			}
			second()
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			before := threadTime()
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(time.Second)
				_, _ = col.Collect(b.Context(), now)
			}
			b.ReportMetric(float64((threadTime()-before).Microseconds())/float64(b.N), "cpu-µs/s")
		})
	}
}

// idleServers are n services of four processes that do nothing, and this process
// as a busy one; none for 0.
func idleServers(b *testing.B, n int) (list []servicePort) {
	b.Helper()
	if n == 0 {
		return nil
	}
	for i := range n {
		p := servicePort{port: uint16(1000 + i)}
		for range 4 {
			cmd := exec.Command("sleep", "600")
			cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			if err := cmd.Start(); err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
			})
			p.roots = append(p.roots, cmd.Process.Pid)
		}
		p.owner.root = p.roots[0]
		list = append(list, p)
	}
	self := syscall.Getpid()
	return append(list, servicePort{port: 2000, owner: owner{root: self}, roots: []int{self}})
}

// sleepers makes n threads that wait in the kernel until the benchmark ends.
func sleepers(b *testing.B, n int) {
	b.Helper()
	if n == 0 {
		return
	}
	var p [2]int
	if err := syscall.Pipe(p[:]); err != nil {
		b.Fatal(err)
	}
	ended := make(chan struct{}, n)
	for range n {
		go func() {
			runtime.LockOSThread() // ends with its goroutine
			var one [1]byte
			_, _ = syscall.Read(p[0], one[:])
			ended <- struct{}{}
		}()
	}
	for end := time.Now().Add(20 * time.Second); threadsNow() < n && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	b.Cleanup(func() {
		syscall.Close(p[1])
		for range n {
			<-ended
		}
		syscall.Close(p[0])
	})
}

// threadsNow is how many threads this process has.
func threadsNow() int {
	s := newClockSource(Config{}.withDefaults(), new(idleCores))
	defer s.close()
	f := clockProc{procUse: procUse{key: procKey{pid: syscall.Getpid()}}}
	s.readFacts(&f, time.Now(), 0)
	return f.threads
}
