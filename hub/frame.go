package hub

import (
	"encoding/binary"
)

// Opcodes of WebSocket frames (RFC 6455, section 5.2).
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
)

const (
	frameFinal    = 0x80 // of the first byte: the message ends here
	frameReserved = 0x70 // of the first byte: no extension of ours uses these
	frameMasked   = 0x80 // of the second byte: what a client sends must be
	maxControl    = 125  // bytes of a control frame
)

// appendFrame appends a whole message as the one frame that a server sends it
// in: not masked.
func appendFrame(b []byte, op byte, payload []byte) []byte {
	b = append(b, frameFinal|op)
	switch n := len(payload); {
	case n <= 125:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, payload...)
}

// appendClose appends a close frame. A reason is short enough by its nature.
func appendClose(b []byte, code int, reason string) []byte {
	payload := binary.BigEndian.AppendUint16(make([]byte, 0, maxControl), uint16(code))
	return appendFrame(b, opClose, append(payload, reason...))
}

// A parcel is what a client has said so far, taken apart. Its slices are new.
type parcel struct {
	control []byte // control frames that may be answered at once
	message []byte // the frames of whole messages
	rest    []byte // the beginning of what is not all here
	broken  []byte // a frame that no client may send, and all after it
	tooBig  bool   // a message of more than the limit was announced
}

// sort takes apart what a client has sent. It does not judge frames; it finds
// where they end, so that the library that judges them never has to wait, and so
// that nothing is ever kept of a message that would be too big.
func sortFrames(b []byte, limit int) parcel {
	var p parcel
	var open []byte // the data frames of a message that has not ended
	size := 0       // of that message
	for {
		head, announced, bad := readHeader(b)
		switch {
		case bad:
			p.broken = append(open, b...)
			return p
		case head == 0:
			p.rest = append(open, b...)
			return p
		}
		control := b[0]&opClose != 0
		if !control && announced > uint64(limit-size) {
			p.tooBig = true
			return p
		}
		end := head + int(announced)
		if len(b) < end {
			p.rest = append(open, b...)
			return p
		}
		switch {
		case control:
			p.control = append(p.control, b[:end]...)
		case b[0]&frameFinal != 0:
			p.message = append(append(p.message, open...), b[:end]...)
			open, size = nil, 0
		default:
			open, size = append(open, b[:end]...), size+int(announced)
		}
		b = b[end:]
	}
}

// readHeader reads how long a frame's header is, with its mask, and what length
// it announces. A length of 0 means that the header is not all here; bad, that no
// client may send such a frame.
func readHeader(b []byte) (length int, announced uint64, bad bool) {
	if len(b) < 2 {
		return 0, 0, false
	}
	op, size := b[0]&0xF, uint64(b[1]&^frameMasked)
	known := op <= opBinary || op >= opClose && op <= opPong
	if b[0]&frameReserved != 0 || b[1]&frameMasked == 0 || !known ||
		op >= opClose && (b[0]&frameFinal == 0 || size > maxControl) {
		return 0, 0, true
	}
	const mask = 4
	switch {
	case size < 126 && len(b) >= 2+mask:
		return 2 + mask, size, false
	case size == 126 && len(b) >= 4+mask:
		return 4 + mask, uint64(binary.BigEndian.Uint16(b[2:])), false
	case size == 127 && len(b) >= 10:
		size = binary.BigEndian.Uint64(b[2:])
		return 10 + mask, size, size > 1<<63-1
	}
	return 0, 0, false
}
