package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"capmon/capacity"
	"capmon/fleet"
)

// lookAt settles a command line that looks at a fleet, with a config file. Hosts
// come as name=pool.
func lookAt(t *testing.T, config string, args ...string) (c fleet.Config, hosts string, err error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "c.toml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var f viewFlags
	cmd := &cobra.Command{Use: "look", SilenceUsage: true, SilenceErrors: true, RunE: func(cmd *cobra.Command, _ []string) error {
		if err := f.settle(cmd); err != nil {
			return err
		}
		var e error
		if c, e = f.fleet(cmd.Flags().Changed); e != nil {
			return e
		}
		targets, e := f.targets()
		var list []string
		for _, t := range targets {
			list = append(list, t.Name+"="+t.Pool)
		}
		hosts = strings.Join(list, " ")
		return e
	}}
	f.add(cmd)
	cmd.SetArgs(append([]string{"--config", file}, args...))
	err = cmd.Execute()
	if err != nil {
		err = usagef("%s", strings.ReplaceAll(err.Error(), file, "c.toml"))
	}
	return c, hosts, err
}

// What stands where is what holds: the table of a pool before a flag, a flag
// before the variable, that before the top of the file.
func TestPolicyByPool(t *testing.T) {
	const (
		warm = 3 * time.Minute
		file = "spare = 1\nwarm-up = \"5m\"\n\n[pool.web]\nspare = 2\nagents = [\"web-1\", \"web-2\"]\n\n[pool.lb]\nedge = true\n"
	)
	slo := &capacity.Promise{Share: 0.99, Within: 0.05}
	up := &capacity.Pace{Policies: []capacity.PacePolicy{{Servers: 4, Period: 15 * time.Second}, {Share: 1, Period: time.Minute}}}
	down := &capacity.Pace{Policies: []capacity.PacePolicy{{Servers: 1, Period: 5 * time.Minute}}}
	for name, tt := range map[string]struct {
		config string
		args   []string
		env    string // NAME=value
		want   fleet.Config
		hosts  string
	}{
		"nothing": {want: fleet.Config{Policy: fleet.Policy{WarmUp: warm}}},
		"every flag": {
			args: strings.Fields("--target 70% --spare 2 --per-server 10000 --rps-per-server 4000 --min 1 --max 9 --warm-up 4m --think 5s --price 0.17 --slo p99=50ms --sla 99.95 --availability 99.5 --zone az --pace-up 4/15s,100%/1m --pace-down 1/5m"),
			want: fleet.Config{Policy: fleet.Policy{
				Target: 0.7, Spare: 2, PerServer: 10_000, RPSPerServer: 4000, Min: 1, Max: 9, WarmUp: 4 * time.Minute, Think: 5 * time.Second, Price: 0.17,
				SLO: slo, SLA: 0.9995, Availability: 0.995, Zone: "az", Up: up, Down: down,
			}},
		},
		"every key of a table": {
			config: "[pool.web]\ntarget = 0.7\nspare = 2\nper-server = 10000\nrps-per-server = 4000\nmin = 1\nmax = 9\nwarm-up = \"4m\"\nthink = \"5s\"\nprice = 0.17\n" +
				"slo = \"p99=50ms\"\nsla = 99.95\navailability = \"99.5\"\nzone = \"az\"\npace-up = \"4/15s,100%/1m\"\npace-down = \"1/5m\"\nedge = true\nagents = [\"web-1\"]\n",
			want: fleet.Config{Policy: fleet.Policy{WarmUp: warm}, Pools: []fleet.PoolPolicy{{Name: "web", Edge: true, Policy: fleet.Policy{
				Target: 0.7, Spare: 2, PerServer: 10_000, RPSPerServer: 4000, Min: 1, Max: 9, WarmUp: 4 * time.Minute, Think: 5 * time.Second, Price: 0.17,
				SLO: slo, SLA: 0.9995, Availability: 0.995, Zone: "az", Up: up, Down: down,
			}}}},
			hosts: "web-1=web",
		},
		"pools by flag": {
			args: []string{"--pool", "web=web-1,web-2", "--pool", "数据库.1=dns:///db", "--agents", "all-1,web-2", "--edge", "web", "--spare", "1"},
			want: fleet.Config{Policy: fleet.Policy{Spare: 1, WarmUp: warm}, Pools: []fleet.PoolPolicy{
				{Name: "web", Edge: true, Policy: fleet.Policy{Spare: 1, WarmUp: warm}}, {Name: "数据库.1", Policy: fleet.Policy{Spare: 1, WarmUp: warm}},
			}},
			hosts: "all-1= web-2=web web-1=web dns:///db=数据库.1",
		},
		"an edge by label": {
			args: []string{"--edge", "lb"},
			want: fleet.Config{Policy: fleet.Policy{WarmUp: warm}, Pools: []fleet.PoolPolicy{{Name: "lb", Edge: true, Policy: fleet.Policy{WarmUp: warm}}}},
		},
		"a table before the top of the file": {
			config: file,
			want: fleet.Config{Policy: fleet.Policy{Spare: 1, WarmUp: 5 * time.Minute}, Pools: []fleet.PoolPolicy{
				{Name: "web", Policy: fleet.Policy{Spare: 2, WarmUp: 5 * time.Minute}}, {Name: "lb", Edge: true, Policy: fleet.Policy{Spare: 1, WarmUp: 5 * time.Minute}},
			}},
			hosts: "web-1=web web-2=web",
		},
		"a table before a flag, and a flag before the top": {
			config: file, args: []string{"--spare", "7", "--warm-up", "1m"},
			want: fleet.Config{Policy: fleet.Policy{Spare: 7, WarmUp: time.Minute}, Pools: []fleet.PoolPolicy{
				{Name: "web", Policy: fleet.Policy{Spare: 2, WarmUp: time.Minute}}, {Name: "lb", Edge: true, Policy: fleet.Policy{Spare: 7, WarmUp: time.Minute}},
			}},
			hosts: "web-1=web web-2=web",
		},
		"hosts by hand before those of the file": {
			config: "agents = [\"a\"]\n" + file, args: []string{"--pool", "web=x"},
			want: fleet.Config{Policy: fleet.Policy{Spare: 1, WarmUp: 5 * time.Minute}, Pools: []fleet.PoolPolicy{
				{Name: "web", Policy: fleet.Policy{Spare: 2, WarmUp: 5 * time.Minute}}, {Name: "lb", Edge: true, Policy: fleet.Policy{Spare: 1, WarmUp: 5 * time.Minute}},
			}},
			hosts: "x=web",
		},
		"hosts by variable before those of the file": {
			config: "[pool.web]\nagents = [\"a\"]\n", env: "CAPMON_POOL=db=d-1,d-2 lb=l",
			want: fleet.Config{Policy: fleet.Policy{WarmUp: warm}, Pools: []fleet.PoolPolicy{
				{Name: "db", Policy: fleet.Policy{WarmUp: warm}}, {Name: "lb", Policy: fleet.Policy{WarmUp: warm}}, {Name: "web", Policy: fleet.Policy{WarmUp: warm}},
			}},
			hosts: "d-1=db d-2=db l=lb",
		},
		"a table written otherwise": {
			config: "[pool]\nlb.edge = true\n[pool.\"d.b\"]\nspare = 3\n",
			want: fleet.Config{Policy: fleet.Policy{WarmUp: warm}, Pools: []fleet.PoolPolicy{
				{Name: "lb", Edge: true, Policy: fleet.Policy{WarmUp: warm}},
				{Name: "d.b", Policy: fleet.Policy{Spare: 3, WarmUp: warm}},
			}},
		},
		"a table without its brackets": {
			config: "pool.web.spare = 2\n",
			want:   fleet.Config{Policy: fleet.Policy{WarmUp: warm}, Pools: []fleet.PoolPolicy{{Name: "web", Policy: fleet.Policy{Spare: 2, WarmUp: warm}}}},
		},
		"pools by the top of the file": {
			config: "pool = [\"web=a,b\"]\nedge = \"web\"\n",
			want:   fleet.Config{Policy: fleet.Policy{WarmUp: warm}, Pools: []fleet.PoolPolicy{{Name: "web", Edge: true, Policy: fleet.Policy{WarmUp: warm}}}},
			hosts:  "a=web b=web",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if name, value, ok := strings.Cut(tt.env, "="); ok {
				t.Setenv(name, value)
			}
			got, hosts, err := lookAt(t, tt.config, tt.args...)
			if err != nil {
				t.Fatal(err)
			}
			near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-12 })
			if d := cmp.Diff(tt.want, got, near); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if hosts != tt.hosts {
				t.Errorf("hosts %q, want %q", hosts, tt.hosts)
			}
		})
	}
}

// What is wrong is said in one line, with the line of the file and the key.
func TestPolicyRefuses(t *testing.T) {
	long := strings.Repeat("a", 33)
	for _, tt := range []struct {
		config, args, want string
	}{
		{"", "--pool web", `--pool "web": want NAME=LIST`},
		{"", "--pool web=", "--pool web=: no host is named"},
		{"", "--pool =web-1", `--pool: "" is no name of a pool`},
		{"", "--pool a/b=web-1", `--pool: "a/b" is no name of a pool: want letters, digits, - _ .`},
		{"", "--pool " + long + "=web-1", "at most 32"},
		{"", "--pool web=web-1 --pool db=db-1,web-1:7077", `--pool db: "web-1:7077" is in the pools db and web`},
		{"", "--pool web=web-1,web-1", `--pool web: "web-1" is named twice`},
		{"", "--pool web=a,,b", "--pool web: \"\": an empty entry"},
		{"", "--pool web=@nowhere", "--pool web: \"@nowhere\""},
		{"", "--edge a/b", `--edge: "a/b" is no name`},
		{"", "--warm-up 0", "--warm-up 0s: want more than 0"},
		{"", "--warm-up -1s", "--warm-up -1s: want 0 or more"},
		{"", "--think 0s", "--think 0s: want more than 0"},
		{"", "--price NaN", "--price NaN: want 0 to"},
		{"", "--price -1", "--price -1: want 0 to"},
		{"", "--price Inf", "--price +Inf: want 0 to"},
		{"", "--slo fast", "p99=50ms"},
		{"", "--slo p100=5ms", "p99=50ms"},
		{"", "--sla 99.95", "--sla and --availability go together"},
		{"", "--availability 99.95", "--sla and --availability go together"},
		{"", "--sla 100 --availability 99", "--sla 100: nothing is up always"},
		{"", "--sla 101 --availability 99", "at most 100 percent"},
		{"", "--zone a=b", `--zone "a=b"`},
		{"", "--spare 1000001", "--spare 1000001: want 0 to 1,000,000"},
		{"", "--min 5 --max 3", "--min 5 is more than --max 3"},
		{"spare = 1\n[pool.web]\nspear = 2\n", "", `c.toml:3: unknown key "pool.web.spear": the keys of a pool are agents, availability, edge, max`},
		{"[pool.web.more]\nspare = 1\n", "", `c.toml:1: unknown key "pool.web.more"`},
		{"[pool.web]\nspare.x = 1\n", "", `c.toml:2: unknown key "pool.web.spare.x"`},
		{"[pools.web]\nspare = 1\n", "", `c.toml:1: unknown key "pools.web"`},
		{"[[pool.web]]\nspare = 1\n", "", "c.toml:1: [[pool.web]]: a pool has one table: want [pool.web]"},
		{"\npool.web = {spare = 1}\n", "", "c.toml:2: pool.web: want a table"},
		{"[pool]\nweb = 3\n", "", "c.toml:2: pool.web: want a table"},
		{"[pool.\"a b\"]\n", "", `c.toml:1: "a b" is no name of a pool`},
		{"[pool.web]\nmin = 1\nspare = \"lots\"\n", "", `c.toml:3: "lots" is no value for pool.web.spare`},
		{"[pool.web]\nmin = 1\nspare = -1\n", "", "c.toml:3: pool.web.spare: --spare -1: want 0 to 1,000,000"},
		{"[pool.web]\ntarget = 1.5\n", "", `c.toml:2: "1.5" is no value for pool.web.target`},
		{"[pool.web]\nwarm-up = \"0s\"\n", "", "c.toml:2: pool.web.warm-up: --warm-up 0s"},
		{"[pool.web]\nthink = \"-1s\"\n", "", "c.toml:2: pool.web.think: --think -1s"},
		{"[pool.web]\nprice = nan\n", "", "c.toml:2: pool.web.price: --price NaN"},
		{"[pool.web]\nedge = \"maybe\"\n", "", `c.toml:2: "maybe" is no value for pool.web.edge`},
		{"\n\n[pool.web]\nmin = 5\nmax = 3\n", "", "c.toml:3: pool.web: --min 5 is more than --max 3"},
		{"[pool.web]\nmax = 3\n", "--min 5", "c.toml:1: pool.web: --min 5 is more than --max 3"},
		{"[pool.web]\nsla = 99.9\n", "", "c.toml:1: pool.web: --sla and --availability go together"},
		{"[pool.web]\nagents = [\"a\", \"b c\"]\n", "", `c.toml:2: pool.web.agents: "b c": a space in a host name`},
		{"[pool.web]\nagents = [\"a\"]\n[pool.db]\nagents = [\"b\", \"a\"]\n", "", `c.toml:4: pool.db.agents: "a" is in the pools db and web`},
		{"[pool.web]\nagents = [[\"a\"]]\n", "", "c.toml:2: pool.web.agents: want a list of strings"},
		{"[pool.web]\nspare = 2001-01-01\n", "", "c.toml:2: pool.web.spare: want a string"},
		{"[pool.web]\nedge = true\n[pool.lb]\nedge = true\n", "", "pool.lb.edge: edge = true, and pool.web.edge = true: people reach one pool first"},
		{"[pool.web]\nedge = true\n", "--edge lb", "pool.web.edge: edge = true, and --edge lb: people reach one pool first"},
		{"pool = [\"web=a\"]\n[pool.web]\nspare = 1\n", "", "c.toml:2: not TOML"},
		{"[pool.web]\nspare = 1\nspare = 2\n", "", "not TOML"},
		{"[pool.web]\n[pool.web]\n", "", "not TOML"},
	} {
		_, _, err := lookAt(t, tt.config, strings.Fields(tt.args)...)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q %s: %v, want %q", tt.config, tt.args, err, tt.want)
		}
	}
}

// Whatever a config file holds, what is wrong with it is said in a line that
// names it, and what is taken are names of pools.
func FuzzParseConfig(f *testing.F) {
	for _, s := range []string{
		"spare = 1\n[pool.web]\nspare = 2\nagents = [\"a\"]\n", "pool.web.spare = 1", "[[pool.web]]", "[pool]\nweb = {spare=1}", "[pool.\"\"]", "[pool]\n\"\".a=1", "pool = 3\n", "[pool.a.b.c]\nx=1",
		"[a]\n[a.b]\npool.c = 1", "pool = [{a=1}]",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parseConfig("c.toml", text, []string{"spare", "pool"})
		if err != nil {
			if !strings.HasPrefix(err.Error(), "c.toml:") {
				t.Errorf("%q does not name the file", err)
			}
			return
		}
		for _, p := range c.pools {
			if poolName(p.name) != nil || !strings.HasPrefix(p.where, "c.toml:") {
				t.Errorf("pool %q of %s was taken", p.name, p.where)
			}
			for _, k := range p.keys {
				if k.where == "" {
					t.Errorf("%s of %s stands nowhere", k.name, p.name)
				}
			}
		}
	})
}
