package lessons

import (
	"fmt"
	"os/exec"
)

// Lang is what the programs of lessons 1 to 3 are written in.
type Lang int

// The languages.
const (
	Go Lang = iota
	Node
	Rust
)

var langNames = [...]string{Go: "go", Node: "node", Rust: "rust"}

// Langs are the names that ParseLang takes.
func Langs() []string { return langNames[:] }

func (l Lang) String() string { return langNames[l] }

// ParseLang reads the name of a language.
func ParseLang(name string) (Lang, error) {
	for l, n := range langNames {
		if n == name {
			return Lang(l), nil
		}
	}
	return Go, fmt.Errorf("want go, node or rust")
}

// Whose says what the code is, for its title.
func (l Lang) Whose() string {
	return [...]string{Go: "the loop, in Go", Node: "the loop, in Node.js", Rust: "the loop, in Rust"}[l]
}

// needs is the program that a language is run or compiled with; "" = none.
func (l Lang) needs() string { return [...]string{Node: "node", Rust: "rustc"}[l] }

// available is l where it can be run here, else Go and why.
func available(l Lang) (Lang, string) {
	if l == Go {
		return Go, ""
	}
	if _, err := exec.LookPath(l.needs()); err != nil {
		return Go, fmt.Sprintf("--lang %s: there is no %s on the PATH: install it; the lessons run in Go", l, l.needs())
	}
	return l, ""
}
