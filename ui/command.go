package ui

import (
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
)

// A command is what can be typed behind a colon.
type command struct {
	name, does string
	// run does it; note is what went wrong, or what was done, in a line.
	run func(m *model, arg string) (note string, cmd tea.Cmd)
	// fill completes the argument; may be nil.
	fill func(m *model, arg string) string
}

// commands in the order of their names.
var commands []command

func init() {
	to := func(do action) func(*model, string) (string, tea.Cmd) {
		return func(m *model, _ string) (string, tea.Cmd) { m.act(do); return m.view.Note, nil }
	}
	commands = []command{
		{"alerts", "screen 5", to(actAlerts), nil},
		{"columns", "names in order, or auto; alone: shows them to be changed", func(m *model, arg string) (string, tea.Cmd) {
			if arg == "" {
				m.turnTo(Overview)
				m.chooseColumns()
				return "", nil
			}
			chosen, err := ParseColumns(arg)
			if err != nil {
				return err.Error(), nil
			}
			m.view.Columns = chosen
			return "", nil
		}, func(_ *model, arg string) string { return prompts[ColumnsPrompt].complete(nil, arg) }},
		{"cores", "screen 2", to(actCores), nil},
		{"demo", "screen 6", to(actDemo), nil},
		{"export", "the screen to files: md, json or both; md FILE, json FILE", func(m *model, arg string) (string, tea.Cmd) {
			format, path, _ := strings.Cut(arg, " ")
			if !slices.Contains([]string{"", "md", "json"}, format) {
				return "export " + arg + ": want md or json, and a file if it is to have a name", nil
			}
			cmd := m.export(format, strings.TrimSpace(path))
			return m.view.Note, cmd
		}, among("md", "json")},
		{"filter", "show hosts, or alerts, that match", func(m *model, arg string) (string, tea.Cmd) {
			*m.view.filterOf() = arg
			return filterWrong(m.view.beneath(), arg), nil
		}, func(m *model, arg string) string { return completeFilter(&m.frame, m.view.beneath(), arg) }},
		{"goto", "a time: 03:04, -10m", func(m *model, arg string) (string, tea.Cmd) {
			at, err := ParseMoment(arg, m.newest())
			if err != nil {
				return err.Error(), nil
			}
			m.goTo(at)
			return m.view.Note, nil
		}, nil},
		{"help", "what the keys do", to(actHelp), nil},
		{"host", "open a host", func(m *model, arg string) (string, tea.Cmd) {
			if hostNamed(&m.frame, arg) == nil {
				return "no host " + arg + ": tab completes names", nil
			}
			m.view.Host, m.moved = arg, true
			m.view.openFrom()
			m.turnTo(HostScreen)
			return "", nil
		}, func(m *model, arg string) string {
			var names []string
			for i := range m.frame.Hosts {
				names = append(names, m.frame.Hosts[i].Name)
			}
			return completed(arg, names)
		}},
		{"live", "the present", func(m *model, _ string) (string, tea.Cmd) {
			if m.view.Paused {
				m.pause()
			}
			return "", nil
		}, nil},
		{"mouse", "on or off", func(m *model, arg string) (string, tea.Cmd) {
			if arg != "on" && arg != "off" {
				return "mouse " + arg + ": want on or off", nil
			}
			var cmd tea.Cmd
			if m.view.MouseOff != (arg == "off") {
				cmd = m.capture()
			}
			return m.view.Note, cmd
		}, among("on", "off")},
		{"overview", "screen 1", to(actOverview), nil},
		{"plan", "screen 4", to(actPlan), nil},
		{"quit", "leave", func(*model, string) (string, tea.Cmd) { return "", tea.Quit }, nil},
		{"sort", "rows by a column", func(m *model, arg string) (string, tea.Cmd) {
			for s := range sorts {
				if s.String() == arg || strings.HasPrefix(s.String(), arg+" ") {
					m.view.Sort, m.view.Reverse = s, false
					m.resort(true)
					return "", nil
				}
			}
			return "no order " + arg + ": there are " + strings.Join(sortNames(), ", "), nil
		}, among(sortNames()...)},
		{"theme", "dark, light, projector, mono", func(m *model, arg string) (string, tea.Cmd) {
			if !slices.Contains(Themes(), arg) {
				return "no theme " + arg + ": there are " + strings.Join(Themes(), ", "), nil
			}
			m.chosen = true
			m.setTheme(arg)
			return "", nil
		}, among(Themes()...)},
	}
	prompts[CommandPrompt] = prompt{
		sign: ":",
		hint: func(_ *Frame, v *View, width int) string {
			name, _, arg := strings.Cut(v.Prompt.Text, " ")
			fit := commandNames(name)
			at := slices.Index(commandNames(""), name)
			if at < 0 && len(fit) == 1 {
				at = slices.Index(commandNames(""), fit[0])
			}
			switch {
			case at >= 0:
				return commands[at].does
			case arg || len(fit) == 0:
				return first(width*2/3, "no such command: "+strings.Join(commandNames(""), " "), "no such command: tab completes")
			}
			room := width - cells(v.Prompt.Text) - 12
			for n := len(fit); n > 0; n-- {
				more := "   tab completes"
				if n < len(fit) {
					more = " …   tab completes"
				}
				if s := strings.Join(fit[:n], " ") + more; cells(s) <= room {
					return s
				}
			}
			return "tab completes"
		},
		complete: func(m *model, text string) string {
			name, arg, has := strings.Cut(text, " ")
			if !has {
				return completed(name, commandNames(""))
			}
			if i := slices.Index(commandNames(""), name); i >= 0 && commands[i].fill != nil {
				return name + " " + commands[i].fill(m, arg)
			}
			return text
		},
		do: func(m *model, text string) tea.Cmd {
			name, arg, _ := strings.Cut(strings.TrimSpace(text), " ")
			if name == "" {
				return nil
			}
			fit := commandNames(name)
			at := slices.Index(commandNames(""), name)
			switch {
			case at < 0 && len(fit) == 1:
				at = slices.Index(commandNames(""), fit[0])
			case at < 0 && len(fit) > 1:
				m.view.Note = name + " may be " + strings.Join(fit, " or ")
				return nil
			case at < 0:
				m.view.Note = "no command " + cutMiddle(name, 20) + ": there are " + strings.Join(commandNames(""), " ")
				return nil
			}
			note, cmd := commands[at].run(m, strings.TrimSpace(arg))
			m.view.Note = note
			return cmd
		},
	}
}

// commandNames are the commands that begin so.
func commandNames(begin string) []string {
	var names []string
	for _, c := range commands {
		if strings.HasPrefix(c.name, begin) {
			names = append(names, c.name)
		}
	}
	return names
}

// among completes an argument that is one of a few.
func among(all ...string) func(*model, string) string {
	return func(_ *model, arg string) string { return completed(arg, all) }
}

func sortNames() []string {
	var names []string
	for s := range sorts {
		names = append(names, strings.Fields(s.String())[0])
	}
	return names
}
