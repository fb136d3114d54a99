package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"capmon/ui"
)

// The README's table of keys is the one that handles them.
func TestReadmeHasTheKeys(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range ui.Keys() {
		row := fmt.Sprintf("| `%s` | %s |", strings.ReplaceAll(k.Label, "|", `\|`), k.Does)
		if !strings.Contains(string(text), row+"\n") {
			t.Errorf("README.md lacks the row\n%s", row)
		}
	}
}

// Every flag says what it is for, and the release is the changelog's newest.
func TestWordsOfFlagsAndRelease(t *testing.T) {
	root := newRoot()
	for _, c := range append(root.Commands(), root) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if len(f.Usage) < 15 {
				t.Errorf("%s --%s is explained only with %q", c.Name(), f.Name, f.Usage)
			}
		})
		if c.Short == "" {
			t.Errorf("%s has no description", c.Name())
		}
	}
	text, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	_, newest, _ := strings.Cut(string(text), "\n## ")
	if !strings.HasPrefix(newest, release+" ") {
		t.Errorf("CHANGELOG.md begins with %.20q, the release is %s", newest, release)
	}
}
