// Command capmon shows the live capacity of a cluster in a terminal. One file
// holds one command: flags in, packages called, nothing else.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"capmon/demo/chess"
	"capmon/demo/lessons"
	"capmon/demo/load"
	"capmon/demo/payments"
	"capmon/demo/users"
	"capmon/internal/crash"
)

// Exit codes of every command; scripts depend on them.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// usageError is bad input: one clear line and exit code 2.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// usagef is a usageError in words.
func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errShown ends a command with exit code 1 when all there is to say has been
// said.
var errShown = errors.New("already reported")

func main() {
	if crash.Main() || chess.Main() || payments.Main() || load.Main() || lessons.Main() || users.Main() {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// execute runs one command line and returns its exit code.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errShown):
		return exitFailed
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "capmon: %v\n", err)
		return exitUsage
	default:
		fmt.Fprintf(stderr, "capmon: %v\n", err)
		return exitFailed
	}
}

// newRoot builds the whole command tree, the dashboard at its root.
func newRoot() *cobra.Command {
	root := newDashboard()
	root.AddCommand(newAgent(), newSnapshot(), newLine(), newPlan(), newEvents(), newAlerts(), newDemo(), newLoad(), newRecord(), newReplay(), newKeys(), newToken(), newVersion(), newMan())
	root.SetFlagErrorFunc(flagError)
	root.SetVersionTemplate("{{.Version}}\n")
	return root
}

// complete offers the values of a flag to the shell.
func complete(cmd *cobra.Command, flag string, values ...string) {
	// It fails only for a flag that does not exist, which a test would show.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// onlyFlags refuses arguments that are not flags, and names the nearest
// command where there is one.
func onlyFlags(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return usagef("%sno command %q: did you mean %q?", whose(cmd), args[0], near[0])
	}
	if cmd.HasAvailableSubCommands() {
		return usagef("%sno command %q: see `%s --help`", whose(cmd), args[0], cmd.CommandPath())
	}
	return usagef("%stakes no argument %q: see `%s --help`", whose(cmd), args[0], cmd.CommandPath())
}

// whose is what a complaint about a command begins with; capmon itself stands
// before every one.
func whose(cmd *cobra.Command) string {
	if !cmd.HasParent() {
		return ""
	}
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ") + ": "
}

// needSubcommand is the run of a command that only groups others.
func needSubcommand(cmd *cobra.Command, args []string) error {
	if err := onlyFlags(cmd, args); err != nil {
		return err
	}
	return usagef("%ssay what: see `%s --help`", whose(cmd), cmd.CommandPath())
}
