package lessons

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"capmon/capacity"
)

// Three are lessons 1 to 3: one busy loop; several processes, and the port they
// all want; one process with several threads, and the lock they share.
func Three() []Lesson {
	return []Lesson{
		{Title: "one thread, many processes, many threads", Steps: []Step{stepA}},
		{Title: "one thread, many processes, many threads", Steps: []Step{stepB}},
		{Title: "one thread, many processes, many threads", Steps: []Step{stepC, stepD}},
	}
}

var stepA = Step{
	Key: "a", Name: func(Setting) string { return "one thread" },
	Shape: func(Setting) (int, int) { return 1, 1 },
	Question: func(s Setting) Question {
		return Question{"A: one program with one endless loop. What will the CPU of the whole machine show?", []Option{
			{"f", "full, 100%"}, {"s", "a share, " + percent(1/math.Max(s.Cores, 1))}, {"=", "the same as now"},
		}}
	},
	Begin: func(ctx context.Context, s Setting) (Run, error) {
		return begin(ctx, s, shape{processes: 1, threads: 1})
	},
	Outcome: func(m Measured) string {
		switch {
		case !m.Row.Share.OK:
			return ""
		case m.Row.Share.V > 0.9:
			return "f"
		case m.Row.Share.V > 0.05:
			return "s"
		}
		return "="
	},
	Seen: func(m Measured) string {
		return fmt.Sprintf("the process shows %s, %s cores used of %s: %s of the machine", share(m.Row.One), cores(m.Row.Cores), total(m.Cores), share(m.Row.Share))
	},
	Point: func(m Measured) string {
		switch {
		case m.Quota && m.Cores < 1:
			return fmt.Sprintf("This container may use %s of a core: its quota stops the loop for the rest of each period. 100%% of a core can't be shown here: run it on a machine with two cores or more.", total(m.Cores))
		case m.Whole() < 2:
			return "This machine has one core: one loop fills all of it, so that a full core beside idle ones can't be shown here. Run it where there are more cores."
		}
		return fmt.Sprintf("100%% means one core, %s of this machine. A mean of %s looks healthy, and for this program the machine is full: %s more can't help it.",
			percent(1/m.Cores), percent(1/m.Cores), plural(m.Whole()-1, "core"))
	},
	Look: func(m Measured) string {
		switch {
		case m.Looks < 2 || m.Whole() < 2:
			return ""
		case m.Moved == 0:
			return fmt.Sprintf("it stayed on its core in %d looks.", m.Looks)
		}
		return fmt.Sprintf("it was seen on another core than before %s in %d looks: still one core's worth of work.", times(m.Moved), m.Looks)
	},
	Notes: []string{
		"Let them vote before you press a. Many say 100%: their own task manager showed them one core, or the whole.",
		"Ask then: which number would wake you at night? The mean is low; the one thread has nothing left.",
		"The kernel may move the thread from core to core; in a picture of means two half-busy cores look idle.",
		"2 shows the cores, 3 the host with its threads; 6 is back here.",
	},
	Command: func(s Setting) string { return "capmon load --threads 1" },
	Try:     "node -e 'while(1){}'",
	Code:    func(s Setting) []string { return code(s, "one") },
}

var stepB = Step{
	Key: "b", Name: func(s Setting) string { return plural(s.Workers, "process") },
	Shape: func(s Setting) (int, int) { return s.Workers, 1 },
	Question: func(s Setting) Question {
		return Question{fmt.Sprintf("B: that program started %s. How much work will be done, beside A?", times(s.Workers)), []Option{
			{"f", "more, ×" + strconv.Itoa(min(s.Workers, s.Whole()))}, {"s", "less"}, {"=", "the same"},
		}}
	},
	Begin: func(ctx context.Context, s Setting) (Run, error) {
		said := clash(ctx)
		r, err := begin(ctx, s, shape{processes: s.Workers, threads: 1})
		if err != nil {
			return nil, err
		}
		return withPort{r, said}, nil
	},
	Outcome: func(m Measured) string { return outcome(m.Row, m.Rows["a"]) },
	Seen: func(m Measured) string {
		return fmt.Sprintf("%d × %s, %s cores used of %s; %s", m.Row.Processes, span(m.Row.Least, m.Row.One), cores(m.Row.Cores), total(m.Cores), beside(m.Row, m.Rows["a"], "A"))
	},
	Point: func(m Measured) string {
		text := "Each process has one thread, so one core at most; several of them fill several. They share nothing: each has its own memory, and each wants a port of its own."
		if m.Row.Processes > m.Whole() {
			text = fmt.Sprintf("%s on %s: they take turns, and none gets a whole core. More processes than cores do not do more.", plural(m.Row.Processes, "process"), plural(m.Whole(), "core"))
			if m.Whole() < 2 {
				text += " That several fill several can't be shown on one core."
			}
		}
		return text
	},
	Look: func(m Measured) string {
		if d := ratio(m.Row.Work, m.Rows["a"].Work); d.OK && m.Row.Processes <= m.Whole() && d.V < 0.85*float64(m.Row.Processes) {
			return fmt.Sprintf("×%s and not ×%d: these cores share something (a core's two threads, the clock, other programs).", speed(d), m.Row.Processes)
		}
		return ""
	},
	Notes: []string{
		"This is the lecture's `node index.js` in several terminals, and what Node's cluster module does in one.",
		"Real servers want a port: two processes were started that ask for the same one, and the answer of the system stands under PORT.",
		"Ask: who starts the fifth when the third has died? That is what cluster, pm2, systemd or Kubernetes are for.",
	},
	Command: func(s Setting) string { return fmt.Sprintf("capmon load --processes %d", s.Workers) },
	Try:     "node -e 'while(1){}' in as many terminals",
	Code:    func(s Setting) []string { return code(s, "one") },
}

var stepC = Step{
	Key: "c", Name: func(s Setting) string { return "1 process, " + plural(s.Workers, "thread") },
	Shape: func(s Setting) (int, int) { return 1, s.Workers },
	Question: func(s Setting) Question {
		return Question{fmt.Sprintf("C: one process with %s. Is more done than by B?", plural(s.Workers, "thread")), []Option{
			{"f", "more"}, {"s", "less"}, {"=", "the same"},
		}}
	},
	Begin: func(ctx context.Context, s Setting) (Run, error) {
		return begin(ctx, s, shape{processes: 1, threads: s.Workers})
	},
	Outcome: func(m Measured) string { return outcome(m.Row, m.Rows["b"]) },
	Seen: func(m Measured) string {
		return fmt.Sprintf("one process shows %s, %s cores used of %s; %s", share(m.Row.One), cores(m.Row.Cores), total(m.Cores), beside(m.Row, m.Rows["b"], "B"))
	},
	Point: func(m Measured) string {
		text := "100% means one core. A process can pass 100% only by using threads. The thread code had to be written; the language did not do it alone."
		switch {
		case m.Whole() < 2:
			text += " On one core its threads take turns: more than 100% can't be shown here."
		case m.Whole() < 4:
			text += fmt.Sprintf(" The lecture's 400%% takes 4 cores; %d here are %d%%.", m.Whole(), m.Whole()*100)
		}
		return text
	},
	Notes: []string{
		"Compare the rows B and C: the same cores, the same work. What differs is one process or several.",
		"Is that better? Threads share memory, and one port; and when the process dies, all of it is gone.",
		"The lecture's Rust program has three threads and shows 400%: its main thread loops as well.",
		"A thread per core is no law: Go runs many goroutines on a few threads, Node one loop on one.",
	},
	Command: func(s Setting) string { return fmt.Sprintf("capmon load --threads %d", s.Workers) },
	Code:    func(s Setting) []string { return code(s, "threads") },
}

var stepD = Step{
	Key: "d", Name: func(s Setting) string { return plural(max(2, s.Workers), "thread") + ", one lock" },
	Shape: func(s Setting) (int, int) { return 1, max(2, s.Workers) },
	Question: func(s Setting) Question {
		return Question{fmt.Sprintf("D: the same %d threads share one lock. Faster or slower than A?", max(2, s.Workers)), []Option{
			{"f", "faster"}, {"s", "slower"}, {"=", "same"},
		}}
	},
	Begin: func(ctx context.Context, s Setting) (Run, error) {
		return begin(ctx, s, shape{processes: 1, threads: max(2, s.Workers), lock: true})
	},
	Outcome: func(m Measured) string { return outcome(m.Row, m.Rows["a"]) },
	Seen: func(m Measured) string {
		return fmt.Sprintf("one process shows %s, %s cores used of %s; %s", share(m.Row.One), cores(m.Row.Cores), total(m.Cores), beside(m.Row, m.Rows["a"], "A"))
	},
	Point: func(m Measured) string {
		d := ratio(m.Row.Work, m.Rows["a"].Work)
		switch {
		case !m.Row.Work.OK:
			return "Busy is not work: threads that wait for one lock can be as busy as they like. Only a count of the work tells."
		case m.Whole() < 2:
			return "Busy is not work. On one core the threads take turns anyway, so that the lock costs little here: that it makes several cores slower than one can't be shown."
		case d.OK && d.V < 0.85:
			return "Busy is not work. One thread at a time holds the lock; the others burn their cores asking for it, and passing it on costs more than going alone. CPU% does not tell: work per second does."
		}
		return "Busy is not work. One thread at a time holds the lock, so that no more gets done than by one, however many cores are busy. CPU% does not tell: work per second does."
	},
	Notes: []string{
		"Let them vote: most say faster, as more cores are busy. Do not spoil it: press d, then point at WORK.",
		"The lock spins: who waits asks again and again. A mutex that sleeps leaves cores idle, and does no more either.",
		"Where is such a lock in real programs? A global interpreter lock, one row of a table, one log file, one counter.",
		"More servers do not help either while all of them wait for one row: lesson for the database.",
	},
	Command: func(s Setting) string { return fmt.Sprintf("capmon load --threads %d --lock", max(2, s.Workers)) },
	Code:    func(s Setting) []string { return code(s, "lock") },
}

// same is how far two measurements of work may differ and still be called the
// same: a seventh, about what two runs differ by on a machine that others use.
const same = 1.0 / 7

// outcome is what became of the work beside another run: f more, s less, = the
// same; "" where either was not run, or not counted.
func outcome(row, other Row) string {
	r := ratio(row.Work, other.Work)
	if !r.OK {
		r = ratio(row.Cores, other.Cores) // all there is to compare
		if row.Work.OK || other.Work.OK || row.Key == "d" {
			return ""
		}
	}
	switch {
	case !r.OK:
		return ""
	case r.V > 1+same:
		return "f"
	case r.V < 1-same:
		return "s"
	}
	return "="
}

// beside is the work of a run beside that of another, in words.
func beside(row, other Row, name string) string {
	r := ratio(row.Work, other.Work)
	switch {
	case !row.Work.OK:
		return "work ?: this program does not count it"
	case !r.OK:
		return "run " + name + " to compare"
	}
	word := map[string]string{"f": "more", "s": "less", "=": "the same"}[outcome(row, other)]
	return fmt.Sprintf("work ×%s of %s: %s", speed(r), name, word)
}

// disturbed says that others had so much of the cores that nobody is told that
// they were wrong.
func disturbed(m Measured) bool { return m.Others.Or(0) >= 0.5 }

// others says that somebody else used the cores too; empty where nobody did.
func others(m Measured) string {
	const much = 0.2
	if !m.Others.OK || m.Others.V < much {
		return ""
	}
	return fmt.Sprintf("other programs used %s cores meanwhile: the numbers are lower than they could be", cores(m.Others))
}

// cores is a number of cores used: 0.98, 12.3.
func cores(n capacity.Num) string {
	if !n.OK {
		return "?"
	}
	if n.V < 9.95 {
		return strconv.FormatFloat(n.V, 'f', 2, 64)
	}
	return strconv.FormatFloat(n.V, 'f', 1, 64)
}

// total is a number of cores there are: 8, 0.5.
func total(v float64) string { return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64) }

// share is a share of a core, or of all, in percent.
func share(n capacity.Num) string {
	if !n.OK {
		return "?"
	}
	return percent(n.V)
}

func percent(v float64) string { return strconv.FormatFloat(math.Round(v*100), 'f', 0, 64) + "%" }

// span is two shares where they differ to the eye, else one.
func span(low, high capacity.Num) string {
	if share(low) == share(high) || !low.OK || !high.OK || high.V-low.V < 0.03 {
		return share(high)
	}
	return share(low) + " to " + share(high)
}

// speed is how many times: 0.61, 3.9, 12.
func speed(n capacity.Num) string {
	switch {
	case !n.OK:
		return "?"
	case n.V < 0.995:
		return strconv.FormatFloat(n.V, 'f', 2, 64)
	case n.V < 99.95:
		return strconv.FormatFloat(n.V, 'f', 1, 64)
	}
	return strconv.FormatFloat(n.V, 'f', 0, 64)
}

func plural(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case what == "process":
		return strconv.Itoa(n) + " processes"
	}
	return strconv.Itoa(n) + " " + what + "s"
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return strconv.Itoa(n) + " times"
}
