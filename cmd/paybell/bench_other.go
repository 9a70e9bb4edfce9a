//go:build !linux

package main

import "syscall"

// endsWithParent does nothing: other systems have no such thing.
func endsWithParent() *syscall.SysProcAttr { return nil }
