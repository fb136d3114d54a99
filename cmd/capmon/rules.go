package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"capmon/alerts"
	"capmon/fleet"
)

// ruleText is how a rule is changed, as --alert takes it, and where that stands.
type ruleText struct{ where, text string }

// ruleTexts are the values of --alert, and those of the environment and the
// config file, which hold for the rules that the command line does not name.
type ruleTexts struct{ config, env, flag []ruleText }

var _ pflag.Value = (*ruleTexts)(nil)

func (r *ruleTexts) add(cmd *cobra.Command) {
	cmd.Flags().Var(r, "alert", "a `rule` and when it fires, as limit=95%,clears=90%,for=60s,clear-for=2m,level=act, or thread=off; there are "+strings.Join(ruleNames(), ", ")+" (repeatable; capmon alerts lists them)")
	complete(cmd, "alert", ruleNames()...)
}

// Set takes one from the command line; parsed says what is wrong with it.
func (r *ruleTexts) Set(text string) error {
	r.flag = append(r.flag, ruleText{"--alert " + text, text})
	return nil
}

// Type makes it a list in the environment.
func (r *ruleTexts) Type() string { return "stringArray" }

// String is the default: none.
func (r *ruleTexts) String() string { return "" }

// settle takes what the environment and the config file say.
func (r *ruleTexts) settle(f *pflag.Flag, file configured) {
	if v, ok := variable(f); ok {
		for _, text := range v.values {
			r.env = append(r.env, ruleText{v.where + " " + text, text})
		}
	}
	list := file.flags[f.Name]
	for _, text := range list.values {
		r.config = append(r.config, ruleText{list.where, text})
	}
	r.config = append(r.config, file.rules...)
}

// parsed are the rules with what was said of them. Errors are usage errors that
// name the place.
func (r *ruleTexts) parsed() ([]alerts.Rule, error) {
	rules := alerts.Rules()
	for _, x := range slices.Concat(r.config, r.env, r.flag) {
		if err := alerts.Set(rules, x.text, x.where); err != nil {
			return nil, usagef("%s: %s", x.where, oneLine(err))
		}
	}
	return rules, nil
}

func ruleNames() []string {
	var names []string
	for _, r := range alerts.Rules() {
		names = append(names, r.Name)
	}
	return names
}

// ruleKeys are what an [alert.NAME] can hold; the first is the value of the rule
// itself.
var ruleKeys = []string{"fires", "clears", "for", "clear-for", "level", "on"}

// alert takes [alert] with its NAME = "…" as of --alert NAME=…, or [alert.NAME]
// with a key for each value; the rule is made of them in ruleTables.
func (c *configured) alert(where string, k keyLine) error {
	switch {
	case k.table && k.list:
		return usagef("%s: [[%s]]: a rule has one table: want [%s]", where, k, k)
	case len(k.path) == 1:
		return nil
	case !slices.Contains(ruleNames(), k.path[1]):
		return usagef("%s: no rule %q: there are %s", where, k.path[1], strings.Join(ruleNames(), ", "))
	case len(k.path) > 3 || len(k.path) == 3 && (k.table || !slices.Contains(ruleKeys, k.path[2])):
		return usagef("%s: unknown key %q: the keys of a rule are %s", where, k, strings.Join(ruleKeys, ", "))
	}
	if !slices.ContainsFunc(c.rules, func(r ruleText) bool { return r.text == k.path[1] }) {
		c.rules = append(c.rules, ruleText{where, k.path[1]})
	}
	return nil
}

// ruleTables makes a text of what is said of each rule that alert has seen, and
// refuses what is none.
func (c *configured) ruleTables(values map[string]any) error {
	all, _ := values["alert"].(map[string]any)
	for i := range c.rules {
		r := &c.rules[i]
		text, err := ruleOf(all[r.text])
		if err != nil {
			return usagef("%s: alert.%s: %w", r.where, r.text, err)
		}
		if r.text += "=" + text; text == "" { // a table with nothing in it
			r.text += "on"
		}
		if err := alerts.Set(alerts.Rules(), r.text, r.where); err != nil {
			return usagef("%s: alert.%s", r.where, oneLine(err))
		}
	}
	return nil
}

// ruleOf is the value of a rule as --alert takes it behind the name.
func ruleOf(value any) (string, error) {
	table, ok := value.(map[string]any)
	if !ok {
		table = map[string]any{"fires": value}
		if on, ok := value.(bool); ok {
			table = map[string]any{"on": on}
		}
	}
	var parts []string
	for _, key := range ruleKeys {
		v, is := table[key]
		if !is {
			continue
		}
		text, err := texts(v)
		if err != nil || len(text) != 1 {
			return "", fmt.Errorf("%s: want a text, as \"95%%\" or \"60s\", or on = false", key)
		}
		switch on, bool := v.(bool); {
		case key == "fires":
			parts = append(parts, text[0])
		case key != "on":
			parts = append(parts, key+"="+text[0])
		case !bool:
			return "", fmt.Errorf("on: want true or false")
		case !on: // whatever else is said
			return "off", nil
		}
	}
	return strings.Join(parts, ","), nil
}

func newAlerts() *cobra.Command {
	var (
		rules         ruleTexts
		config        string
		write, asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "alerts",
		Short: "List the alert rules with the thresholds in force",
		Long: "Lists what a dashboard started here would watch: each rule, when it fires and clears, what\n" +
			"it means and what to do, after --alert, CAPMON_ALERT and [alert.NAME] in the config file.\n" +
			"--write prints that part of the config file; what stays as it is may be left out. What fires\n" +
			"now is on screen 5; what fired is in `capmon events`.",
		Example: "  capmon alerts\n  capmon alerts --write >> ~/.config/capmon/config.toml",
		Args:    onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := settle(cmd); err != nil {
				return err
			}
			list, err := rules.parsed()
			if err != nil {
				return err
			}
			print := printRules
			switch {
			case write && asJSON:
				return usagef("--write and --json: want one of them")
			case write:
				print = writeRules
			case asJSON:
				print = jsonRules
			}
			if err := print(cmd.OutOrStdout(), list); err != nil {
				return fmt.Errorf("write the rules: %w", err)
			}
			return nil
		},
	}
	rules.add(cmd)
	addConfig(cmd, &config)
	cmd.Flags().BoolVar(&write, "write", false, "print the part of a config file with all that can be changed")
	cmd.Flags().BoolVar(&asJSON, "json", false, "a JSON object a line")
	onlyOnCommandLine(cmd, "write")
	onlyOnCommandLine(cmd, "json")
	return cmd
}

// ruleRow is a rule in words; what it has not is "".
type ruleRow struct {
	Rule     string `json:"rule"`
	Level    string `json:"level"` // act, soon
	On       bool   `json:"on"`
	Fires    string `json:"fires,omitempty"`
	For      string `json:"for"`
	Clears   string `json:"clears,omitempty"`
	ClearFor string `json:"clear_for"`
	Watches  string `json:"watches"`
	Means    string `json:"means"`
	Do       string `json:"do"`
	From     string `json:"from,omitempty"`
}

func ruleRowOf(r *alerts.Rule) ruleRow {
	x := ruleRow{
		Rule: r.Name, Level: "soon", On: !r.Off, For: alerts.Held(r.For), ClearFor: alerts.Held(r.ClearFor),
		Watches: r.What(), Means: r.Means(), Do: r.Do(), From: r.From,
	}
	if r.Level == fleet.Act {
		x.Level = "act"
	}
	if r.Counts() {
		x.Fires, x.Clears = r.Number(r.Threshold), r.Number(r.Clears)
	}
	return x
}

func printRules(w io.Writer, rules []alerts.Rule) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "RULE\t\tFIRES\tFOR\tCLEARS\tFOR\tWATCHES\tFROM")
	for i := range rules {
		x := ruleRowOf(&rules[i])
		from := x.From
		if from == "" {
			from = "as it ships"
		}
		sign := rules[i].Level.Sign()
		if !x.On {
			fmt.Fprintf(t, "%s\t%s\toff\t\t\t\t%s\t%s\n", x.Rule, sign, x.Watches, from)
			continue
		}
		fires, clears := "≥ "+x.Fires, "< "+x.Clears
		if x.Fires == "" {
			fires, clears = "when so", "when not"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.Rule, sign, fires, x.For, clears, x.ClearFor, x.Watches, from)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n!! act now   ! soon   change one: --alert limit=90%,clears=85%,for=2m, or [alert.limit] in the config file (capmon alerts --write)\n")
	return err
}

func jsonRules(w io.Writer, rules []alerts.Rule) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	for i := range rules {
		if err := out.Encode(ruleRowOf(&rules[i])); err != nil {
			return err
		}
	}
	return nil
}

func writeRules(w io.Writer, rules []alerts.Rule) error {
	var b strings.Builder
	b.WriteString("# When alerts fire and clear. What stays as it is may be left out; thread = \"off\" below [alert] is short for on = false.\n")
	for i := range rules {
		x := ruleRowOf(&rules[i])
		fmt.Fprintf(&b, "\n[alert.%s] # %s\non = %v\nlevel = %q # act (!!) or soon (!)\n", x.Rule, x.Watches, x.On, x.Level)
		if x.Fires != "" {
			fmt.Fprintf(&b, "fires = %q\nclears = %q\n", x.Fires, x.Clears)
		}
		fmt.Fprintf(&b, "for = %q\nclear-for = %q\n", x.For, x.ClearFor)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
