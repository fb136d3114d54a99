// Package layers holds the picture of who may import whom, as a test over the
// whole module. docs/ARCHITECTURE.md draws the same picture.
package layers

// Allowed says, for each package of ours, which of ours it may import and
// which libraries it alone may use. A package that is not here may not exist.
var Allowed = map[string]Layer{
	"sample":                 {Libraries: []string{"google.golang.org/protobuf"}},
	"capacity":               {},
	"collectors/kernel":      {Libraries: []string{"github.com/cilium/ebpf", "golang.org/x/sys"}},
	"collectors":             {Ours: []string{"collectors/kernel", "sample"}, Libraries: []string{"github.com/shirou/gopsutil/v3", "github.com/prometheus/", "golang.org/x/sys"}},
	"agents":                 {Ours: []string{"agents/rpc", "sample"}, Libraries: []string{"google.golang.org/grpc", "google.golang.org/protobuf", "golang.org/x/sys"}},
	"agents/rpc":             {Ours: []string{"sample"}, Libraries: []string{"google.golang.org/grpc", "google.golang.org/protobuf"}},
	"fleet":                  {Ours: []string{"capacity", "sample"}},
	"fleet/report":           {Ours: []string{"capacity", "fleet", "sample"}, Libraries: []string{"github.com/charmbracelet/x/ansi"}},
	"record":                 {Ours: []string{"sample"}, Libraries: []string{"google.golang.org/protobuf", "github.com/klauspost/compress"}},
	"demo":                   {Ours: []string{"capacity", "fleet", "sample"}, Libraries: []string{"google.golang.org/protobuf"}},
	"alerts":                 {Ours: []string{"capacity", "fleet"}},
	"ui":                     {Ours: []string{"alerts", "capacity", "demo/lessons", "fleet", "sample", "ui/background"}, Libraries: []string{"github.com/aymanbagabas/go-osc52", "github.com/charmbracelet/", "github.com/muesli/"}},
	"demo/chess":             {Ours: []string{"agents", "collectors", "demo/child", "demo/stories", "demo/waits", "sample"}},
	"demo/payments":          {Ours: []string{"agents", "capacity", "demo/child", "demo/stories", "demo/waits", "sample"}},
	"demo/stories":           {Ours: []string{"agents", "collectors", "sample"}},
	"demo/stories/storytest": {Ours: []string{"demo/stories"}},
	"demo/waits":             {},
	"demo/child":             {},
	"demo/users":             {Ours: []string{"agents", "capacity", "collectors", "demo/child", "demo/lessons", "demo/load", "demo/waits", "fleet", "sample"}, Libraries: []string{"golang.org/x/sys"}},
	"demo/load":              {Ours: []string{"demo/child"}, Libraries: []string{"golang.org/x/sys"}},
	"demo/lessons":           {Ours: []string{"capacity", "demo/child", "demo/load", "fleet"}, Libraries: []string{"golang.org/x/sys"}},
	"ui/background":          {Libraries: []string{"github.com/charmbracelet/lipgloss"}},
	"internal/crash":         {Ours: []string{"internal/small"}, Libraries: []string{"golang.org/x/sys"}},
	"internal/small":         {Libraries: []string{"golang.org/x/sys"}},
	"internal/layers":        {},
	"cmd/capmon": {
		Ours: []string{"agents", "alerts", "capacity", "collectors", "demo", "demo/chess", "demo/child", "demo/lessons", "demo/load", "demo/payments", "demo/stories", "demo/users", "fleet", "fleet/report", "internal/crash", "internal/small", "record", "sample", "ui"},
		Libraries: []string{
			"github.com/spf13/", "github.com/muesli/", "github.com/pelletier/go-toml/v2", "golang.org/x/sys",
			"golang.org/x/sync", "github.com/charmbracelet/x/term", "google.golang.org/protobuf",
		},
	},
}

// Clockless packages take the time as an argument.
var Clockless = []string{"alerts", "capacity", "fleet", "fleet/report", "record", "sample", "ui"}

// Layer is what one package may import beside the standard library.
type Layer struct {
	Ours      []string // below the module's root, exactly
	Libraries []string // prefixes of import paths
}
