package ui

import (
	"math"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"capmon/capacity"
)

func line(w int, ascii bool, draw func(a area)) string {
	c := newCanvas(w, 1, ascii)
	draw(c.all())
	return ansi.Strip(c.String(Theme{}))
}

func TestGauge(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		share float64
		ascii bool
		want  string
	}{
		{0, false, "░░░░░░░░░░"},
		{0.04, false, "░░░░░░░░░░"},
		{0.05, false, "▌░░░░░░░░░"},
		{0.5, false, "█████░░░░░"},
		{0.96, false, "█████████▌"},
		{0.999, false, "█████████▌"},
		{1, false, "██████████"},
		{7, false, "██████████"},
		{-1, false, "░░░░░░░░░░"},
		{nan, false, "?░░░░░░░░░"},
		{0.99, true, "#########."},
	} {
		if got := line(10, c.ascii, func(a area) { a.gauge(0, 0, 10, c.share, normal) }); got != c.want {
			t.Errorf("%v: %s, want %s", c.share, got, c.want)
		}
	}
}

func TestSpark(t *testing.T) {
	nan := math.NaN()
	values := []float64{nan, nan, 0, 0.5, nan, 1, 2}
	if got, want := line(8, false, func(a area) { a.spark(0, 0, 8, values, 1, normal) }), "   ▁▄?██"; got != want {
		t.Errorf("%q, want %q: before the first value nothing, in a gap ?", got, want)
	}
	if got, want := line(8, true, func(a area) { a.spark(0, 0, 8, values, 1, normal) }), "   05?##"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := line(3, false, func(a area) { a.spark(0, 0, 3, values, 1, normal) }), "?██"; got != want {
		t.Errorf("%q, want the newest: %q", got, want)
	}
}

// TestStripKeepsTheFullCore: one full core of 64 is seen in eight cells.
func TestStripKeepsTheFullCore(t *testing.T) {
	cores := make([]float64, 64)
	cores[37] = 1
	if got, want := line(8, false, func(a area) { a.strip(0, 0, 8, cores) }), "▁▁▁▁█▁▁▁"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestNumbers(t *testing.T) {
	n := capacity.Known
	for got, want := range map[string]string{
		count(n(88420), 6):                   "88,420",
		count(n(88420), 5):                   "88.4k",
		count(n(88420), 3):                   "88k",
		count(n(999950), 6):                  "1.0M",
		count(n(1234567), 6):                 "1.2M",
		count(n(-361), 6):                    "-361",
		count(n(5.44), 6):                    "5.4",
		whole(n(5.44), 6):                    "5",
		count(capacity.Num{}, 6):             "?",
		percent(n(0.996)):                    "99",
		percent(n(1)):                        "100",
		percent(capacity.Num{}):              "?",
		coreCount(n(0.994)):                  "0.99",
		coreCount(n(41.37)):                  "41.4",
		coreCount(n(812)):                    "812",
		coreTotal(n(72)):                     "72",
		coreTotal(n(0.5)):                    "0.50",
		age(n(0.31)):                         "0.3",
		age(n(34)):                           "34",
		age(n(300)):                          "5m",
		age(n(90000)):                        "25h",
		size(n(11e6)):                        "11 MB",
		size(n(3.84e9)):                      "3.8 GB",
		size(n(12)):                          "12 B",
		lasting(67 * time.Second):            "1m07s",
		lasting(15 * time.Minute):            "15m",
		lasting(2*time.Hour + 3*time.Minute): "2h03m",
		back(7*time.Minute + 57*time.Second): "-07:57",
		back(3723 * time.Second):             "-1:02:03",
		cutMiddle("web-eu-central-017", 12):  "web-eu…l-017",
		cutMiddle("数据库服务器", 7):               "数…务器",
		cut("abcdef", 4):                     "abc…",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for v, want := range map[float64]float64{0: 1, 0.9: 1, 1.05: 1.2, 7: 8, 81: 100, 1900: 2000} {
		if got := nice(v); math.Abs(got-want) > 1e-9*want {
			t.Errorf("nice(%v) = %v, want %v", v, got, want)
		}
	}
}
