package agents

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// listed is a list for no pool in particular.
func listed(list []string) ([]Target, error) {
	var l Lists
	err := l.Add("", list)
	return l.Targets(), err
}

func TestLists(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hosts.txt")
	if err := os.WriteFile(file, []byte("# ours\nweb-1\n\n  web-2:8000 # the second\r\n[fd00::2]\ndns:///pool\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		list []string
		want []Target
	}{
		"host":            {[]string{"web-1"}, []Target{{Name: "web-1", Addr: "web-1:7077"}}},
		"port":            {[]string{"web-1:8000"}, []Target{{Name: "web-1:8000", Addr: "web-1:8000"}}},
		"default port":    {[]string{"web-1:7077"}, []Target{{Name: "web-1", Addr: "web-1:7077"}}},
		"several":         {[]string{"a, b", "c"}, []Target{{Name: "a", Addr: "a:7077"}, {Name: "b", Addr: "b:7077"}, {Name: "c", Addr: "c:7077"}}},
		"IPv4":            {[]string{"10.0.0.1:1"}, []Target{{Name: "10.0.0.1:1", Addr: "10.0.0.1:1"}}},
		"IPv6 bare":       {[]string{"fd00::1"}, []Target{{Name: "fd00::1", Addr: "[fd00::1]:7077"}}},
		"IPv6 brackets":   {[]string{"[fd00::1]"}, []Target{{Name: "fd00::1", Addr: "[fd00::1]:7077"}}},
		"IPv6 port":       {[]string{"[fd00::1]:65535"}, []Target{{Name: "[fd00::1]:65535", Addr: "[fd00::1]:65535"}}},
		"IPv6 zone":       {[]string{"fe80::1%eth0"}, []Target{{Name: "fe80::1%eth0", Addr: "[fe80::1%eth0]:7077"}}},
		"IPv4 in IPv6":    {[]string{"::ffff:10.0.0.1"}, []Target{{Name: "10.0.0.1", Addr: "10.0.0.1:7077"}}},
		"other alphabets": {[]string{"数据库"}, []Target{{Name: "数据库", Addr: "数据库:7077"}}},
		"one port each":   {[]string{"a:1,a:2,a"}, []Target{{Name: "a:1", Addr: "a:1"}, {Name: "a:2", Addr: "a:2"}, {Name: "a", Addr: "a:7077"}}},
		"final dot":       {[]string{"web-1.example."}, []Target{{Name: "web-1.example", Addr: "web-1.example:7077"}}},
		"dns":             {[]string{"dns:///pool,pool"}, []Target{{Name: "dns:///pool", Addr: "pool:7077", DNS: true}, {Name: "pool", Addr: "pool:7077"}}},
		"dns port":        {[]string{"dns:///pool:80"}, []Target{{Name: "dns:///pool:80", Addr: "pool:80", DNS: true}}},
		"file": {[]string{"@" + file + ",db"}, []Target{
			{Name: "web-1", Addr: "web-1:7077"},
			{Name: "web-2:8000", Addr: "web-2:8000"},
			{Name: "fd00::2", Addr: "[fd00::2]:7077"},
			{Name: "dns:///pool", Addr: "pool:7077", DNS: true},
			{Name: "db", Addr: "db:7077"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := listed(tt.list)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestListsRefuse(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return "@" + path
	}
	many := new(strings.Builder)
	for i := range maxTargets + 1 {
		fmt.Fprintf(many, "h%d\n", i)
	}
	for name, tt := range map[string]struct {
		list []string
		want []string
	}{
		"nothing":            {nil, []string{"no host is named"}},
		"empty":              {[]string{""}, []string{`"": an empty entry`}},
		"a comma too many":   {[]string{"a,,b"}, []string{"an empty entry"}},
		"twice":              {[]string{"a,b,a"}, []string{`"a" is named twice`}},
		"twice, capitals":    {[]string{"web-1,WEB-1"}, []string{`"WEB-1" is named twice`, `"web-1"`}},
		"twice, port":        {[]string{"a,a:7077"}, []string{`"a:7077" is named twice`}},
		"twice, IPv6":        {[]string{"fd00::1,[fd00:0::1]:7077"}, []string{"is named twice"}},
		"port 0":             {[]string{"a:0"}, []string{`"a:0": port "0"`, "from 1 to 65535"}},
		"port 70000":         {[]string{"a:70000"}, []string{`port "70000"`}},
		"port -1":            {[]string{"a:-1"}, []string{`port "-1"`}},
		"port +1":            {[]string{"a:+1"}, []string{`port "+1"`}},
		"port 07077":         {[]string{"a:07077"}, []string{`port "07077"`}},
		"no port":            {[]string{"a:"}, []string{`port ""`}},
		"port name":          {[]string{"a:http"}, []string{`port "http"`}},
		"only a port":        {[]string{":7077"}, []string{"a host name is missing"}},
		"leading -":          {[]string{"-oProxyCommand=x"}, []string{`"-oProxyCommand=x"`, "does not begin with -"}},
		"a space":            {[]string{"a b"}, []string{`"a b": a space`}},
		"a tab":              {[]string{"a\tb"}, []string{"a space"}},
		"controls":           {[]string{"a\x1b[2J"}, []string{`\x1b`}},
		"not UTF-8":          {[]string{"a\xff"}, []string{"not UTF-8"}},
		"a slash":            {[]string{"a/b"}, []string{"can't be in a host name"}},
		"shell":              {[]string{"$(id)"}, []string{"can't be in a host name"}},
		"two dots":           {[]string{"a..b"}, []string{"between the dots"}},
		"long":               {[]string{strings.Repeat("a", 300)}, []string{"300 bytes"}},
		"ssh":                {[]string{"ssh://a"}, []string{`"ssh://a": ssh:// is not known`}},
		"nats":               {[]string{"nats://hub"}, []string{"nats:// is not known"}},
		"http":               {[]string{"http://a:7077"}, []string{"http:// is not known"}},
		"dns of two slashes": {[]string{"dns://a"}, []string{"dns:// is not known", "dns:///name"}},
		"dns of nothing":     {[]string{"dns:///"}, []string{"a host name is missing"}},
		"dns of an address":  {[]string{"dns:///10.0.0.1"}, []string{"wants a name"}},
		"user":               {[]string{"root@a"}, []string{"user@host is not known"}},
		"brackets":           {[]string{"[fd00::1"}, []string{"a ] is missing"}},
		"brackets of a name": {[]string{"[web]"}, []string{"no IPv6 address"}},
		"brackets of IPv4":   {[]string{"[10.0.0.1]"}, []string{"no IPv6 address"}},
		"after brackets":     {[]string{"[fd00::1]7077"}, []string{"is no :port"}},
		"IPv6 cut off":       {[]string{"fd00::1::2"}, []string{"put an IPv6 address in brackets"}},
		"file of nothing":    {[]string{"@"}, []string{"the name of a file is missing"}},
		"no such file":       {[]string{"@" + dir + "/none"}, []string{"none", "no such file"}},
		"a folder":           {[]string{"@" + dir}, []string{"not a file"}},
		"an empty file":      {[]string{write("empty", "# none\n\n")}, []string{"no host in it"}},
		"line of a file":     {[]string{write("bad", "a\n\nb c\n")}, []string{`"b c"`, "bad:3"}},
		"twice in a file":    {[]string{write("twice", "a\nb\na\n")}, []string{`"a" (`, "twice:3", "twice:1"}},
		"a list in a list":   {[]string{write("nested", "@other\n")}, []string{"nested:1", "a list in a list"}},
		"a long line":        {[]string{write("line", strings.Repeat("a", 1<<20))}, []string{"line", "too long"}},
		"a long file":        {[]string{write("long", strings.Repeat("#\n", maxListFile))}, []string{"longer than"}},
		"too many":           {[]string{write("many", many.String())}, []string{"more than 20000 hosts", "many:20001"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := listed(tt.list)
			if err == nil {
				t.Fatalf("taken as %v", got)
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not say %q", err, w)
				}
			}
			if strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("error %q is not one plain line", err)
			}
		})
	}
}

func FuzzLists(f *testing.F) {
	for _, s := range []string{"a,b:1", "[::1]:7077,fe80::1%e", "dns:///x:9", "ssh://a", "-x", "数据库"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, entry, lines string) {
		var l Lists
		if l.Add("web", []string{"first"}) != nil {
			t.Fatal("a plain host was refused")
		}
		p := parser{lists: &l, pool: "db"}
		_ = p.lines("list", strings.NewReader(lines))
		one, err := parseTarget(entry)
		if err == nil {
			l.targets = append(l.targets, one)
		}
		for _, got := range l.Targets() {
			again, err := parseTarget(got.Name)
			again.Pool = got.Pool
			if err != nil || again != got {
				t.Errorf("%+v, by its name, is %+v (%v)", got, again, err)
			}
			if strings.HasPrefix(got.Addr, "-") || strings.ContainsAny(got.Addr, " \t\n\x00/,@") && !strings.Contains(got.Addr, "%") {
				t.Errorf("%q was taken", got.Addr)
			}
		}
	})
}

// A host is in one pool, and what names it for none besides changes nothing.
func TestListsOfPools(t *testing.T) {
	type list struct{ pool, hosts string }
	file := filepath.Join(t.TempDir(), "hosts.txt")
	if err := os.WriteFile(file, []byte("web-3\n\nweb-1:7077\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		lists []list
		want  string // name=pool of each host
		err   []string
	}{
		"two pools":              {[]list{{"web", "a,b"}, {"db", "c,dns:///d"}}, "a=web b=web c=db dns:///d=db", nil},
		"beside a plain list":    {[]list{{"", "a,b,c"}, {"db", "c"}}, "a= b= c=db", nil},
		"before a plain list":    {[]list{{"db", "c"}, {"", "a,c"}}, "c=db a=", nil},
		"a pool in two lists":    {[]list{{"web", "a"}, {"web", "b"}}, "a=web b=web", nil},
		"a name and a host":      {[]list{{"web", "a"}, {"db", "dns:///a"}}, "a=web dns:///a=db", nil},
		"in two pools":           {[]list{{"web", "a:7077"}, {"db", "b,a"}}, "", []string{`"a"`, "pools db and web", `"a:7077"`, "name it in one"}},
		"in two, by file":        {[]list{{"web", "web-1"}, {"db", "@" + file}}, "", []string{`"web-1:7077" (`, "hosts.txt:3", "pools db and web"}},
		"in two, beside a plain": {[]list{{"", "a"}, {"web", "a"}, {"db", "a"}}, "", []string{"pools db and web"}},
		"twice in a pool":        {[]list{{"web", "a"}, {"web", "A"}}, "", []string{`"A" is named twice`}},
		"a pool of nobody":       {[]list{{"web", ""}}, "", []string{"an empty entry"}},
	} {
		t.Run(name, func(t *testing.T) {
			var l Lists
			var err error
			for _, one := range tt.lists {
				if err = l.Add(one.pool, []string{one.hosts}); err != nil {
					break
				}
			}
			if tt.err != nil {
				for _, w := range tt.err {
					if err == nil || !strings.Contains(err.Error(), w) {
						t.Errorf("%v, want %q", err, w)
					}
				}
				return
			}
			var got []string
			for _, target := range l.Targets() {
				got = append(got, target.Name+"="+target.Pool)
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, " ")); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}
