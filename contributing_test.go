package paybell_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A file of CONTRIBUTING.md: its name in bold, and then its text.
var shownFile = regexp.MustCompile("(?s)\\*\\*`([^`]+)`\\*\\*\n\n```[a-z]+\n(.*?)```\n")

// TestTheProviderOfContributingWorks builds the provider that CONTRIBUTING.md
// shows as if its files were in the tree, runs its tests, and asks the program,
// with the one line added, about the request that they record.
func TestTheProviderOfContributingWorks(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	page, err := os.ReadFile("CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	replace := map[string]string{}
	line := ""
	for _, shown := range shownFile.FindAllStringSubmatch(string(page), -1) {
		name, text := shown[1], shown[2]
		if name == "cmd/paybell/providers.go" {
			line = text
			continue
		}
		file := filepath.Join(dir, filepath.FromSlash(name))
		write(t, file, text)
		if strings.HasSuffix(name, ".go") {
			replace[filepath.Join(root, filepath.FromSlash(name))] = file
		}
	}
	table, err := os.ReadFile("cmd/paybell/providers.go")
	if err != nil {
		t.Fatal(err)
	}
	const imports, entries = "\t\"github.com/paybell/paybell/webhook\"\n", "var providers = map[string]provider{\n"
	changed := strings.Replace(string(table), imports, imports+"\t\"github.com/paybell/paybell/webhook/acme\"\n", 1)
	changed = strings.Replace(changed, entries, entries+line, 1)
	write(t, filepath.Join(dir, "providers.go"), changed)
	replace[filepath.Join(root, "cmd", "paybell", "providers.go")] = filepath.Join(dir, "providers.go")
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "overlay.json"), string(overlay))
	flag := "-overlay=" + filepath.Join(dir, "overlay.json")

	folder := filepath.Join(dir, "webhook", "acme")
	command(t, root, "go", "test", "-c", "-vet=off", flag, "-o", filepath.Join(folder, "acme.test"), "./webhook/acme")
	command(t, folder, "./acme.test", "-update")
	command(t, folder, "./acme.test")
	golden, err := os.ReadFile(filepath.Join(folder, "testdata", "paid.json"))
	if err != nil || !strings.Contains(string(golden), `"amount": 9900,`) {
		t.Errorf("the recorded payment became %s, %v", golden, err)
	}

	program := filepath.Join(dir, "paybell")
	command(t, root, "go", "build", flag, "-o", program, "./cmd/paybell")
	source, err := os.ReadFile(filepath.Join(folder, "testdata", "source.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "paybell.yaml"), "auth: {keys: [{id: k1, algorithm: HS256, secret: 0123456789abcdefQv2Lm9Xc4Tn1Wd6B}]}\n"+
		"sources:\n  acme:\n    "+strings.ReplaceAll(strings.TrimSpace(string(source)), "\n", "\n    ")+"\n")
	said := command(t, dir, program, "verify", "--config", "paybell.yaml", "--source", "acme", "--at", "2026-11-23T08:00:00Z", "--json",
		filepath.Join(folder, "testdata", "paid.http"))
	if !strings.Contains(said, `"verified":true`) || !strings.Contains(said, `"order":"A1001"`) {
		t.Errorf("paybell verify says %s", said)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// command runs a program and returns what it wrote.
func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return string(out)
}
