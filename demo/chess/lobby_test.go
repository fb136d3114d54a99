package chess

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func TestLobby(t *testing.T) {
	l := &lobby{per: 2}
	web := httptest.NewServer(l)
	defer web.Close()
	post := func(path string) (int, string) {
		r, err := http.Post(web.URL+path, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		var s seat
		_ = json.NewDecoder(r.Body).Decode(&s) // empty where there is no seat
		return r.StatusCode, s.Server
	}
	var got []string
	ask := func(paths ...string) {
		for _, path := range paths {
			code, server := post(path)
			got = append(got, strings.TrimSpace(fmt.Sprint(code, " ", server)))
		}
	}
	ask(seatPath)
	l.add(seat{Server: "a"})
	ask(seatPath)
	l.add(seat{Server: "b"})
	ask(seatPath, seatPath, seatPath, seatPath, leavePath+"?server=b", seatPath, leavePath+"?server=nobody", "/other")
	l.remove("a")
	ask(seatPath, leavePath+"?server=a")
	l.add(seat{Server: "c"})
	ask(seatPath)
	if want := []string{"503", "200 a", "200 b", "200 a", "200 b", "503", "204", "200 b", "204", "404", "503", "204", "200 c"}; !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
