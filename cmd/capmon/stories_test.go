package main

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
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

func TestMain(m *testing.M) { testscript.Main(m, programs) }

// The stories of testdata/script run the real binary.
func TestStories(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_CONFIG_HOME", env.WorkDir+"/no-config")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"usage": usage},
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
