package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What an agent without any flag knows.

// port waits for the newest sample of the only host to have a service like ok
// on a port.
func (w *watcher) port(t *testing.T, what string, port int, ok func(watchedService) bool) watchedService {
	t.Helper()
	var last watchedService
	defer func() {
		if t.Failed() {
			t.Logf("port %d at last: %+v", port, last)
		}
	}()
	until(t, what, 20*time.Second, func() bool {
		for _, h := range w.hosts() {
			for _, v := range h.Services {
				if int(v.Port) == port {
					last = v
					return ok(v)
				}
			}
		}
		return false
	})
	return last
}

// lines counts those of a log.
func lines(t *testing.T, path string) uint64 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return uint64(bytes.Count(b, []byte{'\n'}))
}

// TestNothingConfigured: root, an nginx that nobody told anything, wrk. Every
// line of its log is counted, and no page is asked.
func TestNothingConfigured(t *testing.T) {
	need(t, "nginx", "wrk")
	needKernel(t)
	ownNetwork(t)
	dir, p := openDir(t), freePorts(t, 3)
	addr := fmt.Sprintf("127.0.0.1:%d", p[2])
	start(t, alone(t, "capmon", "agent", "--listen", addr, "--latency")).waitFor("listen=")
	w := watch(t, alone(t, "capmon-watch", addr))
	statusNginx(t, dir, p)
	w.port(t, "the kernel to watch a new port", p[0], func(v watchedService) bool { return v.Source == "ebpf" && v.RPS != nil })
	began := lines(t, filepath.Join(dir, "combined.log"))
	load := start(t, alone(t, "wrk", "-t1", "-c50", "-d6s", fmt.Sprintf("http://127.0.0.1:%d/", p[0])))
	during := w.port(t, "response times under load", p[0], func(v watchedService) bool { return v.RPS != nil && *v.RPS > 100 && v.P50 > 0 })
	<-load.done
	after := w.settled(t, "eBPF", p[0])
	want := lines(t, filepath.Join(dir, "combined.log")) - began
	if after.Responses == nil || *after.Responses != want || !slices.Equal(after.Status, []uint64{0, 0, 0}) {
		t.Errorf("%+v, the log has %d", after, want)
	}
	status := w.port(t, "the status port", p[1], func(watchedService) bool { return true })
	if status.Source != "ebpf" || status.Responses == nil || *status.Responses != 0 {
		t.Errorf("a port nobody asked: %+v", status)
	}
	t.Logf("%d responses, median %d µs under load", want, during.P50)
}

// TestLogIsRotatedUnderLoad: nginx's log is renamed and opened anew while ab
// runs, and cut in the pause; each request is counted once.
func TestLogIsRotatedUnderLoad(t *testing.T) {
	need(t, "nginx", "ab")
	ownNetwork(t)
	dir, p := openDir(t), freePorts(t, 3)
	statusNginx(t, dir, p)
	listens(t, p[0])
	log, addr := filepath.Join(dir, "combined.log"), fmt.Sprintf("127.0.0.1:%d", p[2])
	source := fmt.Sprintf("%d=log:%s", p[0], log)
	start(t, alone(t, "capmon", "agent", "--listen", addr, "--rps", "off", "--rps", source)).waitFor("listen=")
	w := watch(t, alone(t, "capmon-watch", addr))
	before := w.settled(t, source, p[0])
	pid, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	master, err := strconv.Atoi(strings.TrimSpace(string(pid)))
	if err != nil {
		t.Fatal(err)
	}
	load := func(n int) *program { return start(t, ab(t, n, 25, fmt.Sprintf("http://127.0.0.1:%d/", p[0]))) }
	first := load(60_000)
	for i := range 3 {
		time.Sleep(600 * time.Millisecond)
		if err := os.Rename(log, fmt.Sprint(log, ".", i+1)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond) // nginx goes on with the renamed one
		if err := syscall.Kill(master, syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
	}
	<-first.done
	<-load(100).done // something to know the new file by
	second := w.settled(t, source, p[0])
	if got := *second.Responses - *before.Responses; got != 60_100 {
		t.Errorf("renamed: %d lines counted, want 60100", got)
	}
	<-load(1000).done
	text, err := os.ReadFile(log)
	if err == nil {
		err = os.WriteFile(log+"-20261124", text, 0o600)
	}
	if err == nil {
		err = os.Truncate(log, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	<-load(500).done
	third := w.settled(t, source, p[0])
	if got := *third.Responses - *second.Responses; got != 1500 {
		t.Errorf("copied and cut: %d lines counted, want 1500", got)
	}
}

// TestTLSIsReadFromThePage: what the kernel can't read it says, and asks the
// status page; those polls are no load.
func TestTLSIsReadFromThePage(t *testing.T) {
	need(t, "nginx", "ab")
	needKernel(t)
	ownNetwork(t)
	dir, p := openDir(t), freePorts(t, 3)
	certificate(t, dir)
	conf := writeFile(t, fmt.Sprintf(`daemon off; worker_processes 2; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 512; }
http {
  access_log off;
  client_body_temp_path %[1]s/1; proxy_temp_path %[1]s/2; fastcgi_temp_path %[1]s/3; uwsgi_temp_path %[1]s/4; scgi_temp_path %[1]s/5;
  server { listen 127.0.0.1:%[2]d ssl; ssl_certificate %[1]s/cert.pem; ssl_certificate_key %[1]s/key.pem;
    access_log %[1]s/combined.log; location / { return 200 "ok"; } }
  server { listen 127.0.0.1:%[3]d; location = /nginx_status { stub_status; } }
}
`, dir, p[0], p[1]), dir, "nginx.conf")
	start(t, alone(t, "nginx", "-p", dir, "-c", conf))
	listens(t, p[1])
	addr := fmt.Sprintf("127.0.0.1:%d", p[2])
	start(t, alone(t, "capmon", "agent", "--listen", addr)).waitFor("listen=")
	w := watch(t, alone(t, "capmon-watch", addr))
	w.port(t, "the kernel to watch", p[0], func(v watchedService) bool { return v.Source == "ebpf" && v.RPS != nil })
	url := fmt.Sprintf("https://127.0.0.1:%d/", p[0])
	<-start(t, ab(t, 10, 2, url)).done
	w.port(t, "the page to be found", p[0], func(v watchedService) bool { return v.Source == "nginx" && v.RPS != nil })
	before := w.settled(t, "nginx", p[0])
	<-start(t, ab(t, 3000, 10, url)).done
	after := w.settled(t, "nginx", p[0])
	if after.Source != "nginx" || *after.Responses-*before.Responses != 3000 {
		t.Errorf("before %+v, after %+v: want 3000 more", before, after)
	}
	status := w.port(t, "the status port", p[1], func(watchedService) bool { return true })
	if status.Source != "ebpf" || status.Responses == nil || *status.Responses != 0 {
		t.Errorf("the port that only capmon asks: %+v", status)
	}
}

// certificate makes one for 127.0.0.1 that signs itself.
func certificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	model := x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, &model, &model, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})), dir, "cert.pem")
	writeFile(t, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})), dir, "key.pem")
}

// TestWithoutTheKernel: a user without rights, and servers of that same user.
// Each is asked in its own way; the reason for not counting in the kernel is
// said where nothing else counts.
func TestWithoutTheKernel(t *testing.T) {
	need(t, "nginx", "haproxy", "apache2", "node", "ab", "setpriv")
	needKernel(t) // to become somebody else
	ownNetwork(t)
	config := filepath.Join(openDir(t), "config")
	nobody := func(t *testing.T, args ...string) *exec.Cmd {
		cmd := alone(t, append([]string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}, args...)...)
		cmd.Env = append(cmd.Env, "XDG_CONFIG_HOME="+config)
		return cmd
	}
	dir, p := openDir(t), freePorts(t, 12)
	own := func(name string) string {
		d := filepath.Join(dir, name)
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(d, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		return d
	}
	as := func(args ...string) *exec.Cmd { return nobody(t, args...) }
	nginxPorts, haproxyPorts, apachePorts := p[0:2], p[2:6], p[6:7]
	runNginx(t, own("nginx"), nginxPorts, as)
	runHAProxy(t, own("haproxy"), haproxyPorts, as)
	runApache(t, own("apache"), apachePorts, as)
	start(t, nobody(t, "node", "-e", statusNode, fmt.Sprint(p[7]), "0"))
	for _, port := range []int{p[0], p[2], p[6], p[7]} {
		listens(t, port)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", p[8])
	start(t, nobody(t, "capmon", "agent", "--listen", addr)).waitFor("listen=")
	w := watch(t, alone(t, "capmon-watch", addr))
	for source, port := range map[string]int{"nginx": p[0], "haproxy": p[2], "apache": p[6]} {
		w.port(t, source+" to be found", port, func(v watchedService) bool { return v.Source == source && v.RPS != nil })
		before := w.settled(t, source, port)
		<-start(t, ab(t, 2000, 10, fmt.Sprintf("http://127.0.0.1:%d/", port))).done
		after := w.settled(t, source, port)
		if got := *after.Responses - *before.Responses; after.Source != source || got != 2000 {
			t.Errorf("%s: %d responses by %s, want 2000", source, got, after.Source)
		}
	}
	node := w.port(t, "node", p[7], func(v watchedService) bool { return v.Note != "" })
	if !strings.Contains(node.Note, "no source of requests for node: name one with --rps; eBPF: ") || !strings.Contains(node.Note, "CAP_BPF") {
		t.Errorf("node: %q", node.Note)
	}
	t.Log(node.Note)
}
