package fleet

import (
	"time"

	"capmon/capacity"
	"capmon/sample"
)

// A Snapshot is the fleet at one moment: a value that nobody changes. Screens,
// `capmon snapshot` and tests all read the same one. Slices and messages in it
// may be shared between snapshots and are read only.
type Snapshot struct {
	Time      time.Time     // the viewer's clock when it was taken
	At        time.Time     // the moment it shows; Time itself when Live
	Live      bool          // shows now, not an earlier moment
	Interval  time.Duration // the longest sampling interval among the hosts; 1 s when none is known
	Simulated bool          // at least one host is made up by `capmon demo fleet`
	Policy    Policy
	Totals    Totals
	Pools     []Pool // at least one; with none named, one called "all"
	Hosts     []Host // in the order of LIST
	Chart     Chart
	Kept      Kept     // what can be looked back at
	Notes     []string // what a user should know about the whole, e.g. two entries that are one machine
}

// Policy is what the people who run the fleet decided. Zero means: not set.
type Policy struct {
	Target       float64           // utilisation we want to run at, 0 < Target <= 1
	Spare        int               // servers we may lose
	PerServer    float64           // connections one server may hold
	RPSPerServer float64           // requests a second one server may have
	Min, Max     int               // bounds on the number of servers
	WarmUp       time.Duration     // until a new server takes load; 0: DefaultWarmUp
	Think        time.Duration     // of a person between two requests, for Little's law; 0: DefaultThink, where connections do not persist
	Price        float64           // money for a server hour; 0: not asked
	SLO          *capacity.Promise // of the response; nil: not asked
	// SLA is the share of the time that enough servers are up, and Availability
	// that of one server; both 0: not asked.
	SLA, Availability float64
	Up, Down          *capacity.Pace // how fast servers may come and go; nil: as fast as is wanted
	Zone              string         // label whose values are zones, of which one may be lost; empty: not asked
}

// Defaults of a Policy.
const (
	DefaultWarmUp = 3 * time.Minute
	DefaultThink  = 10 * time.Second
)

// PoolPolicy is a pool that was named.
type PoolPolicy struct {
	Name   string
	Policy Policy
	Edge   bool // people reach this one first: its users and RPS are those of the headline
}

// Totals add up the hosts that count: those up or stale for less than ten
// intervals. Each total says how many hosts it stands on.
type Totals struct {
	Hosts, Up, Stale, Down, Unseen int // Hosts is the sum of the others
	Counted                        int // hosts in the totals

	Users       capacity.Num // of the edge pool
	UsersFrom   string       // what users are counted by: "connections", "little", "gauge"; empty when unknown
	UsersNote   string       // the assumption behind, or the formula, in words
	Edge        string       // the pool that Users and RPS are of; empty with one pool
	EdgeFrom    string       // how it was found, in words; empty when it is not known: then Users and RPS are not known either
	RPS         capacity.Num
	RPSHosts    int          // hosts that know their RPS
	Connections capacity.Num // server side, on listening ports
	ConnHosts   int
	Cores       capacity.Num // available
	CoresUsed   capacity.Num
	CPUHosts    int
	CPU         capacity.Num // CoresUsed / Cores, 0..1

	HottestCore   HotCore
	HottestThread HotThread
}

// HotCore is the busiest core of a host or of the fleet.
type HotCore struct {
	Known bool
	Host  string
	Core  int     // the kernel's number
	Busy  float64 // 0..1
}

// HotThread is the thread with the highest demand.
type HotThread struct {
	Known    bool
	Host     string
	PID, TID int
	Name     string
	Demand   float64 // run time + run-queue wait, in cores
}

// State of a host.
type State uint8

const (
	Unseen State = iota // has never answered
	Up
	Stale // no sample for three intervals; out of the totals after ten
	Down  // no sample for thirty intervals, or it refuses
)

// String is the word of the JSON contract.
func (s State) String() string {
	return [...]string{"unseen", "up", "stale", "down"}[min(s, Down)]
}

// Host is one entry of LIST.
type Host struct {
	Name     string // as in LIST, without the default port; what screens show
	Addr     string // host:port; empty for this machine in this process
	State    State
	Reason   string          // why it is not up, one line; empty when it is
	Do       string          // what to do about it; empty when nothing can be said
	Age      capacity.Num    // seconds since the newest sample arrived
	Skew     capacity.Num    // seconds its clock is ahead of ours
	Counted  bool            // in the totals
	Machine  *sample.Machine // nil until it answered
	Newest   *sample.Sample  // at the moment shown; nil when unseen, down or in a gap; at an earlier moment without services and threads, unless it is known whole
	Dropped  uint64          // samples lost because this viewer was too slow
	Restarts int             // new epochs seen since the viewer began

	Cores       []float64    // busy of each core 0..1; NaN = unknown; nil when none is known
	Available   capacity.Num // cores
	CoresUsed   capacity.Num
	CPU         capacity.Num // CoresUsed / Available, 0..1
	HottestCore HotCore
	Thread      HotThread
	RPS         capacity.Num // mean of the last 10 s
	RPSSource   string       // "nginx", "prometheus", several joined by "+"; empty when unknown
	RPSNote     string       // why RPS is unknown; empty when known
	Connections capacity.Num // of services that are not behind another one of this machine
	MemoryUsed  capacity.Num // bytes
	MemoryTotal capacity.Num
	SelfCPU     capacity.Num // milliseconds of CPU a second
	SelfRSS     capacity.Num // bytes

	Throttled capacity.Num // share of the quota's periods in which it was held back, mean of the last 10 s; unknown without a quota

	// Of the whole machine; unknown at an earlier moment that is not known whole.
	ConnectionsFrom  string       // "ebpf", "sock_diag", "portable"; empty when unknown
	ConnectionsDrift capacity.Num // what a running counter had too many when last checked
	TimeWait         capacity.Num // sockets in TIME_WAIT
	PortsUsed        capacity.Num // local ports towards the remote address with most connections
	PortsLimit       capacity.Num

	Limits    []capacity.Limit // nearest first
	Bound     string           // name of the nearest limit; empty when none is known
	Headroom  capacity.Num     // share of the capacity at target that is left; may be negative
	RoomUsers capacity.Num     // to the nearest limit; where Bound is not "conns" what the use of that limit allows at least
	RoomRPS   capacity.Num     // to the nearest limit, at least
	Services  []Service        // nil when not known
	Processes []Process        // those that use most, highest demand first; nil when not known
	Learned   []Learned        // what traffic taught, the one that fills first first
	Scaling   []Scaling        // how services follow their workers
	Users     capacity.Num     // a gauge that was named
	Pool      string
	Findings  []Finding // of its services and processes, the fullest first; none while the CPU is full
	Flags     []string  // the words of the JSON contract

	Trend []float64 // CPU of the last 60 s, oldest first, one a second; NaN = gap
	Past  Past      // for the host screen
}

// Learned is what traffic taught of one limit of a host: what a request costs,
// and how many a second it can take.
type Learned struct {
	*Learning        // the same for every snapshot until the host's next point: not to be changed
	Service   string // name of the service it is of
	Load      capacity.Num
}

// Learning is the part of Learned that only a new point changes.
type Learning struct {
	Limit    string            // "cpu", "thread"; "memory": connections for requests
	Port     int               // of the service it is of; 0: the whole host
	Unit     string            // of the load: "requests a second", "connections"
	Target   float64           // utilisation of the limit
	AtTarget capacity.Estimate // what it can take at the target
	Full     capacity.Estimate // what it can take at 100%
	Basis    capacity.Basis
}

// Past is the last minutes of one host, oldest first, NaN where there is a gap:
// in the buckets of Ask, by the second where it asks for none. It is filled only
// for the host that Ask.Host names.
type Past struct {
	Step                  time.Duration
	CPU, RPS, Connections []float64
	Parts                 []CoreParts // newest detail, one for each core; nil when none
	Users                 []CoreUser  // who has each core; nil when nobody looked
	Threads               *Threads    // of the process that Ask names; nil when they are not told
	Cores                 [][]float64 // of each core its last 60 seconds, oldest first; nil where they are not kept
}

// CoreParts is where a core's time went, each 0..1; all NaN when unknown.
type CoreParts struct{ User, System, IRQ, IOWait, Steal float64 }

// CoreUser is the thread that had most of a core over the newest interval: it
// was on it at both ends and ran for at least half of what the core was busy.
// The zero value: there is none, or it is not known.
type CoreUser struct {
	PID, TID int
	Name     string  // of the thread
	Run      float64 // cores
}

// Threads are those of one process, read while somebody looks at it.
type Threads struct {
	PID    int
	List   []Thread // the one with the highest demand first
	More   int      // that it has besides
	Reason string   // why they are not told; empty when they are
}

// Thread is one thread of a process over the newest interval.
type Thread struct {
	TID       int
	Name      string
	Run, Wait capacity.Num // cores: run time, and time on a run queue
	State     byte         // letter of proc_pid_stat(5): R, S, D, ...; 0 = unknown
	Core      capacity.Num // that it was last on, the kernel's number
	// Switches to another thread a second: because it waited for something, and
	// because it was made to.
	Voluntary, Involuntary capacity.Num
}

// Service is a listening port of one host.
type Service struct {
	Port        int
	Name        string       // empty when its owner is hidden
	RPS         capacity.Num // mean of the last 10 s
	RPSSource   string
	RPSNote     string
	Responses   capacity.Num // since the agent began
	Connections capacity.Num

	Peers []Peer // who held most of its connections when those were last listed, most first; nil: not known

	Counted bool // its requests are in those of the host: what is behind a service that knows its own is not
	Behind  int  // port of the service here that all its connections come from; 0: none
	PID     int  // of the process that listens; 0: unknown

	Status  [4]capacity.Num // of Responses those with 2xx, 3xx, 4xx, 5xx
	Errors  capacity.Num    // share of 5xx in the last 10 s; unknown without a response
	Latency Latency

	Accepts          capacity.Num // connections accepted a second
	Queue            capacity.Num // connections that wait to be accepted
	QueueLimit       capacity.Num
	Drops            capacity.Num // refused by a full queue, since the agent began
	FilesUsed, Files capacity.Num // open files of the process with the fewest left, and its limit
	ConnectionsLimit capacity.Num // by its own configuration
	ConnectionsFrom  string       // "worker_connections 768 x 2"

	// Run is the run time of all its processes, and Top that of its busiest
	// thread, in cores, means of ten seconds. OneThread: each of its processes
	// leaves nearly all work to one thread; ThreadsKnown: that is known at all.
	Run, Top                capacity.Num
	OneThread, ThreadsKnown bool

	Finding *Finding // nil: none
	Flags   []string
}

// Peer is an address that connections of a service come from; this machine's own
// are left out.
type Peer struct {
	Addr        string
	Connections int
}

// Latency is how long responses took over the last ten seconds, in seconds.
type Latency struct{ Mean, P50, P95, P99 capacity.Num }

// Process is one process of a host over the newest interval.
type Process struct {
	PID                int
	Name               string
	CoresUsed, Waiting float64 // run time, and run-queue wait, of all its threads in cores
	Threads            capacity.Num
	Demands            []float64 // of the threads that were sent, in cores, highest first
	Finding            *Finding  // nil: none
	Flags              []string
}

// Pool is hosts that serve the same thing, and its verdict.
type Pool struct {
	Name           string
	Hosts, Counted int
	Limits         []capacity.Limit     // of the pool, nearest first; Used is the load that Need is for
	Sized          []capacity.PoolLimit // that Need is made from, with how many servers each stands on and its target
	Bound          string
	Headroom       capacity.Num  // after the spare; may be negative
	RoomUsers      capacity.Num  // sum over the hosts counted
	RoomRPS        capacity.Num  // sum over the hosts counted
	Raw            capacity.Num  // servers for the load at target, at least 1
	Need           capacity.Num  // Raw + spare
	Run            capacity.Num  // Need within Min..Max
	Short          capacity.Num  // Need - Run when Max binds, else 0
	LoseOne        capacity.Num  // utilisation of the nearest limit without the largest host; unknown for one host
	LoseZone       capacity.Num  // the same without the largest zone; unknown where no zones are named
	Formula        string        // the one line behind Need
	Spare          int           // servers of Need that may be lost: the largest of spare, zone and SLA
	Paced          bool          // Run is what the pace allows for now
	NeedBy         string        // the limit that asks for most servers
	NeedNow        capacity.Num  // for the load of the hosts that answer, with neither tolerance nor window; spare included
	Waits          time.Duration // until the window lets servers go; 0: it does not wait
	Policy         Policy        // in force here
	Target         float64       // utilisation of the nearest limit to run at
	TargetFrom     string        // "chosen", "default", "default for 1 worker behind one queue"
	Up             int           // hosts that are up

	Users     capacity.Num // active
	UsersFrom string       // as in Totals
	UsersNote string
	RPS       capacity.Num
	// RPSCapacity is what the hosts counted can take at 100% of their nearest
	// limits, added up: learned where all are, else at least.
	RPSCapacity capacity.Estimate

	Trend  capacity.Trend // of the room to the nearest limit, in its unit
	Growth capacity.Num   // of the users, or of the load in the unit of the limit, a minute; unknown unless Trend is known
	WarmUp time.Duration
	Late   capacity.Num // seconds by which a server that starts now comes too late; unknown where it comes in time
	// Climb is how many times the load grew at most within one warm-up, over
	// what is kept, and ClimbServers what a reserve for that would take beyond
	// Need, ClimbPrice its money a day. Shown, never applied.
	Climb        capacity.Num
	ClimbServers capacity.Num
	ClimbPrice   capacity.Num
	Needs        Needs          // of the span of the chart; nothing where Ask wants no buckets
	Rows         []capacity.Row // by number of servers, rising: have, run, need and around
	Steps        []string       // ordered, how it came about
	Verdict      Verdict
}

// Level of a verdict, in rising order of urgency after Unknown.
type Level uint8

const (
	Unknown Level = iota
	OK
	Soon
	Act
)

// Sign is the text that stands for a level on every screen.
func (l Level) Sign() string { return [...]string{"?", "", "!", "!!"}[min(l, Act)] }

// Verdict is what to do, in words. Do and Why come from long to short, so that
// a screen takes the first that fits; the last has at most 20 cells. Only an
// Unknown one begins with its sign.
type Verdict struct {
	Level Level
	// Need is the number of servers the words are about, which leaves out what
	// only hosts that are missing would need, and Of those there are, or may be
	// where the maximum binds. 0 while nothing is known.
	Need, Of int
	Do       []string // "ADD 1 NOW → 10 (max)    NEED 13 (12 for 80% +1 spare)    SHORT 3 of max 10", ..., "NEED 13/10"
	Why      []string
}

// Chart is the history of the totals over the span asked for: buckets of equal
// width, oldest first, the last of which holds the moment shown and is not full
// yet. The buckets lie on a grid that stands still, so that they keep their
// values while new ones are added. NaN is a gap.
type Chart struct {
	Start time.Time
	Step  time.Duration
	// Means over the bucket, summed over hosts.
	Connections, RPS, CoresUsed, Cores []float64
	Hosts                              []int // how many hosts the bucket stands on
}

// Ask says which snapshot a screen wants.
type Ask struct {
	At      time.Time     // zero: live
	Span    time.Duration // of the chart; 0: 15 minutes; at most 24 hours
	Buckets int           // of the chart; 0: none, at most 1000
	Host    string        // whose Past to fill; empty: none
	Users   bool          // which thread has each core of that host is wanted
	PID     int           // process of that host whose threads are wanted; 0: none
}
