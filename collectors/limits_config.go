package collectors

import (
	"errors"
	"path"
	"slices"
	"strings"
)

// Bounds of one server's configuration. A host of a thousand sites has a
// thousand files of a kilobyte; what is larger stays unread, and its limit
// unknown.
const (
	maxConfigFiles = 1024
	maxConfigBytes = 4 << 20
	maxConfigDepth = 8    // files that include files
	maxConfigPath  = 4096 // bytes, as the kernel has it
)

var (
	errConfigLarge = errors.New("the configuration is larger than is read")
	errConfigText  = errors.New("the configuration makes no sense")
)

// configFiles are the files of a server's configuration as that server names
// them; a path is absolute. Both answers are bounded.
type configFiles interface {
	read(file string) ([]byte, error)
	list(folder string) (names []string, err error)
}

// globConfig lists the files that a pattern of glob(3) names, sorted. Without
// a wildcard that is the path itself, there or not.
func globConfig(files configFiles, pattern string) ([]string, error) {
	if len(pattern) > maxConfigPath {
		return nil, errConfigLarge
	}
	found := []string{"/"}
	for part := range strings.SplitSeq(strings.Trim(pattern, "/"), "/") {
		if !hasWildcard(part) {
			for i, f := range found {
				found[i] = path.Join(f, part)
			}
			continue
		}
		part = strings.ReplaceAll(part, "[!", "[^")
		var next []string
		for _, folder := range found {
			names, err := files.list(folder)
			if err != nil {
				return nil, err
			}
			for _, n := range names {
				ok, err := path.Match(part, n)
				if err != nil {
					return nil, err
				}
				// A wildcard takes no hidden file.
				if ok && (n[0] != '.' || part[0] == '.') {
					next = append(next, path.Join(folder, n))
				}
			}
			if len(next) > maxConfigFiles {
				return nil, errConfigLarge
			}
		}
		found = next
	}
	slices.Sort(found)
	return found, nil
}

func hasWildcard(s string) bool { return strings.ContainsAny(s, "*?[") }

// wholeNumber reads text that is a decimal number and nothing else.
func wholeNumber(text string) (uint64, bool) {
	v, rest, ok := cutNumber([]byte(text))
	return v, ok && len(rest) == 0 && text[0] != ' ' && text[0] != '\t'
}
