package main

import (
	"fmt"
	"log/slog"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"capmon/agents"
	"capmon/collectors"
)

// localAddr is where `capmon` looks for an agent of this machine.
const localAddr = "127.0.0.1:7077"

// securityFlags choose how two ends prove who they are.
type securityFlags struct {
	token, cert, key, ca string
	insecure             bool
}

func (f *securityFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.token, "token", "", "`file` with the fleet token (default: token in the config folder, else /etc/capmon/token)")
	fs.StringVar(&f.cert, "tls-cert", "", "own PKI: certificate `file`, PEM")
	fs.StringVar(&f.key, "tls-key", "", "own PKI: private key `file`, PEM")
	fs.StringVar(&f.ca, "tls-ca", "", "own PKI: `file` with the certificates of the authority, PEM")
	fs.BoolVar(&f.insecure, "insecure", false, "no encryption and no proof of who is there, said aloud on both sides")
}

// security settles which of the ways is used. Errors are usage errors.
func (f *securityFlags) security() (agents.Security, error) {
	pki := f.cert != "" || f.key != "" || f.ca != ""
	switch {
	case f.insecure && (pki || f.token != ""):
		return agents.Security{}, usagef("--insecure does not go with --token or --tls-…: choose one")
	case pki && f.token != "":
		return agents.Security{}, usagef("--token does not go with --tls-…: choose one")
	case f.insecure:
		return agents.Insecure(), nil
	case pki:
		if f.cert == "" || f.key == "" || f.ca == "" {
			return agents.Security{}, usagef("own PKI needs all three of --tls-cert, --tls-key and --tls-ca")
		}
		s, err := agents.WithPKI(f.cert, f.key, f.ca)
		return s, asUsage(err)
	}
	path, err := agents.FindToken(f.token)
	if err != nil {
		return agents.Security{}, usageError{err}
	}
	if path == "" {
		return agents.Plain(), nil
	}
	s, err := agents.WithToken(path)
	return s, asUsage(err)
}

func asUsage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

// viewFlags are those of every command that looks at a fleet.
type viewFlags struct {
	policyFlags
	agents   []string
	pools    []string // NAME=LIST
	edge     string
	sampling samplingFlags
	config   string
	sec      securityFlags

	tables []poolTable // of the config file
}

func (f *viewFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringArrayVar(&f.agents, "agents", nil, "`list` of agents, comma separated or repeated: host, host:port (7077), dns:///name for every address of a name, @file with one a line; without it this machine")
	fs.StringArrayVar(&f.pools, "pool", nil, "`NAME=LIST`, repeatable: agents that serve the same thing, LIST as of --agents; others go by their label pool=NAME. "+
		"[pool.NAME] in the config file holds a pool's own policy and wins over these flags")
	fs.StringVar(&f.edge, "edge", "", "`name` of the pool that people reach first, whose users and requests are the fleet's (default: found by who connects to whom)")
	f.sampling.add(cmd)
	f.addPolicy(cmd)
	f.sec.add(cmd)
}

func (f *viewFlags) addPolicy(cmd *cobra.Command) {
	f.policyFlags.add(cmd.Flags())
	addConfig(cmd, &f.config)
}

// settle gives the flags their values, and keeps the tables of the config file.
func (f *viewFlags) settle(cmd *cobra.Command) (err error) {
	f.tables, err = settlePools(cmd)
	return err
}

func addConfig(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVar(path, "config", "", "config `file`, TOML: flag = value, [pool.NAME] with the policy of one pool, [alert.NAME] with a rule (default: capmon/config.toml in the config folder)")
}

// samplingFlags say how this machine is read.
type samplingFlags struct {
	interval time.Duration
	rps      []string
	latency  bool
	users    string

	kernelAfter time.Duration    // see collectors.Config; no flag
	scope       collectors.Scope // of `capmon agent` only
}

func (f *samplingFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.DurationVar(&f.interval, "interval", time.Second, "between two samples of this machine, 1s to 10s")
	fs.StringArrayVar(&f.rps, "rps", nil, "`source` of requests a second, repeatable: [name=]auto|off|ebpf|ebpf:send|ebpf:egress|prom:URL[#metric{l=\"v\"}]|nginx:URL|"+
		"haproxy:/path.sock|haproxy:URL|apache:URL|caddy:URL|log:/path[:json|:combined]|statsd:ADDRESS[#counter], name being a service or its port "+
		"(default auto: counted in the kernel where it may be, else from status pages of this machine)")
	fs.StringVar(&f.users, "users", "", "`source` of the number of people active on this machine, a gauge: prom:URL#metric{l=\"v\"}|statsd:ADDRESS#gauge (default: not measured)")
	fs.BoolVar(&f.latency, "latency", false, "measure response times in the kernel too (eBPF, Linux)")
}

// newLocalAgent builds the agent of this machine. Errors are usage errors.
func newLocalAgent(f samplingFlags, labels []string, log *slog.Logger) (*agents.Agent, error) {
	var sources []collectors.RPSSource
	for _, v := range f.rps {
		s, err := collectors.ParseRPS(v)
		if err != nil {
			return nil, usageError{err}
		}
		sources = append(sources, s)
	}
	var users collectors.UsersSource
	if f.users != "" {
		var err error
		if users, err = collectors.ParseUsers(f.users); err != nil {
			return nil, usageError{err}
		}
	}
	tags, err := parseLabels(labels)
	if err != nil {
		return nil, err
	}
	if f.interval < time.Second || f.interval > 10*time.Second {
		return nil, usagef("--interval %v: want 1s to 10s", f.interval)
	}
	read := collectors.Config{RPS: sources, Users: users, Latency: f.latency, KernelAfter: f.kernelAfter, Scope: f.scope}
	a, err := agents.New(agents.Config{
		Source:   collectors.NewRunner(collectors.List(read), collectors.RunnerOptions{}),
		Interval: f.interval, Labels: tags, Hostname: hostname(), Scope: f.scope.String(), Version: version(), Log: log,
		Topology: collectors.ReadTopology(read), Look: looker(read),
	})
	return a, asUsage(err)
}

// looker makes what reads more while somebody looks; nil where nothing can be.
func looker(c collectors.Config) func() agents.Look {
	if collectors.NewLook(c) == nil {
		return nil
	}
	return func() agents.Look { return collectors.NewLook(c) }
}

func parseLabels(list []string) (map[string]string, error) {
	out := map[string]string{}
	for _, l := range list {
		k, v, ok := strings.Cut(l, "=")
		if !ok || k == "" || v == "" {
			return nil, usagef("--label %q: want key=value", l)
		}
		if _, twice := out[k]; twice {
			return nil, usagef("--label %s is given twice", k)
		}
		out[k] = v
	}
	return out, nil
}

func hostname() string {
	if name, err := os.Hostname(); err == nil && name != "" {
		return name
	}
	return "this machine"
}

// share is a flag value between 0 and 1, written 0.8 or 80%.
type share float64

func (s *share) String() string { return strconv.FormatFloat(float64(*s), 'g', -1, 64) }

func (s *share) Type() string { return "share" }

func (s *share) Set(text string) error {
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, err := strconv.ParseFloat(number, 64)
	if percent {
		v /= 100
	}
	if err != nil || math.IsNaN(v) || v <= 0 || v > 1 {
		return fmt.Errorf("want more than 0 and at most 1, as 0.8 or 80%%")
	}
	*s = share(v)
	return nil
}
