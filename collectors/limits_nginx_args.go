package collectors

import (
	"path"
	"slices"
	"strings"
)

// nginxCommand is what the command line of nginx says about its configuration.
type nginxCommand struct {
	file    string // -c
	prefix  string // -p
	globals string // -g: directives
}

const (
	nginxMaster = "nginx: master process "
	nginxWorker = "nginx: worker process"
)

// parseNginxCommand reads the command line of the process that the workers come
// from. The master writes its title over it, in which blanks part the
// arguments: a value goes on to the next word that is an option.
func parseNginxCommand(cmdline []byte) nginxCommand {
	text := strings.TrimRight(string(cmdline), "\x00")
	if title, ok := strings.CutPrefix(text, nginxMaster); ok {
		title, _, _ = strings.Cut(title, "\x00")
		return nginxOptions(strings.Split(title, " "), true)
	}
	return nginxOptions(strings.Split(text, "\x00"), false)
}

// nginxOptions reads the arguments as nginx does; the first is its own name.
func nginxOptions(args []string, parted bool) nginxCommand {
	var c nginxCommand
	for i := 1; i < len(args); i++ {
		option, value := nginxOption(args[i])
		if option == 0 {
			continue
		}
		if value == "" && i+1 < len(args) {
			i++
			value = args[i]
		}
		for parted && i+1 < len(args) && !isNginxOption(args[i+1]) {
			i++
			value += " " + args[i]
		}
		switch option {
		case 'c':
			c.file = value
		case 'p':
			c.prefix = value
		case 'g':
			c.globals = value
		}
	}
	return c
}

// nginxOption finds the option with a value in one argument, behind any without
// (-qc FILE), and the value where it is written in the same word.
func nginxOption(arg string) (option byte, value string) {
	if !isNginxOption(arg) {
		return 0, ""
	}
	for i := 1; i < len(arg); i++ {
		switch arg[i] {
		case 'c', 'p', 'g', 'e', 's':
			return arg[i], arg[i+1:]
		case '?', 'h', 'v', 'V', 't', 'T', 'q':
		default:
			return 0, ""
		}
	}
	return 0, ""
}

func isNginxOption(arg string) bool {
	return len(arg) > 1 && arg[0] == '-' && strings.IndexByte("cpgse?hvVtTq", arg[1]) >= 0
}

// config is the path of the main file; exe is that of the program, which tells
// what was built into it. It is empty where that can't be told.
func (c nginxCommand) config(exe string) string {
	home := path.Dir(path.Dir(exe)) // /usr/local/nginx/sbin/nginx
	packaged := slices.Contains([]string{"/usr", "/", "."}, home)
	prefix := c.prefix
	if prefix == "" && !packaged {
		prefix = home
	}
	file := c.file
	if file == "" {
		if packaged {
			return "/etc/nginx/nginx.conf"
		}
		file = "conf/nginx.conf"
	}
	if path.IsAbs(file) {
		return path.Clean(file)
	}
	if !path.IsAbs(prefix) {
		return ""
	}
	return path.Join(prefix, file)
}
