package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/webhook"
)

func TestAKeysNameSaysWhatItsValueIs(t *testing.T) {
	var options struct {
		Secrets        []string
		APIKey         string
		PublicKeys     []string
		PrivateKey     string
		Certificates   []string
		Password       string
		AccessToken    string
		SimulateKey    string
		MerchantID     string
		CaptureDelayed bool
		Tolerance      time.Duration
		Now            func() time.Time
		Other          string `yaml:"named"`
		hidden         string
	}
	_ = options.hidden
	var got []string
	for _, key := range sourceKeys(reflect.ValueOf(options)) {
		text := key.name
		if key.secret() {
			text += " secret"
		}
		if key.file() {
			text += " file"
		}
		got = append(got, text)
	}
	want := "secrets secret, api_key secret, public_keys file, private_key secret, certificates file, password secret, " +
		"access_token secret, simulate_key secret, merchant_id, capture_delayed, tolerance, named"
	if joined := strings.Join(got, ", "); joined != want {
		t.Errorf("got  %s\nwant %s", joined, want)
	}
}

// What a stranger signs must read well to the provider, so that it is refused
// for its signature and not for its form.
func TestAStolenSourceHasOtherSecretsOfTheSameForm(t *testing.T) {
	for name, s := range demoConfig(0, "").Sources {
		stolen := s.stolen()
		if stolen.secrets()[0] == s.secrets()[0] {
			t.Errorf("%s: the secret is the same", name)
		}
		provider, err := stolen.build()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r, err := provider.(webhook.Simulator).Simulate(webhook.Simulation{
			ID: "evt_1", Order: "A1001", Payment: "p1", Status: "paid", Amount: 1, Currency: "EUR", At: time.Now(),
		})
		if err != nil {
			t.Fatal(err)
		}
		genuine, err := s.build()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := genuine.Open(r); err == nil || !strings.Contains(err.Error(), "no signature matches") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEveryProviderCanBeForged: what `paybell simulate --bad-signature` signs with
// must be taken for a secret by every provider.
func TestEveryProviderCanBeForged(t *testing.T) {
	files, err := filepath.Glob("../../webhook/*/testdata/source.yaml")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c, err := loadConfig(verifyConfig(t, map[string]string{
			"it": strings.ReplaceAll(string(text), "file:", "file:"+absolute(t, filepath.Dir(file))+"/"),
		}), nil)
		if err != nil {
			t.Fatal(err)
		}
		s := c.Sources["it"]
		for range 20 { // secrets are random
			if _, err := s.stolen().build(); err != nil {
				t.Errorf("%s: %v", file, err)
				break
			}
		}
	}
}
