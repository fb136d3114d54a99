package main

import (
	"fmt"
	"strings"

	mcobra "github.com/muesli/mango-cobra"
	"github.com/muesli/roff"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"capmon/ui"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:   "man",
		Short: "Print the man page (roff)",
		Long:  "Prints the man page: `capmon man > capmon.1`, or `capmon man | man -l -` to read it now.",
		Args:  onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error {
			page, err := mcobra.NewManPage(1, forPaper())
			if err != nil {
				return fmt.Errorf("man page: %w", err)
			}
			page = page.WithSection("Keys", keySection()).
				WithSection("Filter", ui.FilterHelp()).
				WithSection("Environment", "Every flag can be given as CAPMON_NAME, dashes as underscores: CAPMON_AGENTS for --agents. NO_COLOR, CLICOLOR and COLORTERM are honoured.").
				WithSection("Files", "capmon/config.toml in the config folder: every flag as key = value; [pool.NAME] holds the policy of one pool, and its agents, and wins over the flags for that pool; [alert.NAME] changes a rule, as capmon alerts --write prints it.\ncapmon/keys.toml in the config folder: keys that are changed, as capmon keys --write prints it.\ncapmon/token in the config folder, else /etc/capmon/token: the fleet token.").
				WithSection("Exit status", "0 fine, 1 failed, 2 wrong use.")
			_, err = fmt.Fprint(cmd.OutOrStdout(), page.Build(roff.NewDocument()))
			return err
		},
	}
}

// forPaper is the command tree with its texts as a man page wants them: no
// marks for the names of values, no breaks within a paragraph, and percent signs
// that survive being a format.
func forPaper() *cobra.Command {
	root := newRoot()
	root.InitDefaultCompletionCmd()
	var each func(*cobra.Command)
	each = func(c *cobra.Command) {
		c.Long = strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(c.Long, "\n\n", "\x00"), "\n", " "), "\x00", "\n\n")
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			f.Usage = strings.NewReplacer("`", "", "%", "%%").Replace(f.Usage)
		})
		for _, sub := range c.Commands() {
			each(sub)
		}
	}
	each(root)
	return root
}

// keySection lists the keys from the one table that also handles them.
func keySection() string {
	var b strings.Builder
	for _, k := range ui.Keys() {
		fmt.Fprintf(&b, "%s: %s\n", k.Label, k.Does)
	}
	return b.String()
}
