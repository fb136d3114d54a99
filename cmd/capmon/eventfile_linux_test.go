package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"capmon/alerts"
)

// A real file system that fills up: what could not be written is written when
// there is room, each event once.
func TestAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8k"); err != nil {
		t.Skipf("mount a small file system: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "events.jsonl")
	f := newEventFile(path, func([]alerts.Event) {})
	now := time.Now()
	var want []string
	for i := range 60 {
		want = append(want, fmt.Sprint("need ", i))
		f.keep([]alerts.Event{{Time: now.Add(time.Duration(i) * time.Minute), Kind: "plan", Text: want[i]}})
	}
	f.round(now)
	if k := f.state(); !strings.Contains(k.Trouble, "no space left on device: tried again every 5s, ") {
		t.Fatalf("%+v", k)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	f.round(now.Add(retryEvery))
	if k := f.state(); k.Trouble != "" {
		t.Errorf("%+v", k)
	}
	all, err := alerts.ReadFiles(path, now)
	var got []string
	for _, e := range all {
		got = append(got, e.Text)
	}
	if err != nil || strings.Join(got, ";") != strings.Join(want, ";") {
		t.Errorf("%d of %d events, %v: %q", len(got), len(want), err, got)
	}
	_ = f.log.Close()
}
