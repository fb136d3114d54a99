package main

import (
	"encoding/json"
	"errors"
	"flag"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"capmon/demo/chess"
	"capmon/demo/payments"
	"capmon/demo/stories"
)

// programs are what the test binary stands in for: capmon itself, so that what
// runs is what `go test -race` built, and what the tests need beside it.
var programs = map[string]func(){
	"capmon": main,
	"capmon-closed": func() {
		os.Stdout.Close()
		main()
	},
}

func TestMain(m *testing.M) { testscript.Main(stateless{m}, programs) }

// Most tests here wait for what other programs do, and do so beside each other
// (t.Parallel; go test runs these after all others). A test that says what is full
// on this machine, or holds numbers against a load that it makes, runs alone.
const besideEachOther = 4 // at least: they wait more than they work

// stateless tests leave the events of this user alone: what they start keeps its
// own in a folder that goes with them.
type stateless struct{ *testing.M }

func (m stateless) Run() int {
	dir, err := os.MkdirTemp("", "capmon-state-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	theNight.dir = dir
	if err := os.Setenv("XDG_STATE_HOME", dir); err != nil {
		panic(err)
	}
	// Some tests run the programs as another user. Where they are is made here, not
	// by a test: a program that is written while another test forks can't be run.
	if capmon, err := exec.LookPath("capmon"); err == nil {
		_ = os.Chmod(filepath.Dir(filepath.Dir(capmon)), 0o755)
	}
	if runtime.GOMAXPROCS(0) < besideEachOther { // else as go test does; -parallel says otherwise
		if err := flag.Set("test.parallel", strconv.Itoa(besideEachOther)); err != nil {
			panic(err)
		}
	}
	return m.M.Run()
}

// The stories of testdata/script run the real binary.
func TestStories(t *testing.T) {
	t.Parallel()
	tellStories(t, "testdata/script")
}

// Those of testdata/alone measure what this machine can do: one at a time.
func TestStoriesAlone(t *testing.T) {
	files, err := filepath.Glob("testdata/alone/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { tellStories(t, file) })
	}
}

// The chess story with 20,000 real connections takes a minute and both cores.
func TestManyPlayers(t *testing.T) {
	if os.Getenv("CAPMON_CHESS") == "" {
		t.Skip("it takes a minute and all of the machine: CAPMON_CHESS=1, or make chess")
	}
	tellStories(t, "testdata/chess")
}

// The payment story with warm-ups up to three minutes takes seven, and wants a
// machine that is quiet: what is refused is held against the formula.
func TestManyPayments(t *testing.T) {
	if os.Getenv("CAPMON_PAYMENTS") == "" {
		t.Skip("it takes seven minutes of a quiet machine: CAPMON_PAYMENTS=1, or make payments")
	}
	tellStories(t, "testdata/payments")
}

// tellStories tells those of a folder beside each other, or that of a file.
func tellStories(t *testing.T, path string) {
	var dir string
	files := []string{path}
	if filepath.Ext(path) == "" {
		dir, files = path, nil
	}
	testscript.Run(t, testscript.Params{
		Dir:   dir,
		Files: files,
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_CONFIG_HOME", env.WorkDir+"/no-config")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"usage": usage, "adds-up": addsUp, "users-add-up": usersAddUp, "pays-up": paysUp},
	})
}

// usage runs a command that must be refused: exit code 2, nothing on stdout,
// one line on stderr that begins with the program's name.
func usage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: usage COMMAND [ARG ...]")
	}
	err := ts.Exec(args[0], args[1:]...)
	var exit *exec.ExitError
	if err == nil {
		ts.Fatalf("%v was accepted", args)
	}
	if !errors.As(err, &exit) || exit.ExitCode() != exitUsage {
		ts.Fatalf("%v ended with %v, want exit code %d", args, err, exitUsage)
	}
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("%v printed %q on stdout", args, out)
	}
	line := ts.ReadFile("stderr")
	if strings.Count(line, "\n") != 1 || !strings.HasPrefix(line, "capmon: ") {
		ts.Fatalf("%v said %q, want one line", args, line)
	}
}

// addsUp holds that the JSON of a chess story on stdout adds up: at least so
// many asked, and so many servers were recommended and ran in the end, of which
// one may have been killed.
func addsUp(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: adds-up PLAYERS SERVERS")
	}
	players, errP := strconv.Atoi(args[0])
	servers, errS := strconv.Atoi(args[1])
	var r chess.Result
	if err := errors.Join(errP, errS, json.Unmarshal([]byte(ts.ReadFile("stdout")), &r)); err != nil {
		ts.Fatalf("%v", err)
	}
	if r.Asked < players || r.Asked != r.Served+r.Refused+r.Left || r.Playing != r.Held || r.Playing == 0 {
		ts.Fatalf("does not add up: %+v, servers hold %d", r.Counts, r.Held)
	}
	if r.Killed != "" {
		servers--
	} else if r.Asked != players {
		ts.Fatalf("%d asked, of %d", r.Asked, players)
	}
	if len(r.Servers) == 0 || len(r.Need) == 0 || int(r.Servers[len(r.Servers)-1][1]) != servers {
		ts.Fatalf("servers %v, want %d in the end; need %v", r.Servers, servers, r.Need)
	}
}

// paysUp holds that the JSON of a payment story on stdout adds up, that so many
// servers were recommended at least and never more ran, and, with a number of
// percent, that need rose within ten seconds of the spike and as many were refused
// as expected, and in that time, give or take so much.
func paysUp(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: pays-up SERVERS [PERCENT]")
	}
	servers, err := strconv.Atoi(args[0])
	var r payments.Result
	if err := errors.Join(err, json.Unmarshal([]byte(ts.ReadFile("stdout")), &r)); err != nil {
		ts.Fatalf("%v", err)
	}
	if r.Asked == 0 || r.Served == 0 || r.Asked != r.Served+r.Refused+r.Left || r.Waiting != 0 || r.Budget.Bad != r.Refused+r.Left {
		ts.Fatalf("does not add up: %+v, budget %+v", r.Counts, r.Budget)
	}
	most := func(list []stories.Step) int {
		n := 0.0
		for _, s := range list {
			n = max(n, s[1])
		}
		return int(n)
	}
	if most(r.Servers) != servers || most(r.Need) < servers {
		ts.Fatalf("servers %v, want %d at most; need %v", r.Servers, servers, r.Need)
	}
	if len(args) == 1 {
		return
	}
	give, err := strconv.ParseFloat(args[1], 64)
	if err != nil {
		ts.Fatalf("%v", err)
	}
	e := r.Expected
	if e.Detected == nil || *e.Detected > 10 || e.Refused < 100 || math.Abs(float64(r.Refused)-e.Refused) > give/100*e.Refused {
		ts.Fatalf("%d refused, expected %+v", r.Refused, e)
	}
	// A second is counted when it is told, which may be the next.
	outside := 0.0
	for _, s := range r.RefusedAt {
		if !slices.ContainsFunc(e.During, func(d stories.Step) bool { return s[0] > d[0]-2 && s[0] < d[1]+2 }) {
			outside += s[1]
		}
	}
	if outside > give/100*e.Refused {
		ts.Fatalf("%v refused outside of %v: %v", outside, e.During, r.RefusedAt)
	}
}
