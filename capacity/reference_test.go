package capacity_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"capmon/capacity"
)

// refFile is a family of cases with known answers.
type refFile struct {
	Family string    `json:"family"`
	About  string    `json:"about"`
	Cases  []refCase `json:"cases"`
}

// refCase is one of them. What it does not know fails the test: a field that is
// passed over would be a case that is not run.
type refCase struct {
	ID       string                     `json:"id"`
	Kind     string                     `json:"kind"`
	Formula  string                     `json:"formula"`
	In       map[string]json.RawMessage `json:"in"`
	Want     map[string]json.RawMessage `json:"want"`
	Tol      map[string]float64         `json:"tol"`
	Source   string                     `json:"source"`
	Evidence string                     `json:"evidence"`
	Note     string                     `json:"note"`

	t    *testing.T
	used map[string]bool
}

// refKinds runs the cases of each kind.
var refKinds = map[string]func(*refCase){}

// refLeftOut are kinds that say nothing about what capmon does.
var refLeftOut = map[string]string{
	"gg_wait": "another formula than Allen and Cunneen's, which is nearer to simulation with several servers",
	"holt":    "capmon forecasts by a robust line: exponential smoothing gave 13% false alarms on flat load, or never an end",
}

// another says whether a case of a known kind is of a formula that capmon does
// not use.
func (c *refCase) another() bool {
	var formula string
	_ = json.Unmarshal(c.In["formula"], &formula) // absent: none
	return c.Kind == "gg_wait" && formula != "allen_cunneen" && formula != "kingman"
}

// TestReference runs every case of testdata/reference, or of the folder that
// REFERENCE_DIR names.
func TestReference(t *testing.T) {
	dir := os.Getenv("REFERENCE_DIR")
	if dir == "" {
		dir = filepath.Join("testdata", "reference")
	}
	if _, err := os.Stat(dir); err != nil && !filepath.IsAbs(dir) {
		dir = filepath.Join("..", dir) // as seen from the root of the module
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no *.json in %s: %v", dir, err)
	}
	ran, left := 0, map[string]int{}
	for _, path := range files {
		f := readReference(t, path)
		n := 0
		for _, c := range f.Cases {
			run, known := refKinds[c.Kind]
			if !known || c.another() {
				left[f.Family+"/"+c.Kind]++
				continue
			}
			n++
			t.Run(f.Family+"/"+c.ID, func(t *testing.T) {
				c.t, c.used = t, map[string]bool{}
				run(&c)
				c.checkUsed()
			})
		}
		t.Logf("%s: %d of %d cases", f.Family, n, len(f.Cases))
		ran += n
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		_, kind, _ := strings.Cut(name, "/")
		why := refLeftOut[kind]
		if why == "" {
			why = "this test does not know the kind"
		}
		t.Logf("left out: %d of %s: %s", left[name], name, why)
	}
	if ran == 0 {
		t.Error("no case was run")
	}
	t.Logf("%d cases", ran)
}

func readReference(t *testing.T, path string) refFile {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var f refFile
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return f
}

// checkUsed fails for what the runner of the kind did not look at.
func (c *refCase) checkUsed() {
	for name := range c.In {
		if !c.used["in."+name] {
			c.t.Errorf("in.%s is not known to kind %s", name, c.Kind)
		}
	}
	for name := range c.Want {
		if !c.used["want."+name] {
			c.t.Errorf("want.%s is not known to kind %s", name, c.Kind)
		}
	}
	for name := range c.Tol {
		if _, field := c.Want[name]; name != "abs" && name != "rel" && !field {
			c.t.Errorf("tol.%s is not known", name)
		}
	}
}

func (c *refCase) has(name string) bool {
	_, ok := c.In[name]
	return ok
}

func (c *refCase) wants(name string) bool {
	_, ok := c.Want[name]
	return ok
}

// read takes in.name into v; a missing one is fatal.
func (c *refCase) read(name string, v any) {
	c.t.Helper()
	c.used["in."+name] = true
	if !c.has(name) {
		c.t.Fatalf("in.%s is missing", name)
	}
	strict(c.t, "in."+name, c.In[name], v)
}

func strict(t *testing.T, name string, text json.RawMessage, v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%s = %s: %v", name, text, err)
	}
}

func (c *refCase) num(name string) (v float64) {
	c.t.Helper()
	c.read(name, &v)
	return v
}

// opt is in.name, or other where the case has none.
func (c *refCase) opt(name string, other float64) float64 {
	c.t.Helper()
	if !c.has(name) {
		return other
	}
	return c.num(name)
}

func (c *refCase) int(name string) int {
	c.t.Helper()
	v := c.num(name)
	if v != math.Trunc(v) {
		c.t.Fatalf("in.%s = %v is not whole", name, v)
	}
	return int(v)
}

func (c *refCase) nums(name string) (v []float64) {
	c.t.Helper()
	c.read(name, &v)
	return v
}

func (c *refCase) optInt(name string, other int) int {
	c.t.Helper()
	if !c.has(name) {
		return other
	}
	return c.int(name)
}

func (c *refCase) str(name string) (v string) {
	c.t.Helper()
	c.read(name, &v)
	return v
}

// is holds got against want.name, within the case's tolerance, when it wants
// it.
func (c *refCase) is(name string, got float64) {
	c.t.Helper()
	if !c.wants(name) {
		return
	}
	c.used["want."+name] = true
	var want float64
	strict(c.t, "want."+name, c.Want[name], &want)
	c.near(name, got, want)
}

// isNum is is for a number that may be none, which a case writes as null.
func (c *refCase) isNum(name string, got capacity.Num) {
	c.t.Helper()
	if !c.wants(name) {
		return
	}
	if string(c.Want[name]) != "null" {
		c.is(name, got.Or(math.NaN()))
		return
	}
	c.used["want."+name] = true
	if got.OK {
		c.t.Errorf("%s = %v, want none", name, got.V)
	}
}

func (c *refCase) near(name string, got, want float64) {
	c.t.Helper()
	abs, ok := c.Tol[name]
	if !ok {
		abs = max(c.Tol["abs"], c.Tol["rel"]*math.Abs(want))
	}
	abs += 1e-12 * math.Abs(want) // what binary fractions lose
	if !(math.Abs(got-want) <= abs) {
		c.t.Errorf("%s = %v, want %v ± %v", name, got, want, abs)
	}
}

func (c *refCase) isList(name string, got []float64) {
	c.t.Helper()
	if !c.wants(name) {
		return
	}
	c.used["want."+name] = true
	var want []float64
	strict(c.t, "want."+name, c.Want[name], &want)
	if len(got) != len(want) {
		c.t.Fatalf("%s = %v, want %v", name, got, want)
	}
	for i := range want {
		c.near(fmt.Sprintf("%s[%d]", name, i), got[i], want[i])
	}
}

func (c *refCase) isText(name, got string) {
	c.t.Helper()
	if !c.wants(name) {
		return
	}
	c.used["want."+name] = true
	var want string
	strict(c.t, "want."+name, c.Want[name], &want)
	if got != want {
		c.t.Errorf("%s = %q, want %q", name, got, want)
	}
}

// refused handles a case that wants an error, and fails one that does not and
// got one. It returns whether there is nothing more to check.
func (c *refCase) refused(err error) bool {
	c.t.Helper()
	want := false
	for _, name := range []string{"refused", "error"} {
		if c.wants(name) {
			c.used["want."+name] = true
			want = string(c.Want[name]) != "false"
		}
	}
	switch {
	case want && err == nil:
		c.t.Error("it was not refused")
	case want && !errors.Is(err, capacity.ErrInput):
		c.t.Errorf("error %v, want one that wraps ErrInput", err)
	case !want && err != nil:
		c.t.Fatal(err)
	}
	return want || err != nil
}
