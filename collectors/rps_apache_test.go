package collectors

import (
	"strings"
	"testing"
)

func TestParseServerStatus(t *testing.T) {
	page := string(readTestdata(t, "apache-status"))
	if got, err := parseServerStatus([]byte(page)); got.count != 4213 || got.classes || err != nil {
		t.Errorf("%v, %v", got.tally, err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"empty":            {"", "not a server-status page"},
		"a page of nginx":  {"Active connections: 1\n", "not a server-status page"},
		"without ?auto":    {"<!DOCTYPE HTML>\n<html><head>\n<dt>Total accesses: 6", "ask for it with ?auto"},
		"not extended":     {strings.Replace(page, "Total Accesses: 4213\n", "", 1), "set ExtendedStatus On"},
		"negative":         {strings.Replace(page, "4213", "-1", 1), "is no count"},
		"more than ever":   {strings.Replace(page, "4213", "9223372036854775808", 1), "is no count"},
		"not a number":     {strings.Replace(page, "4213", "NaN", 1), "is no count"},
		"a lifetime mean":  {"ReqPerSec: 7\n", "not a server-status page"},
		"text behind it":   {strings.Replace(page, "4213", "4213x", 1), "is no count"},
		"binary":           {"\x00\xff\x00", "not a server-status page"},
		"cut off before":   {page[:40], "not a server-status page"},
		"a name inside it": {"X-Total Accesses: 5\n", "not a server-status page"},
	} {
		if got, err := parseServerStatus([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, error %v, want %q", name, got.tally, err, c.want)
		}
	}
}

func FuzzParseServerStatus(f *testing.F) {
	f.Add(readTestdata(f, "apache-status"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := parseServerStatus(b); err == nil && !(got.count >= 0 && got.count <= maxCount) {
			t.Errorf("%v", got.count)
		}
	})
}
