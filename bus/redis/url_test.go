package redis_test

import (
	"strings"
	"testing"

	"github.com/paybell/paybell/bus/redis"
)

func TestURLs(t *testing.T) {
	for url, shown := range map[string]string{
		"redis://localhost":                                                 "redis://localhost:6379",
		"redis://:hunter2@[::1]:7000/3?prefix=shop":                         "redis://[::1]:7000",
		"rediss://u%40x:hunter2@db.example:6390":                            "rediss://db.example:6390",
		"rediss://db.example?server_name=redis.example":                     "rediss://db.example:6379",
		"redis+sentinel://u:hunter2@a,b:7001,c/shop?db=2":                   "redis+sentinel://a:26379,b:7001,c:26379/shop",
		"redis+sentinel://a/shop?sentinel_user=s&sentinel_password=hunter2": "redis+sentinel://a:26379/shop",
		"redis+cluster://u:hunter2@a:1,b:2?pubsub=sharded":                  "redis+cluster://a:1,b:2",
		"rediss+cluster://a?pubsub=classic":                                 "rediss+cluster://a:6379",
	} {
		if err := redis.Check(url); err != nil {
			t.Errorf("%s: %v", url, err)
		}
		if got := redis.Redacted(url); got != shown {
			t.Errorf("%s is shown as %s, want %s", url, got, shown)
		}
	}
}

func TestWrongURLsAreRefusedWithoutShowingThem(t *testing.T) {
	for url, want := range map[string]string{
		"":                                         "must begin with redis://",
		"localhost:6379":                           "must begin with redis://",
		"hunter2://hunter2":                        "must begin with redis://",
		"redis://":                                 "has a host",
		"redis://u:hunter2@":                       "has a host",
		"redis://u:hunter2@a:0":                    "has a host",
		"redis://u:hunter2@a:b":                    "has a host",
		"redis://u:hunter2@a,b":                    "names several hosts",
		"redis://u:hun%ter2@a":                     "is not a URL",
		"redis://u:hunter2@a#x":                    "is not a URL",
		"redis://u:hunter2@a/hunter2":              "has a database that is not a number",
		"redis://u:hunter2@a?password=hunter2":     "has a parameter that means nothing here; there are prefix, pubsub",
		"redis://u:hunter2@a?ca=hunter2":           "has a parameter that means nothing here; there are prefix, pubsub",
		"redis://u:hunter2@a?pubsub=sharded":       "has a pubsub",
		"redis://u:hunter2@a?prefix={hunter2}":     "has a prefix",
		"redis://u:hunter2@a?prefix=a&prefix=b":    "has prefix twice",
		"redis+cluster://u:hunter2@a/1":            "names a database",
		"redis+cluster://u:hunter2@a?pubsub=other": "has a pubsub",
		"redis+sentinel://u:hunter2@a":             "must name the master",
		"rediss://u:hunter2@a?ca=/nowhere/hunter2": "names a ca",
		"rediss://u:hunter2@a?cert=hunter2":        "names a cert and key",
	} {
		err := redis.Check(url)
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want it to begin with %q", url, err, want)
		}
		if strings.Contains(redis.Redacted(url), "hunter2") {
			t.Errorf("%s is shown as %s", url, redis.Redacted(url))
		}
	}
}

// TestAPasswordThatIsNotEscapedIsNotShown has signs in passwords that end what is
// before the host, so that a part of the password stands for a host or a path.
func TestAPasswordThatIsNotEscapedIsNotShown(t *testing.T) {
	for _, scheme := range []string{"redis", "rediss", "redis+sentinel", "redis+cluster"} {
		for _, rest := range []string{
			"://:hunter2/part2@cache", "://:hunter2?part2@cache", "://:hunter2#part2@cache", "://:12/hunter2@cache", "://:12?hunter2@cache", "://:12#hunter2@cache",
			"://u:1234/hunter2@h:26379", "://u:1234/hunter2@h:26379/shop", "://u:1234?hunter2@h:26379/shop", "://u:1234/a?hunter2@h", "://:hunter2",
			"://hunter2:hunter2", "://[hunter2]:x", "://a/shop?sentinel_password=a&hunter2", "://a/shop?sentinel_password=a&hunter2=b",
		} {
			if err := redis.Check(scheme + rest); err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s%s: %v", scheme, rest, err)
			}
			if shown := redis.Redacted(scheme + rest); strings.Contains(shown, "hunter2") {
				t.Errorf("%s%s is shown as %s", scheme, rest, shown)
			}
		}
	}
}

func TestABusNeedsASecret(t *testing.T) {
	if _, err := redis.Open("redis://localhost", "", redis.Options{}); err == nil {
		t.Error("a bus without a secret was opened")
	}
}
