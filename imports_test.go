package paybell_test

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/paybell/paybell"

// A listed is what `go list -json` says of a package.
type listed struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

func list(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Standard", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var packages []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// mayImport says whether a package of Paybell may import another of them. Both
// are paths within the module.
func mayImport(from, to string) bool {
	switch {
	case strings.HasPrefix(from, "cmd/"):
		return true // the only place where all parts meet
	case from == "order" || from == "fault/checker":
		return false
	case to == "order" || strings.HasPrefix(to, "internal/"):
		return true
	case strings.HasPrefix(to, "cmd/"):
		return false
	case from == "hub" && to == "hub/park":
		return true // no adapter, but where its connections are kept
	}
	parent, _, nested := strings.Cut(from, "/")
	return nested && to == parent // an adapter imports what it fulfils, and never the other way
}

func TestFoldersImportOnlyWhatTheyMay(t *testing.T) {
	for _, p := range list(t) {
		from := strings.TrimPrefix(p.ImportPath, module+"/")
		for _, path := range p.Imports {
			to, ours := strings.CutPrefix(path, module+"/")
			switch {
			case ours && !mayImport(from, to):
				t.Errorf("%s imports %s", from, to)
			case from == "order" && strings.Contains(path, "."):
				t.Errorf("order imports %s, and may import the standard library only", path)
			}
		}
	}
}

// doors names the one package that may import each outside library.
var doors = map[string]string{
	"github.com/agnivade/levenshtein":     "cmd/paybell",
	"github.com/coder/websocket":          "hub",
	"github.com/go-jose/go-jose":          "auth",
	"github.com/go-json-experiment/json":  "internal/strictjson",
	"github.com/golang-jwt/jwt":           "auth",
	"github.com/prometheus/client_golang": "cmd/paybell",
	"github.com/redis/go-redis":           "bus/redis",
	"github.com/rs/cors":                  "cmd/paybell",
	"github.com/spf13/cobra":              "cmd/paybell",
	"github.com/spf13/pflag":              "cmd/paybell",
	"go.yaml.in/yaml":                     "cmd/paybell",
	"golang.org/x/text":                   "webhook/alipay",
	"golang.org/x/time":                   "hub",

	"github.com/jackc/pgx": "order/postgres",
	"modernc.org/sqlite":   "order/sqlite",
}

func TestEachLibraryHasOneDoor(t *testing.T) {
	for _, p := range list(t) {
		from := strings.TrimPrefix(p.ImportPath, module+"/")
		for _, path := range p.Imports {
			if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") || strings.HasPrefix(path, module) {
				continue
			}
			if strings.HasPrefix(path, "golang.org/x/sys/") { // where package syscall, which is frozen, goes on
				continue
			}
			door := ""
			for library, through := range doors {
				if path == library || strings.HasPrefix(path, library+"/") {
					door = through
				}
			}
			if door != from {
				t.Errorf("%s imports %s; its door is %q", from, path, door)
			}
		}
	}
}

func TestTheImportRulesRefuseWhatTheyMust(t *testing.T) {
	refused := [][2]string{
		{"order", "hub"}, {"hub", "auth"}, {"auth", "hub"}, {"webhook", "webhook/stripe"},
		{"webhook/stripe", "webhook/standard"}, {"order", "order/sqlite"}, {"hub", "cmd/paybell"}, {"order", "internal/problem"},
		{"fault/checker", "order"},
	}
	for _, pair := range refused {
		if mayImport(pair[0], pair[1]) {
			t.Errorf("%s may import %s", pair[0], pair[1])
		}
	}
	allowed := [][2]string{{"webhook/stripe", "webhook"}, {"hub", "order"}, {"order/sqlite", "order"}, {"cmd/paybell", "hub"}}
	if i := slices.IndexFunc(allowed, func(pair [2]string) bool { return !mayImport(pair[0], pair[1]) }); i >= 0 {
		t.Errorf("%s may not import %s", allowed[i][0], allowed[i][1])
	}
}
