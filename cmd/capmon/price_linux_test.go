package main

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"capmon/collectors/kernel"
)

// What counting in the kernel costs the server that is counted: the CPU time of
// a request of a real nginx with an empty handler, in windows with and without
// the counter, one after the other, so that both see the same machine.

const (
	priceWindows = 120 // with the counter; one more without
	priceWindow  = 300 * time.Millisecond
)

// BenchmarkServerPath reports, for each way of counting, what it adds to the
// CPU time of one request of the nginx worker.
func BenchmarkServerPath(b *testing.B) {
	for _, program := range []string{"nginx", "wrk"} {
		if _, err := exec.LookPath(program); err != nil {
			b.Skipf("%s is not installed: `make bench` as root on Debian installs it", program)
		}
	}
	port, status, worker := priceServer(b)
	for _, way := range []struct {
		name    string
		options kernel.HTTPOptions
	}{
		{"control", kernel.HTTPOptions{}}, // windows like the others with nothing attached
		{"send", kernel.HTTPOptions{Mode: kernel.Send}},
		{"egress", kernel.HTTPOptions{Mode: kernel.Egress}},
		{"send+latency", kernel.HTTPOptions{Mode: kernel.Send, Latency: true}},
	} {
		b.Run(way.name, func(b *testing.B) {
			load := exec.Command("wrk", "-t1", "-c50", fmt.Sprintf("-d%ds", int(4*priceWindows*priceWindow/time.Second)), fmt.Sprintf("http://127.0.0.1:%d/", port))
			load.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			if err := load.Start(); err != nil {
				b.Fatal(err)
			}
			defer func() {
				_ = load.Process.Signal(syscall.SIGTERM)
				_ = load.Wait()
			}()
			time.Sleep(priceWindow)
			var with, added []float64
			without := []float64{window(b, status, worker)}
			for range priceWindows {
				var counter *kernel.HTTP
				if way.name != "control" {
					var err error
					if counter, err = kernel.OpenHTTP(way.options); err != nil {
						b.Skip(err)
					}
					if err := counter.Watch(uint16(port)); err != nil {
						b.Fatal(err)
					}
				}
				on := window(b, status, worker)
				if counter != nil {
					if n, ok := counter.Read(uint16(port)); !ok || n.Final() == 0 {
						b.Fatalf("counted %v of port %d", n, port)
					}
					_ = counter.Close()
				}
				last := without[len(without)-1]
				without = append(without, window(b, status, worker))
				with = append(with, on)
				added = append(added, on-(last+without[len(without)-1])/2)
			}
			for b.Loop() {
			}
			slices.Sort(added)
			base := median(without)
			// The median lies between these with 95%, whatever the distribution:
			// n/2 -+ 0.98 sqrt(n) of the sorted values (sign test).
			off := int(0.98*math.Sqrt(float64(len(added)))) + 1
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(base, "ns/request-without")
			b.ReportMetric(median(with), "ns/request-with")
			b.ReportMetric(median(added), "ns-added")
			b.ReportMetric(added[len(added)/2-off], "ns-added-low")
			b.ReportMetric(added[len(added)/2+off], "ns-added-high")
			b.ReportMetric(100*median(added)/base, "%-added")
		})
	}
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// window is the CPU time of one request of the worker, in nanoseconds, over a
// moment.
func window(b *testing.B, status int, worker int) float64 {
	b.Helper()
	cpu, n := costOf(worker).cpu, served(b, status)
	time.Sleep(priceWindow)
	cpu, n = costOf(worker).cpu-cpu, served(b, status)-n
	if n <= 0 {
		b.Fatal("nginx served nothing")
	}
	return float64(cpu.Nanoseconds()) / float64(n)
}

// served is the number of requests an nginx has had.
func served(b *testing.B, status int) int {
	b.Helper()
	r, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/nginx_status", status))
	if err != nil {
		b.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(text))
	if len(fields) < 10 {
		b.Fatalf("no status page: %q", text)
	}
	n, err := strconv.Atoi(fields[9])
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// priceServer starts an nginx of one worker on the first core and returns its
// ports and the worker's process.
func priceServer(b *testing.B) (port, status, worker int) {
	b.Helper()
	dir := b.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	port, status = 17111, 17112
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(nginxConf(dir, port, status, "worker_processes 1; worker_cpu_affinity 01;")), 0o644); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command("nginx", "-p", dir, "-c", conf)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(dir, "pid")); err != nil {
			continue
		}
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
		if f := strings.Fields(string(text)); len(f) == 1 {
			worker, _ = strconv.Atoi(f[0])
			return port, status, worker
		}
	}
	b.Fatal("nginx did not start")
	return 0, 0, 0
}
