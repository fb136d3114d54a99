package payments

import (
	"math"
	"net/http"
	"slices"
	"testing"
	"time"
)

func TestRates(t *testing.T) {
	r := rates{{0, 10}}.spike(20*time.Second, 50*time.Second, 80, 10)
	if want := (rates{{0, 10}, {20 * time.Second, 80}, {50 * time.Second, 10}}); !slices.Equal(r, want) {
		t.Fatalf("%v, want %v", r, want)
	}
	for at, want := range map[time.Duration]float64{-1: 0, 0: 10, 19 * time.Second: 10, 20 * time.Second: 80, time.Hour: 10} {
		if got := r.of(at); got != want {
			t.Errorf("%v at %v, want %v", got, at, want)
		}
	}
	for _, c := range []struct {
		from     time.Duration
		requests float64
		want     time.Duration
	}{
		{0, 10, time.Second},
		{0, 200 + 40, 20*time.Second + 500*time.Millisecond},
		{10 * time.Second, 100 + 2400 + 10, 51 * time.Second},
		{time.Minute, 0, time.Minute},
	} {
		if got := r.after(c.from, c.requests); got != c.want {
			t.Errorf("%v requests after %v: %v, want %v", c.requests, c.from, got, c.want)
		}
	}
	if got := (rates{{0, 0}}).after(0, 1); got != never {
		t.Errorf("of nobody one comes after %v", got)
	}
	// A spike now, within another and over its end.
	if got, want := r.spike(30*time.Second, 60*time.Second, 90, 10), (rates{{0, 10}, {20 * time.Second, 80}, {30 * time.Second, 90}, {time.Minute, 10}}); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got, want := r.times(30*time.Second, 2), (rates{{0, 10}, {20 * time.Second, 80}, {30 * time.Second, 160}, {50 * time.Second, 20}}); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// Gaps are those of people who do not know of each other: mean 1, and their
// spread as large.
func TestGaps(t *testing.T) {
	const n = 20_000
	sum, squares := 0.0, 0.0
	for i := range uint64(n) {
		g := gap(1, i)
		sum, squares = sum+g, squares+g*g
	}
	mean := sum / n
	if sd := math.Sqrt(squares/n - mean*mean); math.Abs(mean-1) > 0.03 || math.Abs(sd-1) > 0.03 {
		t.Errorf("mean %v, standard deviation %v", mean, sd)
	}
	if gap(1, 5) == gap(2, 5) || gap(1, 5) != gap(1, 5) {
		t.Error("the seed changes nothing, or more than it may")
	}
}

func TestQuestions(t *testing.T) {
	const n = 10_000
	pays, catalogue := 0, 0
	for i := range uint64(n) {
		switch q := questionOf(1, i); {
		case q.method == http.MethodPost:
			pays++
		case q.path == cataloguePath:
			catalogue++
		}
	}
	if math.Abs(float64(pays)/n-0.2) > 0.02 || math.Abs(float64(catalogue)/n-0.4) > 0.02 {
		t.Errorf("%d of %d pay, %d ask for the catalogue", pays, n, catalogue)
	}
}

func TestBudget(t *testing.T) {
	s := func(asked, refused, left int) Counts {
		return Counts{Asked: asked, Served: asked - refused - left, Refused: refused, Left: left}
	}
	if b := budget(0.999, nil, 100); b != (Budget{SLA: 0.999}) {
		t.Errorf("of nothing: %+v", b)
	}
	var each []Counts
	for range 20 {
		each = append(each, s(100, 0, 0))
	}
	each = append(each, s(800, 300, 100), s(800, 0, 0))
	for range 9 {
		each = append(each, s(100, 0, 0))
	}
	b := budget(0.99, each, 100)
	near := func(what string, got, want float64) {
		if math.Abs(got-want) > 1e-9*want {
			t.Errorf("%s %v, want %v", what, got, want)
		}
	}
	// 4,500 asked, of which 45 might be bad; the last ten seconds begin after the
	// bad one, and the worst ten end with it.
	if b.Bad != 400 || b.Burn != 0 {
		t.Errorf("%+v", b)
	}
	near("allowed", b.Allowed, 45)
	near("burnt", b.Burnt, 400.0/45)
	near("fastest", b.BurnMost, 400/(0.01*(900+800)))
	near("of 30 days", b.Month, 400/(0.01*100*30*24*3600))
}
