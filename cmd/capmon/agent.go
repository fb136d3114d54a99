package main

import (
	"fmt"
	"log/slog"
	"net"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"capmon/agents"
	"capmon/collectors"
	"capmon/internal/small"
)

// agentFlags are those of `capmon agent`.
type agentFlags struct {
	listen   string
	sampling samplingFlags
	labels   []string
	scope    string
	cores    float64
	config   string
	sec      securityFlags
}

func newAgent() *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Stream this machine's numbers to whoever may see them",
		Long: "Reads this machine once a second and streams what it read. It has no command channel:\n" +
			"a viewer subscribes and can do nothing else. It listens on loopback unless told\n" +
			"otherwise; on any other address it wants a fleet token (`capmon token new`), your own\n" +
			"PKI, or --insecure.\n\n" +
			"With --scope it reads a part of the machine as if it were one (Linux): a process and what\n" +
			"it starts, or a control group, with its cores used, memory, processes, services and\n" +
			"connections and nobody else's. It ends with exit code 1 when that process ends; for a\n" +
			"control group that goes it waits.",
		Args: onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error { return runAgent(cmd, &f) },
	}
	cmd.Flags().StringVar(&f.listen, "listen", localAddr, "`address` to listen on, host:port or :port for every address")
	cmd.Flags().StringArrayVar(&f.labels, "label", nil, "`key=value` that viewers group by, repeatable")
	cmd.Flags().StringVar(&f.scope, "scope", "", "`part` of this machine to read as one: pid:N or cgroup:PATH (Linux)")
	cmd.Flags().Float64Var(&f.cores, "cores", 0, "cores that the part has, with --scope (default: its quota, its cpuset, or the machine's)")
	f.sampling.add(cmd)
	addConfig(cmd, &f.config)
	f.sec.add(cmd)
	return cmd
}

// part is what --scope and --cores say. Errors are usage errors.
func (f *agentFlags) part(cmd *cobra.Command) (s collectors.Scope, err error) {
	if f.scope == "" {
		return s, nil
	}
	if s, err = collectors.ParseScope(f.scope); err != nil {
		return s, usagef("--scope %q: %w", f.scope, err)
	}
	if cmd.Flags().Changed("cores") {
		if s, err = s.WithCores(f.cores); err != nil {
			return s, usagef("--cores %v: %w", f.cores, err)
		}
	}
	for _, l := range f.labels {
		if strings.HasPrefix(l, "scope=") {
			return s, usagef("--label %s: an agent with --scope says so itself", l)
		}
	}
	if err := s.Find(collectors.Config{}); err != nil {
		return s, usagef("--scope %s: %w", f.scope, err)
	}
	return s, nil
}

func runAgent(cmd *cobra.Command, f *agentFlags) error {
	typed := cmd.Flags().Changed("cores")
	if err := settle(cmd); err != nil {
		return err
	}
	if typed && f.scope == "" {
		return usagef("--cores goes with --scope: a machine has the cores it has")
	}
	sec, err := f.sec.security()
	if err != nil {
		return err
	}
	if err := agents.CheckListen(f.listen, sec); err != nil {
		return usagef("--listen %s: %w", f.listen, err)
	}
	if f.sampling.scope, err = f.part(cmd); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
	a, err := newLocalAgent(f.sampling, f.labels, log)
	if err != nil {
		return err
	}
	small.Heap()
	var config net.ListenConfig
	listener, err := config.Listen(cmd.Context(), "tcp", f.listen)
	if err != nil {
		return fmt.Errorf("%w: is another agent running there? `capmon agent --listen` names another address", err)
	}
	more := []any{"version", version(), "listen", listener.Addr(), "interval", f.sampling.interval, "security", sec.String()}
	if !f.sampling.scope.Whole() {
		more = append(more, "scope", f.sampling.scope)
	}
	log.Info("capmon agent", more...)
	group, ctx := errgroup.WithContext(cmd.Context())
	go small.Program(ctx)
	group.Go(func() error { return a.Run(ctx) })
	group.Go(func() error { return f.sampling.scope.Gone(ctx) })
	group.Go(func() error { return agents.Serve(ctx, listener, a, sec, log) })
	if err := group.Wait(); err != nil && cmd.Context().Err() == nil {
		return err
	}
	log.Info("capmon agent ends")
	return nil
}
