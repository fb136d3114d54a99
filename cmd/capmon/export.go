package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"capmon/fleet/report"
	"capmon/ui"
)

// mostExports is how many screens of one moment have names of their own.
const mostExports = 100

// export writes a screen as markdown, and the snapshot it stands on as JSON, to
// new files, of a folder unless a path is given, and says where or why not.
func export(dir string, e ui.Export) string {
	contents, err := exported(e)
	if err != nil {
		return "not exported: " + err.Error()
	}
	if e.Path != "" {
		if err := writeNew(e.Path, contents[0].text); err != nil {
			return "not exported: " + exportError(err, "name another file")
		}
		return "written: " + e.Path
	}
	stem := "capmon-" + e.Screen + "-" + e.Frame.At.UTC().Format("20060102T150405Z")
	for n := 1; n <= mostExports; n++ {
		path := filepath.Join(dir, stem)
		if n > 1 {
			path += "-" + strconv.Itoa(n)
		}
		switch said, err := writeAll(path, contents); {
		case errors.Is(err, fs.ErrExist):
		case err != nil:
			return "not exported: " + exportError(err, "say --export-dir FOLDER or :export md FILE")
		default:
			return "written: " + said
		}
	}
	return fmt.Sprintf("not exported: %s has %d of this second: wait for the next, or :export md FILE", dir, mostExports)
}

// content is what goes into one file.
type content struct {
	ext  string
	text []byte
}

// exported are the files of an export, in order.
func exported(e ui.Export) ([]content, error) {
	var list []content
	if e.Format != "json" {
		said := ""
		if e.Filter != "" {
			said = fmt.Sprintf("filter: `%s` (%d of %d hosts)\n\n", e.Filter, len(e.Hosts), len(e.Frame.Hosts))
		}
		list = append(list, content{".md", fmt.Appendf(nil, "# capmon: %s, %s\n\n%s````\n%s````\n",
			e.Screen, e.Frame.At.UTC().Format("2006-01-02 15:04:05Z"), said, e.Text)})
	}
	if e.Format != "md" {
		var b bytes.Buffer
		v := report.View{Screen: e.Screen, Filter: e.Filter, Sort: e.Sort, Reversed: e.Reversed, Hosts: e.Hosts}
		if err := report.JSONSeen(&b, e.Frame.Snapshot, &v); err != nil {
			return nil, err
		}
		list = append(list, content{".json", b.Bytes()})
	}
	return list, nil
}

// writeAll writes the files of one export, all or none, and names them.
func writeAll(path string, list []content) (said string, err error) {
	for i, c := range list {
		if err := writeNew(path+c.ext, c.text); err != nil {
			for _, done := range list[:i] {
				err = errors.Join(err, os.Remove(path+done.ext))
			}
			return "", err
		}
		if i == 0 {
			said = path + c.ext
		} else {
			said += " and " + c.ext
		}
	}
	return said, nil
}

// writeNew writes a file that was not there, for its owner alone: a screen tells
// of hosts and what runs on them. One that can't be written whole is not left.
func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// exportError is why, in one line, and what to do where another place helps.
func exportError(err error, do string) string {
	return strings.ReplaceAll(err.Error(), "\n", "; ") + ": " + do
}
