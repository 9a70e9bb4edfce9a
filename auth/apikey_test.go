package auth

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/paybell/paybell/internal/bearer"
)

const (
	firstKey  = "pb_9fK2xQ7mZ4tR8wLcN"
	secondKey = "c2VjdXJlLXJhbmRvbS1ieXRlcw=="
)

func check(t *testing.T, k *APIKeys, authorization ...string) (string, error) {
	t.Helper()
	r := httptest.NewRequest("POST", "/v1/sessions", nil)
	for _, value := range authorization {
		r.Header.Add("Authorization", value)
	}
	return k.Check(r)
}

func TestAPIKeys(t *testing.T) {
	k, err := NewAPIKeys([]string{firstKey, secondKey, "x" + firstKey})
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, text := range []string{firstKey, secondKey, "x" + firstKey} {
		id, err := check(t, k, "Bearer "+text)
		if err != nil || len(id) != 8 || strings.Contains(text, id) || ids[id] {
			t.Errorf("id %q, %v", id, err)
		}
		ids[id] = true
	}
	for _, value := range []string{firstKey[:19] + "d", firstKey + "x", firstKey[1:], strings.ToUpper(firstKey)} {
		id, err := check(t, k, "Bearer "+value)
		wantReason(t, err, ReasonUnknown)
		if id != "" || strings.Contains(err.Error(), value) {
			t.Errorf("id %q, %v", id, err)
		}
	}
	if _, err := check(t, k); !errors.Is(err, bearer.ErrNone) {
		t.Errorf("error %v", err)
	}
	_, err = check(t, k, "Bearer "+firstKey, "Bearer "+firstKey)
	if !errors.Is(err, bearer.ErrMalformed) {
		t.Errorf("error %v", err)
	}
}

func TestNoAPIKeysLetNobodyIn(t *testing.T) {
	k, err := NewAPIKeys(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = check(t, k, "Bearer "+firstKey)
	wantReason(t, err, ReasonUnknown)
}

func TestRefusesWeakAPIKeys(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "shorter than 20",
		firstKey[:18]:               "shorter than 20",
		"changeme-changeme-change":  "placeholder",
		strings.Repeat("x", 40):     "placeholder",
		"your-api-key-your-api-key": "placeholder",
		firstKey + " with blanks":   "bearer token",
		firstKey + "\n":             "bearer token",
		secondKey:                   "twice",
	} {
		_, err := NewAPIKeys([]string{secondKey, text})
		if err == nil || !strings.Contains(err.Error(), "API key number 2") || !strings.Contains(err.Error(), want) || text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
