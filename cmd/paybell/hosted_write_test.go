package main

import (
	"encoding/json"
	"os"
	"testing"
	"time"
)

// TestHostedPageWritesAmounts holds testdata/hosted_money.json, by which the client's
// tests check that the page's script writes the same.
func TestHostedPageWritesAmounts(t *testing.T) {
	content, err := os.ReadFile("testdata/hosted_money.json")
	if err != nil {
		t.Fatal(err)
	}
	var wanted []struct {
		Lang, Currency, Shown string
		Amount                int64
	}
	if err := json.Unmarshal(content, &wanted); err != nil || len(wanted) < 50 {
		t.Fatalf("%d amounts, %v", len(wanted), err)
	}
	for _, w := range wanted {
		if got := hostedMoney(w.Amount, w.Currency, w.Lang); got != w.Shown {
			t.Errorf("%s: %d %s is %q, want %q", w.Lang, w.Amount, w.Currency, got, w.Shown)
		}
	}
}

func TestHostedPageWritesTheTimeThatIsLeft(t *testing.T) {
	for left, want := range map[time.Duration][2]string{
		time.Second:              {"1 min", "1分钟"},
		15 * time.Minute:         {"15 min", "15分钟"},
		time.Hour:                {"60 min", "60分钟"},
		90 * time.Minute:         {"1 hour 30 min", "1小时 30分钟"},
		24*time.Hour - 1:         {"1 day 0 hours", "1天 0小时"},
		24 * time.Hour:           {"1 day 0 hours", "1天 0小时"},
		73*time.Hour + time.Hour: {"3 days 2 hours", "3天 2小时"},
	} {
		if got := [2]string{hostedTime(left, hostedLanguages["en"]), hostedTime(left, hostedLanguages["zh-CN"])}; got != want {
			t.Errorf("%v is %q, want %q", left, got, want)
		}
	}
}

func TestHostedAmountsAreWrittenSmallerWhenLong(t *testing.T) {
	for amount, want := range map[string]string{"€99.00": "", "€99,999.00": "", "IDR 100,000.00": "long", "IDR 90,071,992,547.00": "longer"} {
		if got := hostedLength(amount); got != want {
			t.Errorf("%s is %q, want %q", amount, got, want)
		}
	}
}
