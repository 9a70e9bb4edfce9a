package main

import (
	"cmp"
	"context"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	clientjs "github.com/paybell/paybell/client-js"
	"github.com/paybell/paybell/hub"
	"github.com/paybell/paybell/internal/problem"
	"github.com/paybell/paybell/order"
)

// A page without JavaScript is loaded again after hostedRefresh seconds, and its
// customer has hostedReading seconds to read what became of the payment before the
// shop's page comes.
const (
	hostedRefresh = 4
	hostedReading = 6
)

// A hostedView is what the template shows. What is empty is left out or hidden.
type hostedView struct {
	Lang  string
	Words hostedWords
	Name  string
	ID    string // from the address

	Shell  bool // there is no pass: only a script may find one
	Closed bool // what was brought is not good

	Order, Amount    string
	AmountLength     string
	Status           order.Status
	Mood             string
	Title, Text      string
	Icon, ClosedIcon template.HTML
	Link             template.URL
	LinkText         string
	Retry            string
	Left             string
	Returning        bool
	Back, BackText   string
	Framed           bool
	Refresh          string
	Style            template.CSS
	Script           template.JS
}

// view is a page of which nothing is known but its address.
func (p *hosted) view(r *http.Request) hostedView {
	lang := hostedLanguage(r.URL.Query().Get("lang"), r.Header.Get("Accept-Language"))
	words := hostedLanguages[lang]
	v := hostedView{
		Lang: lang, Words: words, Name: p.config.Name, ID: r.PathValue("order"), Mood: "waiting",
		ClosedIcon: icon("failed"), Back: p.config.Back, BackText: words.Back, Retry: p.config.Back, Framed: len(p.config.FrameAncestors) > 0,
		Style: template.CSS(hostedStyle), Script: template.JS(clientjs.HostedScript),
	}
	if v.Name != "" {
		v.BackText = strings.ReplaceAll(words.BackTo, "{name}", v.Name)
	}
	return v
}

// languageQuery repeats what the shop's link asks for.
func languageQuery(r *http.Request) string {
	if lang := r.URL.Query().Get("lang"); lang != "" {
		return "?lang=" + url.QueryEscape(lang)
	}
	return ""
}

// fill adds what the ledger says of the one order of a grant.
func (p *hosted) fill(ctx context.Context, v *hostedView, grant hub.Grant) *problem.Problem {
	terms, err := p.terms.of(ctx, grant.Orders[0])
	if err != nil {
		return &unreadable
	}
	s, err := p.hub.Show(ctx, grant)
	if err != nil {
		return &unreadable
	}
	said := element.say(v.Lang, s.Status)
	v.Order, v.Status, v.Mood, v.Title, v.Text = s.Order, s.Status, element.mood(s.Status), said[0], said[1]
	v.Icon = icon(v.Mood)
	if s.Currency != "" && s.Amount > 0 {
		v.Amount = hostedMoney(s.Amount, s.Currency, v.Lang)
		v.AmountLength = hostedLength(v.Amount)
	}
	home := returnURL(terms)
	v.Retry = cmp.Or(home, p.config.Back)
	v.Back = v.Retry
	switch words := element.Languages[v.Lang].Words; v.Mood {
	case "action":
		v.Link, v.LinkText = actionLink(s.ActionURL), words.Action
	case "failed":
		// Who is taken back anyway is not asked to try again meanwhile.
		if !s.Final || home == "" {
			v.Link, v.LinkText, v.Back = template.URL(v.Retry), words.Retry, ""
		}
	}
	if !terms.ExpiresAt.IsZero() && !s.Final && (v.Mood == "waiting" || v.Mood == "action") {
		if left := time.Until(terms.ExpiresAt); left > 0 {
			v.Left = hostedTime(left, v.Words)
		}
	}
	switch {
	case !s.Final:
		v.Refresh = fmt.Sprint(hostedRefresh)
	case home != "":
		v.Refresh, v.Returning = fmt.Sprintf("%d;url=%s", hostedReading, home), true
	}
	return nil
}

// actionLink is where the provider wants the customer to go on. Wallets open by
// schemes of their own, so that only those are left out which run in a page.
func actionLink(text string) template.URL {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	switch u.Scheme {
	case "", "javascript", "data", "blob", "vbscript":
		return ""
	}
	return template.URL(u.String())
}
