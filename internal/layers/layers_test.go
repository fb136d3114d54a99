package layers_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"capmon/internal/layers"
)

const root = "../.."

// source is one Go file of ours that is not a test.
type source struct {
	pkg  string // its folder below the root
	name string
	file *ast.File
}

func sources(t *testing.T) []source {
	t.Helper()
	var out []source
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator)))
		if d.IsDir() {
			if base := d.Name(); base == "tools" || base == "testdata" || base == "dist" || strings.HasPrefix(base, ".") && base != ".." {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") || strings.HasSuffix(rel, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		out = append(out, source{pkg: filepath.ToSlash(filepath.Dir(rel)), name: rel, file: file})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 10 {
		t.Fatalf("only %d Go files found below %s: the walk is wrong", len(out), root)
	}
	return out
}

func imports(s source) []string {
	var out []string
	for _, spec := range s.file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err == nil {
			out = append(out, path)
		}
	}
	return out
}

func TestImportsGoDownwards(t *testing.T) {
	for _, s := range sources(t) {
		layer, known := layers.Allowed[s.pkg]
		if !known {
			t.Errorf("%s: package %s is not in the picture: add it to internal/layers and docs/ARCHITECTURE.md", s.name, s.pkg)
			continue
		}
		for _, path := range imports(s) {
			if why := forbidden(layer, path); why != "" {
				t.Errorf("%s imports %s: %s", s.name, path, why)
			}
		}
	}
}

func forbidden(layer layers.Layer, path string) string {
	if ours, ok := strings.CutPrefix(path, "capmon/"); ok {
		if !slices.Contains(layer.Ours, ours) {
			return "not drawn in the picture of internal/layers"
		}
		return ""
	}
	if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") {
		return "" // standard library
	}
	if !slices.ContainsFunc(layer.Libraries, func(prefix string) bool { return strings.HasPrefix(path, prefix) }) {
		return "this library belongs to another package"
	}
	return ""
}

func TestForbiddenIsForbidden(t *testing.T) {
	ui := layers.Allowed["ui"]
	for path, want := range map[string]bool{
		"capmon/fleet": false, "strings": false, "github.com/charmbracelet/bubbletea": false,
		"capmon/agents": true, "capmon/fleet/report": true, "google.golang.org/grpc": true,
	} {
		if got := forbidden(ui, path) != ""; got != want {
			t.Errorf("ui importing %s: forbidden is %v, want %v", path, got, want)
		}
	}
}

// Time is an argument in the packages that compute and draw: a recording, a
// demo and a live fleet are then the same thing to them.
func TestTheClockStaysOutside(t *testing.T) {
	for _, s := range sources(t) {
		if !slices.Contains(layers.Clockless, s.pkg) {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && (sel.Sel.Name == "Now" || sel.Sel.Name == "Since" || sel.Sel.Name == "Until") {
				t.Errorf("%s calls time.%s: take the time as an argument", s.name, sel.Sel.Name)
			}
			return true
		})
	}
}

// A collector runs no external command; only the parts that must start a
// process may.
func TestWhoMayStartProcesses(t *testing.T) {
	may := []string{"demo/child", "demo/lessons", "demo/stories/storytest", "internal/crash"} // lessons: node and rustc; storytest: the test itself
	for _, s := range sources(t) {
		if slices.Contains(imports(s), "os/exec") && !slices.Contains(may, s.pkg) {
			t.Errorf("%s imports os/exec", s.name)
		}
	}
}

func TestEveryPackageIsDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, s := range sources(t) {
		documented[s.pkg] = documented[s.pkg] || s.file.Doc != nil
	}
	for pkg, ok := range documented {
		if !ok && pkg != "agents/rpc" { // generated
			t.Errorf("package %s has no package comment", pkg)
		}
	}
}
