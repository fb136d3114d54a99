package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Servers whose handlers do a known amount of work. All run on one core that
// the client does not use.

func init() { programs["capmon-work"] = workMain }

const (
	serverCore = 1
	clientCore = 0
)

// onCore starts a command on one core. The agent takes its cores from the same
// mask, so it sees a machine of one. A cpuset of a control group would say the
// same to both; the mask needs no rights.
//
// It goes before others on this machine where this user may ask for it: by its
// autogroup, because between sessions the kernel does not look at nice values.
func onCore(t *testing.T, core int, args ...string) *exec.Cmd {
	t.Helper()
	cmd := alone(t, append([]string{"sh", "-c", "echo -20 >/proc/self/autogroup; exec taskset -c \"$0\" \"$@\"", strconv.Itoa(core)}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	return cmd
}

// workServer is one row of the table.
type workServer struct {
	name, work string
	needs      []string
	path       string
	oneThread  bool // its threads leave the work to one: that one fills up
	start      func(t *testing.T, port int) *program
}

// nodeWork answers after so many microseconds of a busy loop. The number of
// turns is fixed when it starts, by the fastest of many tries.
const nodeWork = `
function spin(n) { let x = 1; for (let i = 0; i < n; i++) x = (x * 1103515245 + 12345) & 0x7fffffff; return x; }
const us = +process.argv[2];
let best = Infinity, sum = 0;
for (let i = 0; i < 200; i++) {
  const t = process.hrtime.bigint();
  sum ^= spin(1e6);
  best = Math.min(best, Number(process.hrtime.bigint() - t) / 1e3);
}
const turns = Math.round(1e6 * us / best);
const s = require('http').createServer((q, r) => { sum ^= spin(turns); r.end('ok'); });
s.keepAliveTimeout = 0;
s.listen(+process.argv[1], '127.0.0.1');
`

func nodeServerOf(us int, work string) workServer {
	return workServer{
		name: "node", work: work, needs: []string{"node"}, path: "/", oneThread: true,
		start: func(t *testing.T, port int) *program {
			return start(t, onCore(t, serverCore, "node", "-e", nodeWork, strconv.Itoa(port), strconv.Itoa(us)))
		},
	}
}

func goServerOf(us int, work string) workServer {
	return workServer{
		name: "go", work: work, path: "/",
		start: func(t *testing.T, port int) *program {
			return start(t, onCore(t, serverCore, "capmon-work", strconv.Itoa(port), strconv.Itoa(us)))
		},
	}
}

// workMain is `capmon-work PORT MICROSECONDS`: net/http with one processor.
func workMain() {
	runtime.GOMAXPROCS(1)
	us, err := strconv.ParseFloat(os.Args[2], 64)
	if err != nil {
		panic(err)
	}
	best := time.Hour
	for range 200 {
		began := time.Now()
		turn(1e6)
		best = min(best, time.Since(began))
	}
	turns := int(1e6 * us * 1000 / float64(best.Nanoseconds()))
	fmt.Fprintln(os.Stderr, "capmon-work:", http.ListenAndServe("127.0.0.1:"+os.Args[1], http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		turn(turns)
		fmt.Fprint(w, "ok")
	})))
	os.Exit(1)
}

// turned keeps the compiler from leaving turn out.
var turned uint32

func turn(n int) {
	x := turned | 1
	for range n {
		x = x*1103515245 + 12345
	}
	turned = x
}

// nginxServerOf packs a text of so many bytes anew for every request.
func nginxServerOf(size int, work string) workServer {
	return workServer{
		name: "nginx", work: work, needs: []string{"nginx"}, path: "/text.txt",
		start: func(t *testing.T, port int) *program {
			dir := openDir(t)
			conf := filepath.Join(dir, "nginx.conf")
			err := os.WriteFile(filepath.Join(dir, "text.txt"), someText(size), 0o644)
			if err == nil {
				err = os.WriteFile(conf, fmt.Appendf(nil, `daemon off; worker_processes 1; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 1h; open_file_cache max=10;
  gzip on; gzip_comp_level 9; gzip_types text/plain; gzip_min_length 1; default_type text/plain;
  client_body_temp_path %[1]s/1; proxy_temp_path %[1]s/2; fastcgi_temp_path %[1]s/3; uwsgi_temp_path %[1]s/4; scgi_temp_path %[1]s/5;
  server { listen 127.0.0.1:%[2]d; root %[1]s; }
}
`, dir, port), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
			return start(t, onCore(t, serverCore, "nginx", "-p", dir, "-c", conf))
		},
	}
}

// someText is words in an order that repeats little, the same every time.
func someText(size int) []byte {
	words := bytes.Fields([]byte("the load of a server is what it is asked for and its room what it could still take before the first of its limits is reached by it"))
	rng := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	for b.Len() < size {
		b.Write(words[rng.IntN(len(words))])
		fmt.Fprintf(&b, " %d ", rng.IntN(1000))
	}
	return b.Bytes()[:size]
}

// workServers are the rows: three kinds of server, work from 0.1 to 2 ms. A Node
// cluster of two is not among them: its cores would be the client's too.
var workServers = []workServer{
	nodeServerOf(100, "100 µs"),
	nodeServerOf(350, "350 µs"),
	nodeServerOf(1000, "1 ms"),
	nodeServerOf(2000, "2 ms"),
	goServerOf(100, "100 µs"),
	goServerOf(350, "350 µs"),
	goServerOf(1500, "1.5 ms"),
	nginxServerOf(6_000, "gzip 6 kB"),
	nginxServerOf(20_000, "gzip 20 kB"),
	nginxServerOf(30_000, "gzip 30 kB"),
}

// workers are the processes of a server: the one that was started (sh and taskset
// exec) and its children.
func (p *program) workers() []int {
	pids := []int{p.cmd.Process.Pid}
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", p.cmd.Process.Pid))
	for field := range bytes.FieldsSeq(text) {
		if n, err := strconv.Atoi(string(field)); err == nil {
			pids = append(pids, n)
		}
	}
	return pids
}
