package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"capmon/agents"
)

func newToken() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make and show the fleet token, the secret that opens the numbers of a fleet",
		Args:  onlyFlags,
		RunE:  needSubcommand,
	}
	var path string
	create := &cobra.Command{
		Use:   "new",
		Short: "Make a fleet token",
		Long: "Makes a fleet token in the config folder, readable by you alone. Copy the file to every\n" +
			"machine, there or to /etc/capmon/token: agents and viewers find it by themselves and\n" +
			"speak mutual TLS from then on. Who holds it may read the fleet's numbers, nothing more.",
		Args: onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file, err := tokenPath(path)
			if err != nil {
				return err
			}
			if err := agents.NewToken(file); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\nCopy it to every machine (there, or to /etc/capmon/token); then `capmon agent --listen :7077` on each.\n", file)
			return err
		},
	}
	show := &cobra.Command{
		Use:   "show",
		Short: "Say which fleet token is in force, without its secret",
		Args:  onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error {
			found, err := agents.FindToken(path)
			if err != nil {
				return usageError{err}
			}
			if found == "" {
				return fmt.Errorf("no fleet token found: make one with `capmon token new`, or copy one here")
			}
			sec, err := agents.WithToken(found)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n%s\n", found, sec)
			return err
		},
	}
	for _, c := range []*cobra.Command{create, show} {
		c.Flags().StringVar(&path, "token", "", "token `file` (default: token in the config folder)")
		cmd.AddCommand(c)
	}
	return cmd
}

// tokenPath is where a new token goes: where it will be found.
func tokenPath(named string) (string, error) {
	if named != "" {
		return named, nil
	}
	return agents.DefaultTokenPath()
}
