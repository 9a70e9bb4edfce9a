package main

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAcceptedSocketsInheritTheOptions is about the kernel as much as about us.
func TestAcceptedSocketsInheritTheOptions(t *testing.T) {
	listener, err := listenAt("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	raw, err := accepted.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		for _, o := range socketOptions {
			want := o.value
			if o.name == unix.SO_SNDBUF && o.level == unix.SOL_SOCKET {
				want *= 2 // socket(7)
			}
			if got, err := unix.GetsockoptInt(int(fd), o.level, o.name); err != nil || got != want {
				t.Errorf("option %d of level %d is %d, %v, want %d", o.name, o.level, got, err, want)
			}
		}
	})
}
