package ui

import (
	"runtime"
	"strconv"
	"strings"
)

// Detect says what a terminal can show, from the values of the environment:
// colours in bits (24, 8, 4 or 0), whether only ASCII is safe, and the theme
// its background asks for ("" when nothing says). isTTY is whether the output
// is a terminal at all: without one there is no colour, unless CLICOLOR_FORCE
// insists.
func Detect(env func(string) string, isTTY bool) (colours int, ascii bool, theme string) {
	return colourBits(env, isTTY), asciiOnly(env, runtime.GOOS), background(env("COLORFGBG"))
}

func colourBits(env func(string) string, isTTY bool) int {
	term := strings.ToLower(env("TERM"))
	force := env("CLICOLOR_FORCE") != "" && env("CLICOLOR_FORCE") != "0"
	windows := env("WT_SESSION") != ""
	switch {
	case env("NO_COLOR") != "", term == "dumb", term == "" && !windows:
		return 0
	case (env("CLICOLOR") == "0" || !isTTY) && !force:
		return 0
	}
	depth := strings.ToLower(env("COLORTERM"))
	switch {
	case strings.HasPrefix(term, "vt"), strings.HasSuffix(term, "-m"), strings.HasSuffix(term, "-mono"):
		return 0
	case term == "linux":
		return 4
	case strings.HasPrefix(term, "screen") && env("TERM_PROGRAM") != "tmux" && env("TMUX") == "": // GNU screen passes no more on
		return 8
	case depth == "truecolor", depth == "24bit", windows, env("VTE_VERSION") != "", strings.HasSuffix(term, "-direct"):
		return 24
	}
	for _, name := range []string{"kitty", "alacritty", "ghostty", "wezterm", "foot", "contour"} {
		if strings.Contains(term, name) {
			return 24
		}
	}
	if strings.Contains(term, "256") || strings.HasPrefix(term, "tmux") || term == "xterm" && env("XTERM_VERSION") != "" {
		return 8
	}
	return 4
}

// asciiOnly holds where the locale is not UTF-8, and on the Linux console,
// whose font lacks most of the blocks.
func asciiOnly(env func(string) string, goos string) bool {
	term := strings.ToLower(env("TERM"))
	if term == "linux" || term == "dumb" || strings.HasPrefix(term, "vt") {
		return true
	}
	if goos == "windows" {
		return false
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(env(name)); v != "" {
			return !strings.Contains(v, "utf-8") && !strings.Contains(v, "utf8")
		}
	}
	return true
}

// background reads COLORFGBG, "15;0" or "0;default;15": the last is behind.
func background(v string) string {
	n, err := strconv.Atoi(v[strings.LastIndexByte(v, ';')+1:])
	switch {
	case err != nil || !strings.Contains(v, ";") || n < 0 || n > 15:
		return ""
	case n == 7 || n >= 9:
		return "light"
	}
	return "dark"
}
