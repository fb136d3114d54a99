package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
)

// A plan of a live agent stands on what the agent measures, with what is given
// in its place.
func TestPlanOfALiveFleet(t *testing.T) {
	t.Parallel()
	need(t)
	addr := fmt.Sprintf("127.0.0.1:%d", freePorts(t, 1)[0])
	start(t, alone(t, "capmon", "agent", "--listen", addr)).waitFor("listen=")
	var out, errs bytes.Buffer
	cmd := alone(t, "capmon", "plan", "--agents", addr, "--users", "250", "--per-server", "100", "--target", "1", "--json")
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	var got struct {
		Pools []struct {
			Hosts int `json:"hosts"`
		} `json:"pools"`
		Plan struct {
			Limits []struct {
				Name    string `json:"name"`
				Servers int    `json:"servers"`
			} `json:"limits"`
		} `json:"plan"`
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || len(got.Pools) != 1 || len(got.Plan.Limits) == 0 {
		t.Fatalf("%v in %s", err, out.String())
	}
	// What this machine does besides decides what its CPU asks for.
	if l := got.Plan.Limits[0]; got.Pools[0].Hosts != 1 || l.Name != "conns" || l.Servers != 3 {
		t.Errorf("%+v, want 3 servers for 250 users, 1 there", got)
	}
	// Nothing is given: what is measured is the load, of the cores there are.
	out.Reset()
	cmd = alone(t, "capmon", "plan", "--agents", addr)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	if want := "cpu: ceil("; !bytes.Contains(out.Bytes(), []byte(want)) {
		t.Errorf("no %q in\n%s", want, out.String())
	}
}
