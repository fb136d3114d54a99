package users

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"capmon/capacity"
	"capmon/collectors"
	"capmon/demo/child"
)

// Second is one second of a server; null: not known.
type Second struct {
	Cores *float64 `json:"cores"` // used
	RPS   *float64 `json:"rps"`   // served
}

// Server is one kind of server and what was measured of it.
type Server struct {
	Kind      Kind `json:"kind"`
	Processes int  `json:"processes"`
	Threads   int  `json:"threads"` // of each process, that work
	Done      bool `json:"done"`    // its time is over
	Counts
	// From a second after the users came until the end of its time; null: not
	// known yet.
	AskedPerSecond  *float64  `json:"asked_per_s"`
	ServedPerSecond *float64  `json:"served_per_s"`
	P50             *float64  `json:"p50_s"` // of the answers after work
	P99             *float64  `json:"p99_s"`
	CoresUsed       *float64  `json:"cores_used"`    // by all its processes
	ProcessCores    []float64 `json:"process_cores"` // by each
	PIDs            []int     `json:"-"`             // of those, while they run
	CPU             []float64 `json:"-"`             // core seconds that each of them has used
	At              time.Time `json:"-"`             // when they said so
	UsersCores      *float64  `json:"users_cores"`   // by the users, on the same machine
	Last            []Second  `json:"-"`             // of the last minute, oldest first
	Verdict         *Verdict  `json:"verdict"`
	Unwatched       string    `json:"unwatched,omitempty"` // why there is no verdict
	Disturbed       string    `json:"disturbed,omitempty"` // where others had the cores that it needed: how much
	Forecast        *Forecast `json:"forecast"`
}

// Result is what has happened so far.
type Result struct {
	After   float64  `json:"after_s"`
	Rest    float64  `json:"rest_s"`          // until it ends by itself
	Doing   string   `json:"doing,omitempty"` // what is measured now; empty: it is over
	Cores   int      `json:"cores"`           // of this machine, whole ones
	Usable  float64  `json:"usable_cores"`    // a fraction under a quota
	Workers int      `json:"workers"`
	Users   int      `json:"users"`
	Think   float64  `json:"think_s"`
	Wanted  float64  `json:"wanted_per_s"` // what the users ask when they are answered at once
	Loops   int      `json:"loops"`        // of work for each request
	Work    float64  `json:"work_s"`       // what they take a thread on an idle core
	Target  float64  `json:"target"`
	Notes   []string `json:"notes,omitempty"`
	Counts           // of all together
	Servers []Server `json:"servers"` // of the kinds asked for, in their order
	Steps   []Server `json:"steps"`   // other numbers of threads in one process
	Law     Law      `json:"law"`
}

// lesson is a run.
type lesson struct {
	config Config
	cores  int     // whole ones
	usable float64 // a fraction under a quota
	files  int
	begin  time.Time
	result Result
}

// Run measures one kind of server after the other, then other numbers of
// threads, until ctx is done or it is over; the result says what was seen up to
// then. Errors are of what the machine refuses.
func Run(ctx context.Context, c Config) (Result, error) {
	if err := c.Check(); err != nil {
		return Result{}, err
	}
	usable, _ := collectors.Usable(collectors.Config{})
	cores, note := coresHere(usable)
	l := &lesson{config: c, cores: cores, usable: usable, files: child.FilesHere(), begin: time.Now()}
	notes := l.config.settle(l.cores, l.files)
	if note != "" {
		notes = append(notes, note)
	}
	return l.run(ctx, notes)
}

func (l *lesson) run(ctx context.Context, notes []string) (Result, error) {
	c := &l.config
	if l.cores < c.Workers {
		notes = append(notes, fmt.Sprintf("%d workers share %s: what they give beyond one for each core is not more", c.Workers, coresText(l.cores)))
	}
	if !portsAreShared {
		notes = append(notes, "no port is shared on this system: each worker of the cluster has its own, and the users are dealt out to them as a balancer would")
	}
	l.result = Result{
		Cores: l.cores, Usable: l.usable, Workers: c.Workers, Users: c.Users, Think: c.Think.Seconds(), Wanted: float64(c.Users) / c.Think.Seconds(),
		Loops: c.Loops, Work: c.Work.Seconds(), Target: c.Target, Notes: notes, Steps: []Server{},
	}
	for _, k := range c.Kinds {
		processes, threads := k.shape(c.Workers)
		l.result.Servers = append(l.result.Servers, Server{Kind: k, Processes: processes, Threads: threads})
	}
	for _, n := range c.Counts {
		l.result.Steps = append(l.result.Steps, Server{Kind: Threads, Processes: 1, Threads: n})
	}
	err := l.all(ctx)
	l.result.Doing, l.result.Rest = "", 0
	return l.sum(), err
}

// all measures one after the other, until ctx is done.
func (l *lesson) all(ctx context.Context) error {
	for i := range l.result.Servers {
		if err := l.measure(ctx, &l.result.Servers[i], l.config.Each, true); err != nil || ctx.Err() != nil {
			return err
		}
	}
	for i := range l.result.Steps {
		if err := l.measure(ctx, &l.result.Steps[i], l.config.Step, false); err != nil || ctx.Err() != nil {
			return err
		}
	}
	return nil
}

// sum is the result with all that follows from the parts.
func (l *lesson) sum() Result {
	l.result.After = time.Since(l.begin).Seconds()
	l.result.conclude()
	return l.result
}

// conclude works out what follows from the parts.
func (r *Result) conclude() {
	r.Counts = Counts{}
	var points []Point
	for _, list := range [][]Server{r.Servers, r.Steps} {
		for i := range list {
			s := &list[i]
			r.Counts.add(s.Counts)
			if s.Done && s.Processes == 1 && s.ServedPerSecond != nil && s.full(r.Usable) {
				points = append(points, Point{s.Threads, *s.ServedPerSecond})
			}
		}
	}
	r.Law = law(points, r.Cores)
	for i := range r.Servers {
		s := &r.Servers[i]
		s.Forecast = forecast(s, r.Wanted, r.Target, r.Cores, r.Usable, &r.Law)
	}
}

// fullAt is the share of the cores it may use that a full server uses at least:
// the users and whoever else is here need some.
const fullAt = 0.85

func (s *Server) full(usable float64) bool {
	return s.CoresUsed != nil && *s.CoresUsed >= fullAt*min(float64(s.Processes*s.Threads), usable)
}

// waitedAt is the share of the cores it could use that the threads of a server
// wait for at most while it has them nearly for itself.
const waitedAt = 0.25

// disturbed notes whether others had the cores that its threads needed. Threads
// beyond the cores wait for one another, and under a quota for its next period.
func (s *Server) disturbed(usable float64) {
	s.Disturbed = ""
	if s.Verdict == nil || usable != math.Trunc(usable) {
		return
	}
	n := float64(s.Processes * s.Threads)
	could := min(n, usable)
	if waited := s.Verdict.Waiting - (n - could); waited > waitedAt*could {
		s.Disturbed = fmt.Sprintf("its threads waited for %s of %s that others on this machine had: it would serve more", capacity.Decimal(waited, 2), coresText(int(could)))
		s.Verdict.Do = "" // that one host is enough is not so meanwhile
		if strings.HasPrefix(s.Verdict.Word, roomWord) {
			s.Verdict.Word = "OTHERS HAVE THE CORES" // there is none for it
		}
	}
}

// left is how long the rest takes.
func (l *lesson) left(of time.Duration) float64 {
	for i := range l.result.Servers {
		if !l.result.Servers[i].Done {
			of += l.config.Each
		}
	}
	for i := range l.result.Steps {
		if !l.result.Steps[i].Done {
			of += l.config.Step
		}
	}
	return of.Seconds()
}

const (
	upTime   = 15 * time.Second // that a server has to come up
	warmTime = time.Second      // before what is seen counts
)

// measure runs one server and its users for a while.
func (l *lesson) measure(ctx context.Context, s *Server, during time.Duration, watched bool) error {
	l.result.Doing = s.Kind.String()
	if !watched {
		l.result.Doing = fmt.Sprint(s.Threads) + plural(s.Threads == 1, " thread")
	}
	heard := &hearing{up: make(chan struct{})}
	server, err := l.startServer(s, heard)
	if err != nil {
		return fmt.Errorf("%s: %w: this machine takes no more processes or files: try fewer workers", s.Kind, err)
	}
	defer server.Stop()
	select {
	case <-heard.up:
	case <-server.Done:
		return fmt.Errorf("%s: its server ended as it began: %w", s.Kind, server.Unasked())
	case <-ctx.Done():
		return nil
	case <-time.After(upTime):
		return fmt.Errorf("%s: its server was not up after %v: try fewer workers", s.Kind, upTime)
	}
	var w *watch
	if watched {
		if w, err = watchServer(ctx, s.Kind, server.PID(), l.usable, &l.config); err != nil {
			s.Unwatched = "no agent reads this server: " + err.Error()
		} else {
			defer w.close()
		}
	}
	heard.crowds = make([]crowdSays, crowdProcesses(l.config.Users, l.files))
	crowds, err := startCrowd(crowdConfig{
		Addrs: heard.addrs(), Users: l.config.Users, Seed: l.config.Seed, Think: l.config.Think, Patience: patience,
	}, l.files, heard.crowd)
	defer stopAll(crowds)
	if err != nil {
		return fmt.Errorf("%s: %w: this machine takes no more processes or files: try fewer users", s.Kind, err)
	}
	err = l.follow(ctx, s, heard, w, server, crowds, during)
	for _, p := range crowds {
		p.StopCounting()
	}
	heard.settle()
	s.Counts = heard.counts()
	s.Done, s.PIDs, s.CPU = true, nil, nil
	return err
}

// follow takes down what is seen until the time is over.
func (l *lesson) follow(ctx context.Context, s *Server, heard *hearing, w *watch, server *child.Process, crowds []*child.Process, during time.Duration) error {
	ended := make(chan error, 1)
	for _, p := range append([]*child.Process{server}, crowds...) {
		go func() {
			<-p.Done
			select {
			case ended <- p.Unasked():
			default:
			}
		}()
	}
	heard.uses(s)
	began := time.Now()
	over := time.NewTimer(during)
	defer over.Stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	s.Done = true // so that what is left counts it once
	rest := l.left(0)
	s.Done = false
	for {
		var err error
		last := false
		select {
		case <-ctx.Done():
			return nil
		case err = <-ended:
			return fmt.Errorf("%s: %w", s.Kind, err)
		case <-over.C:
			last = true
		case <-tick.C:
		}
		heard.look(s, time.Since(began) >= warmTime)
		heard.uses(s)
		if w != nil {
			s.Verdict = w.verdict(time.Now())
			s.disturbed(l.usable)
		}
		l.result.Rest = rest + max((during-time.Since(began)).Seconds(), 0)
		if l.config.Say != nil {
			l.config.Say(l.sum().clone())
		}
		if last {
			return nil
		}
	}
}

func stopAll(list []*child.Process) {
	for _, p := range list {
		p.Stop()
	}
}

// clone is r for somebody who keeps it: what goes on changes none of it.
func (r Result) clone() Result {
	own := func(list []Server) []Server {
		out := make([]Server, len(list))
		for i, s := range list {
			s.Last = append([]Second(nil), s.Last...)
			out[i] = s
		}
		return out
	}
	r.Servers, r.Steps = own(r.Servers), own(r.Steps)
	return r
}

// startServer begins the processes of a server.
func (l *lesson) startServer(s *Server, heard *hearing) (*child.Process, error) {
	c := &l.config
	one := serverConfig{
		Name: s.Kind.process(), Addr: c.addr(), Threads: s.Threads, Loops: c.Loops,
		Queue: max(int(float64(s.Threads)*float64(longest)/float64(c.Work)), 1),
	}
	hear := func(line []byte) {
		var v serverSays
		if json.Unmarshal(line, &v) == nil {
			heard.server(v)
		}
	}
	if s.Kind != Cluster {
		return child.Begin(roleServer, one, hear)
	}
	one.Share = portsAreShared
	if !one.Share {
		one.Addr = "127.0.0.1:0"
	}
	return child.Begin(roleCluster, clusterConfig{serverConfig: one, Workers: s.Processes}, hear)
}
