package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// maxRest bounds what a stream keeps of a message that is not all there.
const maxRest = 1 << 20

var errStream = errors.New("bench: the stream is broken")

// A closed is the end of a stream that the server announced.
type closed struct{ code int } // of the close frame; 0: none, or the stream's regular end

func (c closed) Error() string {
	return fmt.Sprintf("bench: the server closed the stream (code %d)", c.code)
}

// A refused is an answer that is no stream.
type refused struct {
	status     int
	retryAfter int // seconds; -1: not said
}

func (r refused) Error() string { return fmt.Sprintf("bench: the server answered %d", r.status) }

// A stream takes apart what a client receives. It is small, because there is one
// for each client: between two reads it keeps only what is no whole message yet,
// which is mostly nothing.
type stream struct {
	rest    []byte // what is no whole message yet
	chunks  dechunker
	wire    Wire
	begun   bool // the head has been read
	chunked bool
}

// A listener is told what a stream holds.
type listener interface {
	// hear is called for every message; nil: the head was accepted.
	hear(message []byte)
	// pong is called for every WebSocket ping.
	pong(payload []byte)
}

// feed takes what was read, and tells to of all that is whole in it. scratch is
// room that streams share; data is overwritten. After an error the stream is
// over.
func (s *stream) feed(data []byte, scratch *[]byte, to listener) (err error) {
	if !s.begun {
		data = s.join(data, scratch)
		if data, err = s.head(data, to); err != nil || !s.begun {
			return err
		}
	}
	if s.chunked {
		if data, err = s.chunks.strip(data); err != nil {
			return err
		}
	}
	data = s.join(data, scratch)
	if s.wire == WebSocket {
		data, err = frames(data, to)
	} else {
		data = events(data, to)
	}
	if err != nil {
		return err
	}
	if s.chunks.over() {
		return closed{}
	}
	return s.keep(data)
}

// join puts what was kept before what was read.
func (s *stream) join(data []byte, scratch *[]byte) []byte {
	if len(s.rest) == 0 {
		return data
	}
	*scratch = append(append((*scratch)[:0], s.rest...), data...)
	s.rest = nil
	return *scratch
}

func (s *stream) keep(data []byte) error {
	if len(data) > maxRest {
		return errStream
	}
	if len(data) > 0 {
		s.rest = append([]byte(nil), data...)
	}
	return nil
}

// head reads the response's head, and returns what follows it.
func (s *stream) head(data []byte, to listener) ([]byte, error) {
	h, err := readHead(data)
	if err != nil {
		return nil, err
	}
	if h.size == 0 {
		return nil, s.keep(data)
	}
	want := 200
	if s.wire == WebSocket {
		want = 101
	}
	if h.status != want {
		return nil, refused{h.status, h.retryAfter}
	}
	s.begun, s.chunked = true, h.chunked && s.wire == EventStream
	to.hear(nil)
	return data[h.size:], nil
}

// events tells of the server-sent events at the beginning of data, and returns
// what is no whole one.
func events(data []byte, to listener) []byte {
	from, line := 0, 0 // where the event and the line begin
	for i, c := range data {
		if c != '\n' {
			continue
		}
		if text := data[line:i]; len(text) == 0 || len(text) == 1 && text[0] == '\r' {
			if from < line {
				to.hear(data[from:line])
			}
			from = i + 1
		}
		line = i + 1
	}
	return data[from:]
}

// The opcodes of frames (RFC 6455, section 5.2).
const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10
)

// frames tells of the WebSocket frames at the beginning of data, and returns
// what is no whole one. Servers here send whole messages: a fragment is an error.
func frames(data []byte, to listener) ([]byte, error) {
	for len(data) >= 2 {
		size, at := int(data[1]&0x7f), 2
		switch {
		case data[1]&0x80 != 0:
			return nil, fmt.Errorf("%w: a masked frame", errStream)
		case size == 126 && len(data) >= 4:
			size, at = int(binary.BigEndian.Uint16(data[2:])), 4
		case size == 127 && len(data) >= 10:
			long := binary.BigEndian.Uint64(data[2:])
			if long > maxRest {
				return nil, fmt.Errorf("%w: a frame of %d bytes", errStream, long)
			}
			size, at = int(long), 10
		case size > 125:
			return data, nil
		}
		if len(data) < at+size {
			return data, nil
		}
		if err := frame(data[0], data[at:at+size], to); err != nil {
			return nil, err
		}
		data = data[at+size:]
	}
	return data, nil
}

func frame(first byte, payload []byte, to listener) error {
	switch op := first & 0x0f; {
	case first&0x70 != 0:
		return fmt.Errorf("%w: a frame of an extension", errStream)
	case first&0x80 == 0 || op == opContinuation:
		return fmt.Errorf("%w: a fragment", errStream)
	case op == opText || op == opBinary:
		to.hear(payload)
	case op == opPing:
		to.pong(payload)
	case op == opPong:
	case op == opClose && len(payload) >= 2:
		return closed{int(binary.BigEndian.Uint16(payload))}
	case op == opClose:
		return closed{}
	default:
		return fmt.Errorf("%w: a frame of kind %d", errStream, op)
	}
	return nil
}

// appendFrame appends a client's frame: whole, and masked as RFC 6455, section
// 5.3, wants it. The mask protects proxies, of which there are none here, so it
// is a constant.
func appendFrame(b []byte, op byte, payload []byte) []byte {
	b = append(b, 0x80|op)
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	mask := [4]byte{0x5a, 0x3c, 0x96, 0x0f}
	b = append(b, mask[:]...)
	for i, c := range payload {
		b = append(b, c^mask[i&3])
	}
	return b
}
