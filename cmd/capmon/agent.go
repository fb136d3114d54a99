package main

import (
	"fmt"
	"log/slog"
	"net"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"capmon/agents"
	"capmon/internal/small"
)

// agentFlags are those of `capmon agent`.
type agentFlags struct {
	listen   string
	sampling samplingFlags
	labels   []string
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
			"PKI, or --insecure.",
		Args: onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error { return runAgent(cmd, &f) },
	}
	cmd.Flags().StringVar(&f.listen, "listen", localAddr, "`address` to listen on, host:port or :port for every address")
	cmd.Flags().StringArrayVar(&f.labels, "label", nil, "`key=value` that viewers group by, repeatable")
	f.sampling.add(cmd)
	addConfig(cmd, &f.config)
	f.sec.add(cmd)
	return cmd
}

func runAgent(cmd *cobra.Command, f *agentFlags) error {
	if err := settle(cmd); err != nil {
		return err
	}
	sec, err := f.sec.security()
	if err != nil {
		return err
	}
	if err := agents.CheckListen(f.listen, sec); err != nil {
		return usagef("--listen %s: %w", f.listen, err)
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
	log.Info("capmon agent", "version", version(), "listen", listener.Addr(), "interval", f.sampling.interval, "security", sec.String())
	group, ctx := errgroup.WithContext(cmd.Context())
	go small.Program(ctx)
	group.Go(func() error { return a.Run(ctx) })
	group.Go(func() error { return agents.Serve(ctx, listener, a, sec, log) })
	if err := group.Wait(); err != nil && cmd.Context().Err() == nil {
		return err
	}
	log.Info("capmon agent ends")
	return nil
}
