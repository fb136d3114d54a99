package lessons

import (
	"embed"
	"strings"
)

// The programs of the lessons. Those in Node and Rust are run as they are; that
// in Go is what capmon load does, in short.
//
//go:embed programs
var programs embed.FS

// endings are the files of a language.
var endings = [...]string{Go: ".go.txt", Node: ".js", Rust: ".rs"}

// source is the text of a program: "one", "threads" or "lock".
func source(l Lang, name string) string {
	b, err := programs.ReadFile("programs/" + name + endings[l])
	if err != nil {
		return "" // a test holds that each is there
	}
	return string(b)
}

// shownFrom and shownTo stand around what the screen shows of a program: the
// rest of it only counts.
const (
	shownFrom = "// shown"
	shownTo   = "// end"
)

// code is what is shown of a program: two blanks for each step to the right.
func code(s Setting, name string) []string {
	text := source(s.Lang, name)
	if _, after, ok := strings.Cut(text, shownFrom+"\n"); ok {
		text, _, _ = strings.Cut(after, shownTo)
	}
	text = strings.ReplaceAll(strings.TrimRight(text, "\n "), "\t", "  ")
	lines := strings.Split(text, "\n")
	step := "  "
	if s.Lang == Rust {
		step = "    "
	}
	indent := 100 // steps that all lines have
	for _, l := range lines {
		if l != "" {
			indent = min(indent, steps(l, step))
		}
	}
	for i, l := range lines {
		n := steps(l, step)
		lines[i] = strings.Repeat("  ", max(n-indent, 0)) + l[n*len(step):]
	}
	return lines
}

// steps is how far to the right a line begins.
func steps(line, step string) (n int) {
	for strings.HasPrefix(line, step) {
		line = line[len(step):]
		n++
	}
	return n
}
