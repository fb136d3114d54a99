package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// wanted is what a flag of a type that is not ours takes, in words.
var wanted = map[string]string{
	"bool":     "want true or false, or the flag alone",
	"duration": "want a time with its unit, as 10s, 5m or 1h30m",
	"int":      "want a whole number",
	"uint":     "want a whole number, 0 or more",
	"uint64":   "want a whole number, 0 or more",
	"float64":  "want a number, as 0.5",
}

// flagError says what is wrong with a flag as everything else is said: the flag,
// what was given, what is wanted. Of a flag that is not there it says whose it
// is, or where to look.
func flagError(cmd *cobra.Command, err error) error {
	help := fmt.Sprintf("see `%s --help`", cmd.CommandPath())
	var value *pflag.InvalidValueError
	var none *pflag.NotExistError
	var bare *pflag.ValueRequiredError
	switch {
	case errors.As(err, &value):
		f := value.GetFlag()
		if want, ok := wanted[f.Value.Type()]; ok {
			return usagef("--%s %q: %s", f.Name, value.GetValue(), want)
		}
		return usagef("--%s %q: %w", f.Name, value.GetValue(), trimGiven(errors.Unwrap(value), value.GetValue()))
	case errors.As(err, &none):
		if name := none.GetSpecifiedName(); len(name) > 1 && none.GetSpecifiedShortnames() == "" && cmd.HasParent() && cmd.Root().Flags().Lookup(name) != nil {
			return usagef("unknown flag: --%s is of %s, not of %s: %s", name, cmd.Root().Name(), cmd.CommandPath(), help)
		}
		return usagef("%w: %s", err, help)
	case errors.As(err, &bare):
		return usagef("--%s: want a value: %s", bare.GetFlag().Name, help)
	}
	return usagef("%w: %s", err, help)
}

// trimGiven leaves out of an error the value that stands before it already.
func trimGiven(err error, given string) error {
	if text, ok := strings.CutPrefix(err.Error(), fmt.Sprintf("%q: ", given)); ok {
		return errors.New(text)
	}
	return err
}
