package main

import (
	"runtime/debug"
	"testing"
)

func TestCommitOf(t *testing.T) {
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "abc123"}
	for want, settings := range map[string][]debug.BuildSetting{
		"":                {{Key: "GOOS", Value: "linux"}},
		" abc123":         {revision, {Key: "vcs.modified", Value: "false"}},
		" abc123+changes": {revision, {Key: "vcs.modified", Value: "true"}},
	} {
		if got := commitOf(settings); got != want {
			t.Errorf("commitOf(%v) is %q, want %q", settings, got, want)
		}
	}
}
