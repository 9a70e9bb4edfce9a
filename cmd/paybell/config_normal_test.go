package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestOriginsAreAsBrowsersSendThem(t *testing.T) {
	c := mustParse(t, good+`origins: ["HTTPS://Shop.Example.com:443/", "https://shop.example.com", "http://localhost:3000", "http://[::1]:80", "https://a.example:80"]`)
	want := []string{"https://shop.example.com", "http://localhost:3000", "http://[::1]", "https://a.example:80"}
	if !slices.Equal(c.Origins, want) {
		t.Errorf("got  %q\nwant %q", c.Origins, want)
	}
}

// TestPublicURLIsInLowerCase matters because "ws" takes the place of "http" in it.
func TestPublicURLIsInLowerCase(t *testing.T) {
	for text, want := range map[string]string{
		"HTTPS://Pay.Example.com":       "https://pay.example.com",
		"Http://PAY.example:8080/":      "http://pay.example:8080",
		"https://pay.example/A/b%2Fc//": "https://pay.example/A/b%2Fc",
		"http://[FE80::1]":              "http://[fe80::1]",
	} {
		if c := mustParse(t, good+"public_url: '"+text+"'\n"); c.PublicURL != want {
			t.Errorf("%s became %s, want %s", text, c.PublicURL, want)
		}
	}
}

// TestOverriddenListIsTheVariables guards its items too: a mistake in one would
// name a line of the file, and quote what came out of the variable.
func TestOverriddenListIsTheVariables(t *testing.T) {
	content := goodSources + strings.Replace(goodAuth, "}]", "}], api_keys: [0123456789abcdef0123456789abcdef]", 1) + "origins: [https://old.example]\n"
	c := mustParse(t, content, "PAYBELL_AUTH_API_KEYS=fedcba9876543210fedcba9876543210")
	var out bytes.Buffer
	if err := c.print(&out); err != nil || !strings.Contains(out.String(), "- '********' # PAYBELL_AUTH_API_KEYS\n") {
		t.Errorf("%v in\n%s", err, &out)
	}
	c = mustParse(t, content, "PAYBELL_AUTH_API_KEYS=short")
	if err := c.tryParts(); err == nil || !strings.HasPrefix(err.Error(), "PAYBELL_AUTH_API_KEYS: auth.api_keys: ") {
		t.Errorf("a key that is too short: %v", err)
	}
	_, err := parse(content, "PAYBELL_ORIGINS=canary://shop.example")
	if want := "PAYBELL_ORIGINS: origins the value of PAYBELL_ORIGINS must begin with https:// or http://"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
