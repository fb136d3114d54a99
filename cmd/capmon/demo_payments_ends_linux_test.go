package main

import (
	"encoding/json"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"capmon/demo/payments"
)

// Whatever ends the payment story, nothing of it stays.
func TestNothingOfPaymentsStays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		role string // who is killed; "": the story itself
		sign syscall.Signal
		said string // and then it ends by itself, saying so
	}{
		"kill -9":           {"", syscall.SIGKILL, ""},
		"SIGTERM":           {"", syscall.SIGTERM, ""},
		"its people killed": {"payment people", syscall.SIGKILL, "the people of the payment story ended: "},
		"its proxy killed":  {"payment proxy", syscall.SIGKILL, "the proxy of the payment story ended: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, alone(t, "capmon", "demo", "payments", "--headless", "--rps", "10", "--rps-per-server", "20", "--for", "10m"))
			until(t, "people who ask", 60*time.Second, func() bool {
				select {
				case <-p.done:
					t.Fatalf("it ended: %s%s", p.out, p.errs)
				default:
				}
				return strings.Contains(p.out.String(), " 5s  asked ")
			})
			f := familyOf(t, p.cmd.Process.Pid)
			if len(f.pids) < 5 || len(f.ports) < 6 { // two servers, proxy and people; three agents
				t.Fatalf("processes %v, ports %v", f.pids, f.ports)
			}
			if c.role == "" {
				p.signal(c.sign)
			} else if err := syscall.Kill(f.role(t, c.role)[0], c.sign); err != nil {
				t.Fatal(err)
			}
			<-p.done
			f.gone(t)
			if code := p.cmd.ProcessState.ExitCode(); c.said != "" && (code != exitFailed || !strings.Contains(p.errs.String(), c.said)) {
				t.Errorf("exit code %d, said %s", code, p.errs)
			}
			if c.sign == syscall.SIGTERM && !strings.Contains(p.out.String(), " = served ") {
				t.Errorf("it does not say what happened: %s", p.out)
			}
		})
	}
}

// A story beside another one, with few files, on one core or half of one, as
// another user: it adds up.
func TestPaymentsOnAPoorMachine(t *testing.T) {
	t.Parallel()
	args := []string{"demo", "payments", "--headless", "--json", "--rps", "10", "--rps-per-server", "20", "--max", "4", "--for", "5s", "--warm-up", "500ms"}
	began := func(with []string, more ...string) *program {
		return start(t, alone(t, append(append(with, args...), more...)...))
	}
	adds := func(t *testing.T, p *program) (payments.Result, string) {
		t.Helper()
		<-p.done
		var r payments.Result
		if err := json.Unmarshal([]byte(p.out.String()), &r); err != nil || r.Asked == 0 || r.Served == 0 || r.Asked != r.Served+r.Refused+r.Left || r.Waiting != 0 {
			t.Errorf("%+v, %v; it said %s", r.Counts, err, p.errs)
		}
		return r, p.errs.String()
	}
	t.Run("two", func(t *testing.T) {
		t.Parallel()
		one, two := began([]string{"capmon"}), began([]string{"capmon"})
		adds(t, one)
		adds(t, two)
	})
	t.Run("256 files", func(t *testing.T) {
		t.Parallel()
		r, said := adds(t, began([]string{"sh", "-c", `ulimit -n 256; exec capmon "$@"`, "sh"}, "--max", "15"))
		if !strings.Contains(said, "2 requests wait for a server instead of ") && r.PerServer > 10 {
			t.Errorf("said %q", said)
		}
	})
	t.Run("one core", func(t *testing.T) {
		t.Parallel()
		need(t, "taskset")
		adds(t, began([]string{"taskset", "-c", "0", "capmon"}))
	})
	t.Run("half a core", func(t *testing.T) {
		t.Parallel()
		adds(t, began(append(halfACore(t), "capmon")))
	})
	t.Run("another user", func(t *testing.T) {
		t.Parallel()
		need(t, "setpriv")
		if os.Geteuid() != 0 {
			t.Skip("only root can be another user")
		}
		adds(t, began([]string{
			"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs",
			"env", "XDG_CONFIG_HOME=/none", "XDG_CACHE_HOME=/none", "XDG_STATE_HOME=/none", "capmon",
		}))
	})
}
