package postgres_test

import (
	"strings"
	"testing"

	"github.com/paybell/paybell/order/postgres"
)

func TestURLs(t *testing.T) {
	for url, shown := range map[string]string{
		"postgres://localhost/paybell":                                            "postgres://localhost:5432/paybell",
		"postgresql://u@db_1.example:6000/paybell":                                "postgres://db_1.example:6000/paybell",
		"postgres://u%40x:hun%40ter2%2F@db/pay%20bell%2F1?sslmode=disable":        "postgres://db:5432/pay%20bell%2F1",
		"postgres://u:!$&'()*+,;=:-._~hunter2@a,b:1/x?sslmode=disable":            "postgres://a:5432,b:1/x",
		"postgres://u:hunter2@[::1]:5433/x":                                       "postgres://[::1]:5433/x",
		"postgres:///x?host=/var/run/postgresql&user=u&password=hunter2":          "postgres:///var/run/postgresql:5432/x",
		"postgres://u:hunter2@db/x?pool_max_conns=3&search_path=a&lock_timeout=1": "postgres://db:5432/x",
		"postgres://u:hunter2@db/x?options=-c%20work_mem%3D8MB":                   "postgres://db:5432/x",
	} {
		if err := postgres.Check(url); err != nil {
			t.Errorf("%s: %v", url, err)
		}
		if got := postgres.Address(url); got != shown {
			t.Errorf("%s is shown as %s, want %s", url, got, shown)
		}
	}
}

func TestWrongURLsAreRefusedWithoutShowingThem(t *testing.T) {
	for url, want := range map[string]string{
		"host=db user=u password=hunter2":                  "does not begin with postgres://",
		"hunter2://hunter2":                                "does not begin with postgres://",
		"postgres://u:hunter2@db:0x/x":                     "has a host",
		"postgres://u:hunter2@db:99999/x":                  "is not understood",
		"postgres://u:hunter2@d b/x":                       "has a host",
		"postgres://u:hun%ter2@db/x":                       "is not a URL; in a password, write",
		"postgres://u:hun ter2@db/x":                       "is not a URL; in a password, write",
		"postgres://u:hunter2@db/x#y":                      "is not a URL; in a password, write",
		"postgres://u:hunter2@db/x/y":                      "is not a URL; in a password, write",
		"postgres://u:hunter2@db/x?pool_max_conn=4":        "has a parameter that means nothing here; there are application_name, ",
		"postgres://u:hunter2@db/x?sslmod=hunter2":         "has a parameter that means nothing here; there are application_name, ",
		"postgres://u:hunter2@db/x?hunter2":                "has a parameter that means nothing here; there are application_name, ",
		"postgres://u:hunter2@db/x?pool_max_conns=1":       "has a pool_max_conns below 2",
		"postgres://u:hunter2@db/x?pool_max_conns=hunter2": "is not understood: cannot parse pool_max_conns",
		"postgres://u:hunter2@db/x?search_path=hunter2,b":  "has a search_path",
		"postgres://u:hunter2@db/x?sslmode=hunter2":        "is not understood",
		"postgres://u:hunter2@db/x?a=%zz":                  "has parameters that cannot be read",
	} {
		err := postgres.Check(url)
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want it to begin with %q", url, err, want)
		}
		if strings.Contains(postgres.Address(url), "hunter2") {
			t.Errorf("%s is shown as %s", url, postgres.Address(url))
		}
	}
}

// TestAPasswordThatIsNotEscapedIsNotShown has signs in passwords that end what is
// before the host, so that a part of the password stands for a host, a database or
// a parameter, and would be looked up and shown.
func TestAPasswordThatIsNotEscapedIsNotShown(t *testing.T) {
	for _, url := range []string{
		"postgres://gateway:p@hunter2@127.0.0.1:15432/paybell",
		"postgres://gateway:p@@hunter2@127.0.0.1/paybell",
		"postgres://gateway:gw:p@ss/hunter2@127.0.0.1/paybell",
		"postgres://gateway:12/hunter2@127.0.0.1/paybell",
		"postgres://gateway:12?hunter2@127.0.0.1/paybell",
		"postgres://gateway:12#hunter2@127.0.0.1/paybell",
		"postgres://gateway:12/a?hunter2@127.0.0.1/paybell",
		"postgres://gateway:12/a?sslmode=hunter2@127.0.0.1/paybell",
		"postgres://gateway:p@hunter2/x@127.0.0.1/paybell",
		"postgres://gateway:p@hunter2,@127.0.0.1/paybell",
		"postgres://gateway:p@hunter2!/paybell",
		"postgres://gateway:p@%68unter2/paybell",
		"postgres://gateway:p@hunter2:hunter2",
		"postgres://gateway:p@[hunter2",
		"postgres://gateway:p@[::1%hunter2]/paybell",
		"postgres://gateway:hunter2",
		"postgres://gateway:p\\hunter2@127.0.0.1/paybell",
		"postgres://gateway:p\nhunter2@127.0.0.1/paybell",
		"postgres://gateway:p^{hunter2}@127.0.0.1/paybell",
		"postgres://u@127.0.0.1/x?password=p@hunter2",
		"postgres://u@127.0.0.1/x?password=p&hunter2",
		"postgres://u@127.0.0.1/x?password=p#hunter2",
		"postgres://u@127.0.0.1/x?password=p%hunter2",
	} {
		if err := postgres.Check(url); err == nil || strings.Contains(err.Error(), "unter2") {
			t.Errorf("%s: %v", url, err)
		}
		if shown := postgres.Address(url); strings.Contains(shown, "unter2") {
			t.Errorf("%s is shown as %s", url, shown)
		}
		_, opened := postgres.Open(t.Context(), url, postgres.Options{})
		_, looked := postgres.Inspect(t.Context(), url)
		_, migrated := postgres.Migrate(t.Context(), url)
		_, copied := postgres.BeginImport(t.Context(), url)
		for what, err := range map[string]error{"open": opened, "inspect": looked, "migrate": migrated, "copy": copied} {
			if err == nil || strings.Contains(err.Error(), "unter2") || strings.Contains(err.Error(), "lookup") {
				t.Errorf("%s %s: %v", what, url, err)
			}
		}
	}
}
