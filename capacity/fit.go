package capacity

import "math"

// fitAll is the best of the fits with every parameter free and with contention,
// coherency or both at 0: the least square under bounds lies on one of these
// faces.
func fitAll(n, x []float64) (Scalability, float64) {
	scale := 0.0
	for i := range x {
		scale = max(scale, x[i]/n[i])
	}
	rel := make([]float64, len(x))
	for i := range x {
		rel[i] = x[i] / scale // the throughput of one is near 1 then
	}
	all := 0.0
	for _, v := range rel {
		all += v * v
	}
	// The simplest face first: a freer one must be better by more than rounding.
	best, least := [3]float64{math.NaN()}, math.Inf(1)
	for _, free := range [][3]bool{{false, false, true}, {true, false, true}, {false, true, true}, {true, true, true}} {
		for _, a := range []float64{0.005, 0.05, 0.4} {
			for _, b := range []float64{1e-6, 1e-3, 0.05} {
				p := [3]float64{a, b, 1}
				for i := range p {
					if !free[i] {
						p[i] = 0
					}
				}
				if p, ssr := marquardt(n, rel, p, free); ssr < least-1e-14*all {
					best, least = p, ssr
				}
			}
		}
	}
	return Scalability{Alpha: best[0], Beta: best[1], Gamma: best[2] * scale}, least * scale * scale
}

// marquardt improves p, keeping it from below 0, until it no longer gets
// better. It returns the sum of squared residuals.
func marquardt(n, x []float64, p [3]float64, free [3]bool) ([3]float64, float64) {
	ssr := squares(n, x, p)
	damp := 1e-3
	for range 500 {
		h, g := normal(n, x, p)
		better := false
		for range 30 {
			m, v := h, g
			for i := range 3 {
				if free[i] {
					m[i][i] += damp * max(m[i][i], 1e-12)
					continue
				}
				m[i], v[i] = [3]float64{}, 0
				for j := range 3 {
					m[j][i] = 0
				}
				m[i][i] = 1
			}
			step, ok := solve3(m, v)
			next := p
			for i := range 3 {
				next[i] = max(p[i]+step[i], 0)
			}
			if s := squares(n, x, next); ok && s < ssr {
				better = ssr-s > 1e-15*ssr
				p, ssr, damp = next, s, max(damp/10, 1e-12)
				break
			}
			damp *= 10
		}
		if !better {
			break
		}
	}
	return p, ssr
}

func squares(n, x []float64, p [3]float64) float64 {
	s := Scalability{Alpha: p[0], Beta: p[1], Gamma: p[2]}
	sum := 0.0
	for i := range n {
		d := x[i] - s.At(n[i])
		sum += d * d
	}
	if math.IsNaN(sum) {
		return math.Inf(1)
	}
	return sum
}

// normal is JᵀJ and Jᵀr of the residuals at p.
func normal(n, x []float64, p [3]float64) (h [3][3]float64, g [3]float64) {
	for k := range n {
		den := 1 + p[0]*(n[k]-1) + p[1]*n[k]*(n[k]-1)
		f := n[k] / den
		y := p[2] * f
		j := [3]float64{-y * (n[k] - 1) / den, -y * n[k] * (n[k] - 1) / den, f}
		for a := range 3 {
			g[a] += j[a] * (x[k] - y)
			for b := range 3 {
				h[a][b] += j[a] * j[b]
			}
		}
	}
	return h, g
}

// solve3 solves m·s = v by elimination; not ok when there is no one answer.
func solve3(m [3][3]float64, v [3]float64) (s [3]float64, ok bool) {
	for i := range 3 {
		best := i
		for r := i + 1; r < 3; r++ {
			if math.Abs(m[r][i]) > math.Abs(m[best][i]) {
				best = r
			}
		}
		if m[best][i] == 0 || !finite(m[best][i]) {
			return s, false
		}
		m[i], m[best], v[i], v[best] = m[best], m[i], v[best], v[i]
		for r := i + 1; r < 3; r++ {
			f := m[r][i] / m[i][i]
			for c := i; c < 3; c++ {
				m[r][c] -= f * m[i][c]
			}
			v[r] -= f * v[i]
		}
	}
	for i := 2; i >= 0; i-- {
		s[i] = v[i]
		for c := i + 1; c < 3; c++ {
			s[i] -= m[i][c] * s[c]
		}
		s[i] /= m[i][i]
	}
	return s, finite(s[0]) && finite(s[1]) && finite(s[2])
}
