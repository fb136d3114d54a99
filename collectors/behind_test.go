package collectors

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestBehind tells stories of who was seen where: "8080<80" is port 8080
// visited by the service at 80, "8080<?" by somebody else, "+6m" lets time go
// by, "-80" ends a service.
func TestBehind(t *testing.T) {
	for name, c := range map[string]struct{ story, want string }{
		"nobody came":                  {"", "80:0 8080:0 9000:0"},
		"a proxy":                      {"8080<80 80<?", "80:0 8080:80 9000:0"},
		"idle for long":                {"8080<80 +60m", "80:0 8080:80 9000:0"},
		"others too":                   {"8080<80 8080<?", "80:0 8080:0 9000:0"},
		"others a while ago":           {"8080<? 8080<80 +4m", "80:0 8080:0 9000:0"},
		"others long ago":              {"8080<? 8080<80 +6m", "80:0 8080:80 9000:0"},
		"others again":                 {"8080<80 8080<? +4m 8080<? +4m", "80:0 8080:0 9000:0"},
		"two proxies":                  {"8080<80 8080<9000", "80:0 8080:80 9000:0"},
		"two proxies, one ends":        {"8080<80 8080<9000 -80 8080<9000", "8080:9000 9000:0"},
		"a proxy that ends":            {"8080<80 -80", "8080:0 9000:0"},
		"a chain":                      {"9000<8080 8080<80", "80:0 8080:80 9000:8080"},
		"each other":                   {"80<8080 8080<80", "80:0 8080:0 9000:0"},
		"three in a circle":            {"80<8080 8080<9000 9000<80", "80:0 8080:0 9000:0"},
		"one that leads into a circle": {"80<8080 8080<80 9000<80", "80:0 8080:0 9000:80"},
		"itself, as it is never noted": {"8080<8080", "80:0 8080:0 9000:0"},
		"nobody else's port":           {"7<80", "80:0 8080:0 9000:0"},
	} {
		t.Run(name, func(t *testing.T) {
			var b behind
			now := time.Now()
			ports := []servicePort{{port: 80}, {port: 8080}, {port: 9000}}
			for word := range strings.FieldsSeq(c.story) {
				var port, by uint16
				switch {
				case word[0] == '+':
					d, err := time.ParseDuration(word[1:])
					if err != nil {
						t.Fatal(err)
					}
					now = now.Add(d)
				case word == "-80":
					ports = ports[1:]
				case strings.HasSuffix(word, "?"):
					fmt.Sscanf(word, "%d<", &port)
					b.sawOther(port, now)
				default:
					fmt.Sscanf(word, "%d<%d", &port, &by)
					b.saw(port, by)
				}
				b.apply(ports, now)
			}
			var got []string
			for _, p := range ports {
				got = append(got, fmt.Sprint(p.port, ":", p.behind))
			}
			if got := strings.Join(got, " "); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if len(b.of) > len(ports) {
				t.Errorf("%d ports remembered", len(b.of))
			}
		})
	}
}

func TestServedLeavesOutWhatIsBehind(t *testing.T) {
	table := tableOf([2]string{"0.0.0.0:80", "haproxy"}, [2]string{"127.0.0.1:8080", "nginx"})
	table.beginWalk(new(ownConns))
	table.add(addrPort("10.0.0.1:80"), addrPort("10.0.0.2:5000"))
	table.add(addrPort("127.0.0.1:8080"), addrPort("127.0.0.1:5000"))
	if n := table.served(); n != 2 {
		t.Errorf("%d served, want 2", n)
	}
	table.ports[1].behind = 80
	if n := table.served(); n != 1 {
		t.Errorf("%d served, want 1", n)
	}
}
