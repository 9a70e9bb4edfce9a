package doctor

import "testing"

// Beside who is examined there may be others, who come by the proxy or past it.
func TestWhoComesPastTheProxyIsNoFaultOfTheProxy(t *testing.T) {
	for _, test := range []struct {
		name    string
		rose    []string
		fronted bool
		want    string
		leftOut int
	}{
		{"by the proxy", []string{"forwarded"}, true, "", 0},
		{"by a proxy that says nothing", []string{"peer"}, true, noForwardedFor.code, 0},
		{"by a trusted one that says nothing", []string{"proxy"}, true, noForwardedFor.code, 0},
		{"by the proxy, while another comes past it", []string{"forwarded", "peer"}, true, "", 1},
		{"by the proxy, while one comes from its machine", []string{"forwarded", "proxy"}, true, "", 1},
		{"by one that is not named", []string{"forwarded", "ignored"}, true, unnamedProxy.code, 0},
		{"with no proxy", []string{"peer"}, false, "", 0},
	} {
		e := &exam{report: &Report{}, fronted: test.fronted}
		after := map[string]int{}
		for _, from := range test.rose {
			after[from] = 1
		}
		e.judgeAddresses(map[string]int{}, after)
		code := ""
		for _, f := range e.report.Findings {
			code += f.Code
		}
		if code != test.want || len(e.report.LeftOut) != test.leftOut {
			t.Errorf("%s: found %q and left out %q", test.name, code, e.report.LeftOut)
		}
	}
}
