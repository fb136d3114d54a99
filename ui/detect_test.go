package ui

import "testing"

func TestDetect(t *testing.T) {
	for name, c := range map[string]struct {
		env     map[string]string
		pipe    bool
		colours int
		ascii   bool
		theme   string
	}{
		"xterm":                    {env: map[string]string{"TERM": "xterm", "LANG": "en_US.UTF-8"}, colours: 4},
		"256":                      {env: map[string]string{"TERM": "xterm-256color", "LANG": "C.utf8"}, colours: 8},
		"truecolor":                {env: map[string]string{"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}, colours: 24},
		"kitty":                    {env: map[string]string{"TERM": "xterm-kitty", "LANG": "C.UTF-8"}, colours: 24},
		"direct":                   {env: map[string]string{"TERM": "xterm-direct", "LANG": "C.UTF-8"}, colours: 24},
		"tmux":                     {env: map[string]string{"TERM": "tmux-256color", "LANG": "C.UTF-8"}, colours: 8},
		"tmux truecolor":           {env: map[string]string{"TERM": "screen-256color", "TMUX": "/tmp/x", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}, colours: 24},
		"xterm itself":             {env: map[string]string{"TERM": "xterm", "XTERM_VERSION": "XTerm(379)", "LANG": "C.UTF-8"}, colours: 8},
		"called xterm":             {env: map[string]string{"TERM": "xterm", "LANG": "C.UTF-8"}, colours: 4},
		"vte":                      {env: map[string]string{"TERM": "xterm-256color", "VTE_VERSION": "7006", "LANG": "C.UTF-8"}, colours: 24},
		"GNU screen":               {env: map[string]string{"TERM": "screen", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}, colours: 8},
		"console":                  {env: map[string]string{"TERM": "linux", "LANG": "C.UTF-8"}, colours: 4, ascii: true},
		"vt220":                    {env: map[string]string{"TERM": "vt220", "LANG": "C.UTF-8"}, ascii: true},
		"NO_COLOR":                 {env: map[string]string{"TERM": "xterm-256color", "NO_COLOR": "1", "LANG": "C.UTF-8"}},
		"NO_COLOR empty":           {env: map[string]string{"TERM": "xterm-256color", "NO_COLOR": "", "LANG": "C.UTF-8"}, colours: 8},
		"NO_COLOR beats forcing":   {env: map[string]string{"TERM": "xterm", "NO_COLOR": "0", "CLICOLOR_FORCE": "1", "LANG": "C.UTF-8"}},
		"CLICOLOR=0":               {env: map[string]string{"TERM": "xterm", "CLICOLOR": "0", "LANG": "C.UTF-8"}},
		"CLICOLOR_FORCE":           {env: map[string]string{"TERM": "xterm", "CLICOLOR": "0", "CLICOLOR_FORCE": "1", "LANG": "C.UTF-8"}, colours: 4},
		"pipe":                     {env: map[string]string{"TERM": "xterm", "LANG": "C.UTF-8"}, pipe: true},
		"dumb":                     {env: map[string]string{"TERM": "dumb", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}, ascii: true},
		"TERM unset":               {env: map[string]string{"LANG": "C.UTF-8"}},
		"LANG=C":                   {env: map[string]string{"TERM": "xterm", "LANG": "C"}, colours: 4, ascii: true},
		"no locale":                {env: map[string]string{"TERM": "xterm"}, colours: 4, ascii: true},
		"LC_ALL wins":              {env: map[string]string{"TERM": "xterm", "LC_ALL": "C", "LANG": "C.UTF-8"}, colours: 4, ascii: true},
		"LC_CTYPE beats LANG":      {env: map[string]string{"TERM": "xterm", "LC_CTYPE": "UTF-8", "LANG": "C"}, colours: 4},
		"light background":         {env: map[string]string{"TERM": "xterm", "LANG": "C.UTF-8", "COLORFGBG": "0;15"}, colours: 4, theme: "light"},
		"light background, rxvt":   {env: map[string]string{"TERM": "xterm", "LANG": "C.UTF-8", "COLORFGBG": "0;default;7"}, colours: 4, theme: "light"},
		"dark background":          {env: map[string]string{"TERM": "xterm", "LANG": "C.UTF-8", "COLORFGBG": "15;0"}, colours: 4, theme: "dark"},
		"background out of range":  {env: map[string]string{"TERM": "xterm", "LANG": "C.UTF-8", "COLORFGBG": "15;99"}, colours: 4},
		"background not a number":  {env: map[string]string{"TERM": "xterm", "LANG": "C.UTF-8", "COLORFGBG": "15;default"}, colours: 4},
		"background without parts": {env: map[string]string{"TERM": "xterm", "LANG": "C.UTF-8", "COLORFGBG": "7"}, colours: 4},
	} {
		t.Run(name, func(t *testing.T) {
			colours, ascii, theme := Detect(func(k string) string { return c.env[k] }, !c.pipe)
			if colours != c.colours || ascii != c.ascii || theme != c.theme {
				t.Errorf("%d bits, ascii %v, theme %q; want %d, %v, %q", colours, ascii, theme, c.colours, c.ascii, c.theme)
			}
		})
	}
	if asciiOnly(func(string) string { return "" }, "windows") {
		t.Error("Windows has no LANG and draws more than ASCII")
	}
}
