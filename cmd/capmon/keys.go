package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"

	"capmon/ui"
)

func newKeys() *cobra.Command {
	var write bool
	var path string
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "List the keys of the screens, or write them to be changed",
		Long: "Lists what each key does, as it is after the keys of the user: keys.toml in the config\n" +
			"folder (~/.config/capmon), or the file that --keys names. --write prints such a file with\n" +
			"all that can be changed; lines that stay as they are may be left out.",
		Example: "  capmon keys --write > ~/.config/capmon/keys.toml",
		Args:    onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := settle(cmd); err != nil {
				return err
			}
			if err := setKeys(path); err != nil {
				return err
			}
			print := printKeys
			if write {
				print = writeKeys
			}
			if err := print(cmd.OutOrStdout()); err != nil {
				return fmt.Errorf("write the keys: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&write, "write", false, "print a keys.toml with all that can be changed")
	addKeys(cmd, &path)
	onlyOnCommandLine(cmd, "write")
	return cmd
}

func addKeys(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVar(path, "keys", "", "`file` that changes keys, TOML, as capmon keys --write prints it (default: capmon/keys.toml in the config folder)")
}

func printKeys(w io.Writer) error {
	var b strings.Builder
	group := ""
	for _, k := range ui.Keys() {
		if k.Group != group {
			group = k.Group
			fmt.Fprintln(&b, group)
		}
		fmt.Fprintf(&b, "  %-14s %s\n", k.Label, k.Does)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeKeys prints the file: what is of several screens, then a table for each
// screen.
func writeKeys(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# What a key does (its name here is the key as it ships) is done by the keys in the list.\n" +
		"# An empty list leaves it to the mouse and to commands. The numbers of the screens, ? and esc stay.\n")
	list := ui.Bindings()
	tables := []string{""}
	seen := map[string]bool{"": true}
	for _, x := range list {
		if !seen[x.Table] {
			seen[x.Table] = true
			tables = append(tables, x.Table)
		}
	}
	for _, table := range tables {
		if table != "" {
			fmt.Fprintf(&b, "\n[%s]\n", table)
		}
		for _, x := range list {
			if x.Table != table {
				continue
			}
			keys := make([]string, len(x.Keys))
			for i, k := range x.Keys {
				keys[i] = strconv.Quote(k)
			}
			fmt.Fprintf(&b, "%-12s = [%s] # %s\n", strconv.Quote(x.Name), strings.Join(keys, ", "), x.Does)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// setKeys changes keys as a file says; without a name, the one in the config
// folder where there is one. Errors are usage errors.
func setKeys(path string) error {
	named := path != ""
	if !named {
		dir, err := os.UserConfigDir()
		if err != nil {
			return nil // no home, no file
		}
		path = filepath.Join(dir, "capmon", "keys.toml")
	}
	text, err := readBounded(path)
	switch {
	case errors.Is(err, os.ErrNotExist) && !named:
		return nil
	case err != nil:
		return usagef("keys: %w", err)
	}
	var values map[string]any
	if err := toml.Unmarshal(text, &values); err != nil {
		var at *toml.DecodeError
		if errors.As(err, &at) {
			row, _ := at.Position()
			return usagef("%s:%d: not TOML: %w", path, row, err)
		}
		return usagef("%s: not TOML: %w", path, err)
	}
	lines, err := keyLines(text)
	if err != nil {
		return usagef("%s: not TOML: %w", path, err)
	}
	var changes []ui.Binding
	for _, k := range lines {
		if k.table {
			continue
		}
		c := ui.Binding{Name: k.path[len(k.path)-1]}
		value := values[k.path[0]]
		if len(k.path) > 1 {
			c.Table = strings.Join(k.path[:len(k.path)-1], ".")
			in, _ := value.(map[string]any)
			value = in[c.Name]
		}
		if _, isList := value.([]any); isList {
			c.Keys, err = texts(value)
		}
		if err != nil || c.Keys == nil && fmt.Sprint(value) != "[]" {
			return usagef("%s:%d: %s: want a list of keys, as [\"s\", \"f6\"]", path, k.line, k)
		}
		changes = append(changes, c)
	}
	if err := ui.SetKeys(changes); err != nil {
		return usagef("%s: %w", path, err)
	}
	return nil
}
