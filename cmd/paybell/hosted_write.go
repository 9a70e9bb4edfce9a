package main

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// hostedSymbols are those of the currencies that most customers pay in. Others are
// written with their codes.
var hostedSymbols = map[string]map[string]string{
	"en": {
		"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "CNY": "CN¥", "INR": "₹", "BRL": "R$", "CAD": "CA$", "AUD": "A$", "NZD": "NZ$",
		"HKD": "HK$", "TWD": "NT$", "MXN": "MX$", "KRW": "₩", "VND": "₫", "ILS": "₪", "PHP": "₱",
	},
	"zh-CN": {
		"USD": "US$", "EUR": "€", "GBP": "£", "JPY": "JP¥", "CNY": "¥", "INR": "₹", "BRL": "R$", "CAD": "CA$", "AUD": "AU$", "NZD": "NZ$",
		"HKD": "HK$", "TWD": "NT$", "MXN": "MX$", "VND": "₫", "ILS": "₪",
	},
}

// hostedMoney writes an amount as the page's script does, which asks the browser
// (client-js/hosted/words.ts): €1,234.50.
func hostedMoney(amount int64, currency, lang string) string {
	whole, fraction, dotted := strings.Cut(formatMoney(amount, currency), ".")
	var b strings.Builder
	if symbol := hostedSymbols[lang][currency]; symbol != "" {
		b.WriteString(symbol)
	} else {
		b.WriteString(currency + "\u00a0")
	}
	for i, digit := range whole {
		if left := len(whole) - i; i > 0 && left%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	if dotted {
		b.WriteString("." + fraction)
	}
	return b.String()
}

// hostedLength says how small an amount is written, so that it stays on one line of
// a small phone.
func hostedLength(amount string) string {
	switch n := utf8.RuneCountInString(amount); {
	case n > 16:
		return "longer"
	case n > 11:
		return "long"
	}
	return ""
}

// hostedTime writes the time that is left, in whole minutes because this page does
// not tick: 15 min, 3 hours 5 min, and from a day on 3 days 4 hours, as the script.
func hostedTime(left time.Duration, words hostedWords) string {
	counted := func(n int, one, more string) string {
		if n == 1 {
			return fmt.Sprint(n, one)
		}
		return fmt.Sprint(n, more)
	}
	minutes := int((left + time.Minute - 1) / time.Minute)
	switch hours := minutes / 60; {
	case hours >= 24:
		return counted(hours/24, words.Day, words.Days) + " " + counted(hours%24, words.Hour, words.Hours)
	case minutes > 60:
		return counted(hours, words.Hour, words.Hours) + " " + counted(minutes%60, words.Minutes, words.Minutes)
	}
	return counted(minutes, words.Minutes, words.Minutes)
}
