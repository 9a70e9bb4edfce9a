//go:build unix

package rig_test

import (
	"io"
	"net"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/paybell/paybell/internal/rig"
)

func TestACutterCutsCharacters(t *testing.T) {
	const text = "no money: 余额不足, says the bank"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			io.WriteString(conn, text)
			conn.Close()
		}
	}()
	conn, err := net.Dial("tcp", rig.NewCutter(t, l.Addr().String(), 50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var got []byte
	var cut []bool // whether a read ended in the middle of a character
	for buffer := make([]byte, 100); ; {
		n, err := conn.Read(buffer)
		got = append(got, buffer[:n]...)
		cut = append(cut, !utf8.Valid(got))
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if string(got) != text {
		t.Errorf("what came through is %q", got)
	}
	if !slices.Contains(cut, true) {
		t.Error("no character was cut")
	}
}
