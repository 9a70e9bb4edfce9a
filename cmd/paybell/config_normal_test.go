package main

import (
	"slices"
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
