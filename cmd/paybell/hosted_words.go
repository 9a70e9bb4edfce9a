package main

import (
	"encoding/json"
	"strings"

	clientjs "github.com/paybell/paybell/client-js"
	"github.com/paybell/paybell/order"
)

// hostedWords are what the hosted page says beside the element's own texts.
type hostedWords struct {
	Payment, Order, Left, Returning     string
	Minutes, Hour, Hours, Day, Days     string // after a number
	ClosedTitle, ClosedText, ScriptText string
	Back, BackTo                        string // without and with the shop's name
}

var hostedLanguages = map[string]hostedWords{
	"en": {
		Payment: "Your payment", Order: "Order", Left: "Time left",
		Minutes: " min", Hour: " hour", Hours: " hours", Day: " day", Days: " days",
		Returning:   "You will be taken back to the shop in a moment.",
		ClosedTitle: "This page cannot show your payment",
		ClosedText: "The link is not complete, was used before, or its time is up. Go back to the shop and open your payment from there. " +
			"What you have paid is not lost.",
		ScriptText: "Go back to the shop and open your payment from there. If you then see this again, switch JavaScript on. " +
			"What you have paid is not lost.",
		Back: "Back to the shop", BackTo: "Back to {name}",
	},
	"zh-CN": {
		Payment: "您的付款", Order: "订单", Left: "剩余时间",
		Minutes: "分钟", Hour: "小时", Hours: "小时", Day: "天", Days: "天",
		Returning:   "即将返回商店。",
		ClosedTitle: "无法显示您的付款",
		ClosedText:  "链接不完整、已被使用或已过期。请返回商店，从那里重新打开付款页面。您已支付的款项不会丢失。",
		ScriptText:  "请返回商店，从那里重新打开付款页面。如果仍看到此提示，请启用 JavaScript。您已支付的款项不会丢失。",
		Back:        "返回商店", BackTo: "返回 {name}",
	},
}

// hostedLanguage chooses the page's language: what the shop's link asks for, else
// the first in Accept-Language that there is. Browsers put what they like best
// first. Any Chinese is zh-CN.
func hostedLanguage(asked, accepted string) string {
	for tag := range strings.SplitSeq(asked+","+accepted, ",") {
		tag, _, _ = strings.Cut(tag, ";")
		switch tag, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-"); tag {
		case "zh":
			return "zh-CN"
		case "en":
			return "en"
		}
	}
	return "en"
}

// elementTexts are those of <paybell-status>, in its own form.
type elementTexts struct {
	Languages map[string]struct {
		Texts map[string][2]string
		Words struct {
			Connecting, Trouble  [2]string
			Stale, Action, Retry string
		}
	}
	Unknown string
	Moods   map[string]string
	Icons   map[string]string
}

var element = func() (e elementTexts) {
	if err := json.Unmarshal(clientjs.HostedTexts, &e); err != nil {
		panic(err) // it is compiled in
	}
	return e
}()

// say is the title and the sentence of a status.
func (e elementTexts) say(language string, s order.Status) [2]string {
	texts := e.Languages[language].Texts
	if text, ok := texts[string(s)]; ok {
		return text
	}
	return texts[e.Unknown]
}

// mood is what the page looks like.
func (e elementTexts) mood(s order.Status) string {
	if mood, ok := e.Moods[string(s)]; ok {
		return mood
	}
	return "waiting"
}
