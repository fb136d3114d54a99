package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// maxConfig bounds a config file, in bytes.
const maxConfig = 1 << 20

// notConfigurable are flags that make no sense outside a command line.
var notConfigurable = []string{"help", "version", "config"}

// atHand marks a flag whose value neither a file nor a variable may give: the
// same name means something else for another command, or it is of one moment.
const atHand = "only-on-command-line"

func onlyOnCommandLine(cmd *cobra.Command, name string) {
	// It fails only for a flag that does not exist, which a test would show.
	_ = cmd.Flags().SetAnnotation(name, atHand, nil)
}

// configurable says whether a flag takes its value from a file or a variable.
func configurable(f *pflag.Flag) bool {
	_, no := f.Annotations[atHand]
	return !no && !slices.Contains(notConfigurable, f.Name)
}

// settle gives every flag that was not on the command line its value from the
// environment (CAPMON_NAME), else from the config file: flag > environment >
// file > default. Errors are usage errors that name where the value came from.
func settle(cmd *cobra.Command) error {
	file, err := configFile(cmd)
	if err != nil {
		return err
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if err != nil || f.Changed || !configurable(f) {
			return
		}
		name := "CAPMON_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if v, ok := os.LookupEnv(name); ok && v != "" {
			err = set(cmd, f, name, splitList(f, v))
		} else if v, ok := file[f.Name]; ok {
			err = set(cmd, f, v.where, v.values)
		}
	})
	return err
}

func set(cmd *cobra.Command, f *pflag.Flag, where string, values []string) error {
	for _, v := range values {
		if err := cmd.Flags().Set(f.Name, v); err != nil {
			return usagef("%s: %q is no value for --%s: %w", where, v, f.Name, errors.Unwrap(err))
		}
	}
	return nil
}

// splitList takes a variable apart that holds several values of a repeatable
// flag, one a line or separated by blanks.
func splitList(f *pflag.Flag, v string) []string {
	if f.Value.Type() == "stringArray" {
		return strings.Fields(v)
	}
	return []string{v}
}

// fromFile is one key of the config file.
type fromFile struct {
	where  string // file:line
	values []string
}

// configFile reads the file --config or CAPMON_CONFIG names, else the one in
// the config folder when it exists.
func configFile(cmd *cobra.Command) (map[string]fromFile, error) {
	path, err := cmd.Flags().GetString("config")
	if err != nil {
		return nil, nil // this command has no settings
	}
	if path == "" {
		path = os.Getenv("CAPMON_CONFIG")
	}
	named := path != ""
	if !named {
		dir, err := os.UserConfigDir()
		if err != nil {
			return nil, nil // no home, no config
		}
		path = filepath.Join(dir, "capmon", "config.toml")
	}
	text, err := readBounded(path)
	switch {
	case errors.Is(err, os.ErrNotExist) && !named:
		return nil, nil
	case errors.Is(err, syscall.EISDIR):
		return nil, usagef("config %s: it is a folder: name a TOML file with --config", path)
	case err != nil:
		return nil, usagef("config: %w", err)
	}
	return parseConfig(path, text, knownKeys(cmd.Root()))
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err == nil && len(text) > maxConfig {
		err = fmt.Errorf("read %s: larger than %d bytes", path, maxConfig)
	}
	return text, err
}

// knownKeys are the names of the flags of every command: one file serves all.
func knownKeys(root *cobra.Command) []string {
	var keys []string
	for _, c := range append(root.Commands(), root) {
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if configurable(f) {
				keys = append(keys, f.Name)
			}
		})
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// parseConfig reads a flat TOML file of `flag = value`. Errors are usage errors
// that name the line.
func parseConfig(path string, text []byte, known []string) (map[string]fromFile, error) {
	var values map[string]any
	if err := toml.Unmarshal(text, &values); err != nil {
		var at *toml.DecodeError
		if errors.As(err, &at) {
			row, _ := at.Position()
			return nil, usagef("%s:%d: not TOML: %w", path, row, err)
		}
		return nil, usagef("%s: not TOML: %w", path, err)
	}
	lines, err := keyLines(text)
	if err != nil {
		return nil, usagef("%s: not TOML: %w", path, err)
	}
	out := map[string]fromFile{}
	for _, k := range lines {
		where := fmt.Sprintf("%s:%d", path, k.line)
		if !slices.Contains(known, k.name) {
			return nil, usagef("%s: unknown key %q: the keys are %s", where, k.name, strings.Join(known, ", "))
		}
		v, err := texts(values[k.name])
		if err != nil {
			return nil, usagef("%s: %s: %w", where, k.name, err)
		}
		out[k.name] = fromFile{where: where, values: v}
	}
	return out, nil
}

// keyLine is a top-level key, or the name of a table, and its line.
type keyLine struct {
	name string
	line int
}

func keyLines(text []byte) ([]keyLine, error) {
	var out []keyLine
	var p unstable.Parser
	p.Reset(text)
	for p.NextExpression() {
		e := p.Expression()
		key := e.Key()
		var parts []string
		line := 0
		for key.Next() {
			n := key.Node()
			parts = append(parts, string(n.Data))
			if line == 0 {
				line = p.Shape(n.Raw).Start.Line
			}
		}
		out = append(out, keyLine{name: strings.Join(parts, "."), line: line})
	}
	return out, p.Error()
}

// texts turns a TOML value into what a flag's Set takes, once for each value.
func texts(v any) ([]string, error) {
	switch v := v.(type) {
	case string:
		return []string{v}, nil
	case bool, int64, float64:
		return []string{fmt.Sprint(v)}, nil
	case []any:
		var out []string
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, fmt.Errorf("want a list of strings, got %v in it", e)
			}
			out = append(out, s)
		}
		return out, nil
	default:
		return nil, errors.New("want a string, a number, true or false, or a list of strings")
	}
}
