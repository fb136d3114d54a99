package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"capmon/fleet"
	"capmon/ui"
)

func aScreen() ui.Export {
	f := ui.Frame{}
	f.At = time.Date(2026, 11, 23, 3, 12, 7, 0, time.UTC)
	f.Time = f.At
	f.Hosts = []fleet.Host{{Name: "ws-1"}, {Name: "ws-2"}}
	return ui.Export{Screen: "overview", Text: "capmon  2 hosts\n", Frame: f, Filter: "ws-1 cpu<90", Sort: "rps", Hosts: []string{"ws-1"}}
}

func TestExport(t *testing.T) {
	dir := t.TempDir()
	base := filepath.Join(dir, "capmon-overview-20261123T031207Z")
	if got, want := export(dir, aScreen()), "written: "+base+".md and .json"; got != want {
		t.Fatalf("%q, want %q", got, want)
	}
	md, err := os.ReadFile(base + ".md")
	if want := "# capmon: overview, 2026-11-23 03:12:07Z\n\nfilter: `ws-1 cpu<90` (1 of 2 hosts)\n\n````\ncapmon  2 hosts\n````\n"; err != nil || string(md) != want {
		t.Errorf("%v: %q", err, md)
	}
	raw, err := os.ReadFile(base + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Schema string
		View   struct {
			Screen, Filter, Sort string
			Hosts                []string
		}
		Hosts []struct{ Name string }
	}
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	v := got.View
	if got.Schema != "capmon.snapshot/1" || len(got.Hosts) != 2 || v.Screen != "overview" || v.Filter != "ws-1 cpu<90" || v.Sort != "rps" || !slices.Equal(v.Hosts, []string{"ws-1"}) {
		t.Errorf("%+v", got)
	}
	if runtime.GOOS != "windows" {
		if s, err := os.Stat(base + ".json"); err != nil || s.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", s.Mode(), err)
		}
	}
}

// Nothing is ever written over, and half of an export is not left.
func TestExportNeverWritesOver(t *testing.T) {
	dir := t.TempDir()
	first := export(dir, aScreen())
	other := aScreen()
	other.Text = "another\n"
	if got := export(dir, other); got == first || !strings.Contains(got, "031207Z-2.md and .json") {
		t.Errorf("the second of a moment: %q", got)
	}
	kept, err := os.ReadFile(filepath.Join(dir, "capmon-overview-20261123T031207Z.md"))
	if err != nil || !bytes.Contains(kept, []byte("capmon  2 hosts")) {
		t.Errorf("the first is %q, %v", kept, err)
	}
	blocked := t.TempDir()
	name := filepath.Join(blocked, "capmon-overview-20261123T031207Z.json")
	if err := os.WriteFile(name, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := export(blocked, aScreen()); !strings.Contains(got, "-2.md and .json") {
		t.Errorf("%q", got)
	}
	if _, err := os.Stat(strings.TrimSuffix(name, ".json") + ".md"); err == nil {
		t.Error("half of an export was left")
	}
	if mine, _ := os.ReadFile(name); string(mine) != "mine" {
		t.Errorf("it was written over: %q", mine)
	}
}

func TestExportToAFile(t *testing.T) {
	e := aScreen()
	e.Format, e.Path = "json", filepath.Join(t.TempDir(), "x.json")
	if got := export(".", e); got != "written: "+e.Path {
		t.Fatal(got)
	}
	if got := export(".", e); !strings.Contains(got, "exists") || !strings.Contains(got, "name another file") {
		t.Errorf("%q", got)
	}
	if text, err := os.ReadFile(e.Path); err != nil || !json.Valid(text) {
		t.Errorf("%v: %.40q", err, text)
	}
	e.Path = ""
	if got := export(filepath.Join(t.TempDir(), "none"), e); !strings.Contains(got, "no such file") || !strings.Contains(got, "--export-dir") || strings.Contains(got, "\n") {
		t.Errorf("%q", got)
	}
}
