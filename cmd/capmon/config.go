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
	_, err := settlePools(cmd)
	return err
}

// settlePools does that, and returns the tables of pools in the config file.
func settlePools(cmd *cobra.Command) ([]poolTable, error) {
	file, err := configFile(cmd)
	if err != nil {
		return nil, err
	}
	if named(cmd) {
		file.dropLists()
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if err != nil || !configurable(f) {
			return
		}
		if rules, ok := f.Value.(*ruleTexts); ok { // each rule for itself
			rules.settle(f, file)
			return
		}
		if f.Changed {
			return
		}
		if v, ok := variable(f); ok {
			err = set(cmd.Flags(), f.Name, "--"+f.Name, v)
		} else if v, ok := file.flags[f.Name]; ok {
			err = set(cmd.Flags(), f.Name, "--"+f.Name, v)
		}
	})
	return file.pools, err
}

// variable is the value of a flag in the environment.
func variable(f *pflag.Flag) (fromFile, bool) {
	name := "CAPMON_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
	v := os.Getenv(name)
	return fromFile{where: name, values: splitList(f, v)}, v != ""
}

// set gives a flag its values; key is what errors call it.
func set(fs *pflag.FlagSet, name, key string, v fromFile) error {
	for _, text := range v.values {
		if err := fs.Set(name, text); err != nil {
			return usagef("%s: %q is no value for %s: %w", v.where, text, key, errors.Unwrap(err))
		}
	}
	return nil
}

// hostLists are the flags that name hosts. Who names some by hand means those:
// the lists of the file are then left out.
var hostLists = []string{"agents", "pool"}

// named says whether hosts are named on the command line or in the environment.
func named(cmd *cobra.Command) bool {
	return slices.ContainsFunc(hostLists, func(name string) bool {
		f := cmd.Flags().Lookup(name)
		if f == nil || !configurable(f) {
			return false
		}
		_, set := variable(f)
		return f.Changed || set
	})
}

// splitList takes a variable apart that holds several values of a repeatable
// flag, one a line or separated by blanks.
func splitList(f *pflag.Flag, v string) []string {
	if f.Value.Type() == "stringArray" {
		return strings.Fields(v)
	}
	return []string{v}
}

// fromFile is the value of one key.
type fromFile struct {
	where  string // file:line, or the name of a variable
	values []string
}

// configured is what a config file says.
type configured struct {
	flags map[string]fromFile
	pools []poolTable // in the order of the file
	rules []ruleText  // of [alert]
}

// dropLists forgets which hosts are named.
func (c *configured) dropLists() {
	for _, name := range hostLists {
		delete(c.flags, name)
	}
	dropHosts(c.pools)
}

func dropHosts(tables []poolTable) {
	for i := range tables {
		tables[i].keys = slices.DeleteFunc(tables[i].keys, func(k tableKey) bool { return k.name == "agents" })
	}
}

// configFile reads the file --config or CAPMON_CONFIG names, else the one in
// the config folder when it exists.
func configFile(cmd *cobra.Command) (configured, error) {
	path, err := cmd.Flags().GetString("config")
	if err != nil {
		return configured{}, nil // this command has no settings
	}
	if path == "" {
		path = os.Getenv("CAPMON_CONFIG")
	}
	named := path != ""
	if !named {
		dir, err := os.UserConfigDir()
		if err != nil {
			return configured{}, nil // no home, no config
		}
		path = filepath.Join(dir, "capmon", "config.toml")
	}
	text, err := readBounded(path)
	switch {
	case errors.Is(err, os.ErrNotExist) && !named:
		return configured{}, nil
	case errors.Is(err, syscall.EISDIR):
		return configured{}, usagef("config %s: it is a folder: name a TOML file with --config", path)
	case err != nil:
		return configured{}, usagef("config: %w", err)
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

// parseConfig reads a TOML file of `flag = value`, of [pool.NAME] with the keys
// of one pool, and of [alert.NAME] with those of one rule. Errors are usage errors
// that name the line.
func parseConfig(path string, text []byte, known []string) (configured, error) {
	var values map[string]any
	if err := toml.Unmarshal(text, &values); err != nil {
		var at *toml.DecodeError
		if errors.As(err, &at) {
			row, _ := at.Position()
			return configured{}, usagef("%s:%d: not TOML: %w", path, row, err)
		}
		return configured{}, usagef("%s: not TOML: %w", path, err)
	}
	lines, err := keyLines(text)
	if err != nil {
		return configured{}, usagef("%s: not TOML: %w", path, err)
	}
	out := configured{flags: map[string]fromFile{}}
	for _, k := range lines {
		where := fmt.Sprintf("%s:%d", path, k.line)
		switch {
		case k.path[0] == "pool" && (k.table || len(k.path) > 1):
			err = out.pool(where, k, values)
		case k.path[0] == "alert" && (k.table || len(k.path) > 1):
			err = out.alert(where, k)
		case len(k.path) > 1 || k.table || !slices.Contains(known, k.path[0]):
			err = usagef("%s: unknown key %q: the keys are %s", where, k, strings.Join(known, ", "))
		default:
			err = out.flag(where, k, values)
		}
		if err != nil {
			return configured{}, err
		}
	}
	return out, out.ruleTables(values)
}

func (c *configured) flag(where string, k keyLine, values map[string]any) error {
	v, err := texts(values[k.path[0]])
	if err != nil {
		return usagef("%s: %s: %w", where, k, err)
	}
	c.flags[k.path[0]] = fromFile{where: where, values: v}
	return nil
}

// pool takes [pool.NAME], or a key in it; [pool] alone is a way to write one.
func (c *configured) pool(where string, k keyLine, values map[string]any) error {
	keys := poolKeys()
	switch {
	case k.table && k.list:
		return usagef("%s: [[%s]]: a pool has one table: want [%s]", where, k, k)
	case len(k.path) == 1:
		return nil
	case len(k.path) == 2 && !k.table:
		return usagef("%s: %s: want a table: [%s] and its keys below", where, k, k)
	case len(k.path) > 2 && (k.table || len(k.path) > 3 || !slices.Contains(keys, k.path[2])):
		return usagef("%s: unknown key %q: the keys of a pool are %s", where, k, strings.Join(keys, ", "))
	}
	name := k.path[1]
	if err := poolName(name); err != nil {
		return usagef("%s: %w", where, err)
	}
	i := slices.IndexFunc(c.pools, func(t poolTable) bool { return t.name == name })
	if i < 0 {
		i = len(c.pools)
		c.pools = append(c.pools, poolTable{name: name, where: where})
	}
	if k.table {
		return nil
	}
	pools, _ := values["pool"].(map[string]any)
	pool, _ := pools[name].(map[string]any)
	v, err := texts(pool[k.path[2]])
	if err != nil {
		return usagef("%s: %s: %w", where, k, err)
	}
	c.pools[i].keys = append(c.pools[i].keys, tableKey{k.path[2], fromFile{where: where, values: v}})
	return nil
}

// keyLine is a key with the tables it is in, or the name of a table, and its
// line.
type keyLine struct {
	path        []string
	line        int
	table, list bool // [path], [[path]]
}

func (k keyLine) String() string { return strings.Join(k.path, ".") }

func keyLines(text []byte) ([]keyLine, error) {
	var out []keyLine
	var in []string // the table
	var p unstable.Parser
	p.Reset(text)
	for p.NextExpression() {
		e := p.Expression()
		k := keyLine{list: e.Kind == unstable.ArrayTable, table: e.Kind != unstable.KeyValue}
		for key := e.Key(); key.Next(); {
			n := key.Node()
			if len(k.path) == 0 {
				k.line = p.Shape(n.Raw).Start.Line
			}
			k.path = append(k.path, string(n.Data))
		}
		if k.table {
			in = k.path
		} else {
			k.path = slices.Concat(in, k.path)
		}
		out = append(out, k)
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
