package main

import (
	"encoding/json"
	"errors"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// usersJSON is what `capmon demo users --json` prints of what is counted.
type usersJSON struct {
	Schema                       string
	Asked, Served, Refused, Left int
	Servers, Steps               []struct {
		Kind                         string
		Asked, Served, Refused, Left int
		ServedPerSecond              *float64 `json:"served_per_s"`
		CoresUsed                    *float64 `json:"cores_used"`
		UsersCores                   *float64 `json:"users_cores"`
		Forecast                     *struct{ Servers int }
	}
	Law struct{ Lacks, Formula string }
}

// usersAddUp runs the lesson and holds that its JSON has so many kinds of server
// and steps, and that the requests of each, and of all, add up.
func usersAddUp(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: users-add-up KINDS STEPS COMMAND [ARG ...]")
	}
	kinds, errK := strconv.Atoi(args[0])
	steps, errS := strconv.Atoi(args[1])
	if err := ts.Exec(args[2], args[3:]...); err != nil {
		ts.Fatalf("%v: %v", args, err)
	}
	var r usersJSON
	if err := errors.Join(errK, errS, json.Unmarshal([]byte(ts.ReadFile("stdout")), &r)); err != nil {
		ts.Fatalf("%v", err)
	}
	if r.Schema != "capmon.users/1" || len(r.Servers) != kinds || len(r.Steps) != steps || r.Law.Lacks == "" && r.Law.Formula == "" {
		ts.Fatalf("%+v, want %d kinds and %d steps", r, kinds, steps)
	}
	asked := 0
	for _, s := range append(r.Servers, r.Steps...) {
		asked += s.Asked
		if s.Asked == 0 || s.Served == 0 || s.Asked != s.Served+s.Refused+s.Left || s.ServedPerSecond == nil || s.CoresUsed == nil || s.UsersCores == nil {
			ts.Fatalf("%s does not add up: %+v", s.Kind, s)
		}
	}
	for _, s := range r.Servers {
		if s.Forecast == nil || s.Forecast.Servers < 1 {
			ts.Fatalf("%s has no forecast", s.Kind)
		}
	}
	if r.Asked != asked || r.Asked != r.Served+r.Refused+r.Left {
		ts.Fatalf("together it does not add up: %+v, asked %d", r, asked)
	}
}
