package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestEveryProblemIsDocumented reads the problems out of the source, and the
// tables out of the documents, and wants the same names and statuses in both.
func TestEveryProblemIsDocumented(t *testing.T) {
	documented := map[string]bool{} // "status name"
	for _, document := range []string{"../../docs/protocol.md", "../../docs/webhooks.md"} {
		content, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for pair := range documentedProblems(string(content)) {
			documented[pair] = true
		}
	}
	produced := producedProblems(t, "../..")
	if len(produced) < 20 {
		t.Fatalf("the source produces %d problems; were they all found?", len(produced))
	}
	for _, pair := range sortedKeys(produced) {
		if !documented[pair] {
			t.Errorf("%s: the problem %q is in neither table", produced[pair], pair)
		}
	}
	for _, pair := range sortedKeys(documented) {
		if produced[pair] == "" {
			t.Errorf("the problem %q is documented, and nothing produces it", pair)
		}
	}
}

var (
	problemCode = regexp.MustCompile("`([a-z]+(?:-[a-z]+)+|busy|draining|compressed)`")
	statusCode  = regexp.MustCompile(`\b[45]\d\d\b`)
)

// documentedProblems reads the rows of the tables of errors. A row may have
// several names and one status, or as many of both.
func documentedProblems(content string) map[string]bool {
	pairs := map[string]bool{}
	for line := range strings.Lines(content) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		head := cells[1] + cells[2]
		if !strings.Contains(cells[1], "`") || statusCode.MatchString(cells[1]) {
			head = cells[1]
		}
		names, statuses := problemCode.FindAllStringSubmatch(head, -1), statusCode.FindAllString(head, -1)
		for i, name := range names {
			if len(statuses) > 0 {
				pairs[statuses[min(i, len(statuses)-1)]+" "+name[1]] = true
			}
		}
	}
	return pairs
}

// producedProblems finds every literal of problem.Problem below root, as
// "status name", with its place.
func producedProblems(t *testing.T, root string) map[string]string {
	t.Helper()
	pairs := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if d != nil && slices.Contains([]string{"node_modules", ".git", "testdata"}, d.Name()) {
				return fs.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			literal, ok := n.(*ast.CompositeLit)
			if !ok || !isProblem(literal.Type) || len(literal.Elts) == 0 {
				return true
			}
			if pair := problemPair(literal); pair != "" {
				pairs[pair] = files.Position(literal.Pos()).String()
			} else {
				t.Errorf("%s: a problem whose Status and Name are no constants", files.Position(literal.Pos()))
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pairs
}

func isProblem(typ ast.Expr) bool {
	s, ok := typ.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != "Problem" {
		return false
	}
	in, ok := s.X.(*ast.Ident)
	return ok && in.Name == "problem"
}

// statuses are the constants of net/http by the names they have in the source.
var statuses = map[string]int{
	"StatusBadRequest": http.StatusBadRequest, "StatusUnauthorized": http.StatusUnauthorized,
	"StatusForbidden": http.StatusForbidden, "StatusNotFound": http.StatusNotFound,
	"StatusMethodNotAllowed": http.StatusMethodNotAllowed, "StatusRequestTimeout": http.StatusRequestTimeout,
	"StatusConflict": http.StatusConflict, "StatusLengthRequired": http.StatusLengthRequired,
	"StatusRequestEntityTooLarge": http.StatusRequestEntityTooLarge, "StatusUnsupportedMediaType": http.StatusUnsupportedMediaType,
	"StatusUnprocessableEntity": http.StatusUnprocessableEntity, "StatusUpgradeRequired": http.StatusUpgradeRequired,
	"StatusTooManyRequests": http.StatusTooManyRequests, "StatusServiceUnavailable": http.StatusServiceUnavailable,
}

// problemPair returns "" for a literal that it cannot read.
func problemPair(literal *ast.CompositeLit) string {
	var status int
	var name string
	for _, element := range literal.Elts {
		field, ok := element.(*ast.KeyValueExpr)
		if !ok {
			return ""
		}
		switch value := field.Value.(type) {
		case *ast.SelectorExpr:
			if field.Key.(*ast.Ident).Name == "Status" {
				status = statuses[value.Sel.Name]
			}
		case *ast.BasicLit:
			if field.Key.(*ast.Ident).Name == "Name" {
				name, _ = strconv.Unquote(value.Value)
			}
		}
	}
	if status == 0 || name == "" {
		return ""
	}
	return strconv.Itoa(status) + " " + name
}
