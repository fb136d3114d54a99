package capacity

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// nth is what sorting says, and leaves the smaller before it and the larger
// behind it, whatever the order and however many are alike.
func TestNth(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	kinds := map[string]func(i, n int) float64{
		"random":  func(int, int) float64 { return r.NormFloat64() },
		"alike":   func(int, int) float64 { return float64(r.IntN(3)) },
		"rising":  func(i, _ int) float64 { return float64(i) },
		"falling": func(i, n int) float64 { return float64(n - i) },
		"organ":   func(i, n int) float64 { return float64(min(i, n-i)) },
		"ends":    func(int, int) float64 { return math.Inf(2*r.IntN(2) - 1) },
	}
	for name, of := range kinds {
		for _, n := range []int{1, 2, 3, 7, 100, manyPicked, manyPicked + 1, 1000, 7140} {
			v := make([]float64, n)
			for i := range v {
				v[i] = of(i, n)
			}
			sorted := slices.Sorted(slices.Values(v))
			for _, k := range []int{0, n / 40, n / 4, n / 2, n - 1 - n/3, n - 1} {
				w := slices.Clone(v)
				if got := nth(w, k); got != sorted[k] {
					t.Fatalf("%s: %d of %d is %v, want %v", name, k, n, got, sorted[k])
				}
				if slices.Max(w[:k+1]) != w[k] || slices.Min(w[k:]) != w[k] {
					t.Fatalf("%s: %d of %d does not part them", name, k, n)
				}
				if slices.Sort(w); !slices.Equal(w, sorted) {
					t.Fatalf("%s: %d of %d loses numbers", name, k, n)
				}
			}
		}
	}
}
