package collectors

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStatusOfALine(t *testing.T) {
	for line, want := range map[string]int{
		`127.0.0.1 - - [24/Nov/2026:15:08:05 +0000] "GET / HTTP/1.1" 200 612 "-" "curl/7.88"`:   200,
		`::1 - a b [24/Nov/2026:15:08:05 +0000] "GET /\"x\" HTTP/1.1" 404 0 "-" "\\"`:           404,
		`host:80 10.0.0.1 - - [24/Nov/2026:15:08:05 +0000] "GET /a\x22 HTTP/1.1" 502 - "-" "-"`: 502,
		`1.2.3.4 - - [x] "-" 408 -`:                408,
		`1.2.3.4 - - [x] "\x16\x03\x01" 400 157`:   400,
		`1.2.3.4 "a b" - [x] "GET / HTTP/1.0" 301`: 301,
		`1.2.3.4 - - [x] "GET / HTTP/1.1" 000 0`:   0,
		`1.2.3.4 - - [x] "GET / HTTP/1.1" 20 0`:    0,
		`1.2.3.4 - - [x] "GET / HTTP/1.1" 2000 0`:  0,
		`1.2.3.4 - - [x] "GET /`:                   0,
		"":                                         0,
		"\x00\xff\"\x00\" \"":                      0,
		`{"status":200,"size":5}`:                  200,
		`{"level":"info","request":{"status":100,"x":{}},"status":503}`:        503,
		`{"status":"error","status_code":"500"}`:                               500,
		`{"http":{"response":{"status_code":204}},"message":"\"status\":500"}`: 204,
		`{"message":"{\"status\":500}","code": 304 }`:                          304,
		`{"httpRequest":{"status":206,"latency":"0.1s"}}`:                      206,
		`{"DownstreamStatus":201,"OriginStatus":500}`:                          201,
		`{"status":2000}`:    0,
		`{"status":"20"}`:    0,
		`{"status":null,"st`: 0,
		`{"a":[{"status":200}],"status":404,"long":"cut o`: 404,
		`{"msg":"started"}`: 0,
	} {
		got := combinedStatus([]byte(line))
		if strings.HasPrefix(line, "{") {
			got = jsonStatus([]byte(line))
		}
		if got != want {
			t.Errorf("%s: %d, want %d", line, got, want)
		}
	}
}

func TestLogLines(t *testing.T) {
	var l logLines
	for _, line := range []string{
		`{"status":200}`, `- - - [x] "GET / HTTP/1.1" 404 5`, `- - - [x] "GET /ws HTTP/1.1" 101 5`, "junk", `{"status":503}`, "", `- - - [x] "GET / HTTP/1.1" 302 5`,
	} {
		l.take([]byte(line))
	}
	if diff := cmp.Diff(tally{count: 4, class: [3]float64{1, 1, 1}}, l.tally, cmp.AllowUnexported(tally{})); diff != "" || l.confused() {
		t.Errorf("confused %v (-want +got):\n%s", l.confused(), diff)
	}
	for range 20 {
		l.take([]byte("Nov 24 15:08:05 host systemd[1]: started"))
	}
	if !l.confused() {
		t.Error("a log without a single response is taken for an access log")
	}
	json := logLines{format: "json"}
	json.take([]byte(`- - - [x] "GET / HTTP/1.1" 200 5`))
	combined := logLines{format: "combined"}
	combined.take([]byte(`{"status":200}`))
	if json.tally.count+combined.tally.count != 0 {
		t.Error("a line of the other format is counted")
	}
}

func FuzzStatusOfALine(f *testing.F) {
	f.Add([]byte(`- - - [x] "GET / HTTP/1.1" 200 5 "-" "-"`))
	f.Add([]byte(`{"a":{"status":"200"},"status_code":404}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		for _, n := range []int{combinedStatus(line), jsonStatus(line)} {
			if n != 0 && (n < 100 || n > 999) {
				t.Errorf("%q: status %d", line, n)
			}
		}
	})
}

func BenchmarkLogLine(b *testing.B) {
	for name, line := range map[string]string{
		"combined": `127.0.0.1 - - [24/Nov/2026:15:08:05 +0000] "GET /a/b/c?d=e HTTP/1.1" 200 612 "https://example.org/" "Mozilla/5.0 (X11; Linux x86_64)"`,
		"json":     fmt.Sprintf(`{"time":"2026-11-24T15:08:05Z","request":{"method":"GET","uri":"/a/b/c","headers":{"User-Agent":["%s"]}},"bytes":612,"status":200}`, "Mozilla/5.0"),
	} {
		b.Run(name, func(b *testing.B) {
			var l logLines
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				l.take([]byte(line))
			}
		})
	}
}
