package bench

import (
	"bytes"
	"errors"
	"iter"
	"strconv"
)

// maxHead is far above what any server here answers with.
const maxHead = 16 << 10

var errHead = errors.New("bench: the answer is not HTTP/1.1")

// A head is what matters of the head of an HTTP/1.1 response.
type head struct {
	size       int // bytes, with the empty line; 0: it is not all there yet
	status     int
	chunked    bool
	length     int // of the body; -1: not said
	retryAfter int // seconds; -1: not said
	closes     bool
}

// readHead reads the head at the beginning of b.
func readHead(b []byte) (head, error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		if len(b) > maxHead {
			return head{}, errHead
		}
		return head{}, nil
	}
	h := head{size: end + 4, length: -1, retryAfter: -1}
	first := true
	for line := range lines(b[:end]) {
		if first {
			first = false
			if len(line) < 12 || string(line[:7]) != "HTTP/1." {
				return head{}, errHead
			}
			status, err := strconv.Atoi(string(line[9:12]))
			if err != nil {
				return head{}, errHead
			}
			h.status = status
			continue
		}
		name, value, _ := bytes.Cut(line, []byte{':'})
		h.field(name, bytes.TrimSpace(value))
	}
	return h, nil
}

func (h *head) field(name, value []byte) {
	switch {
	case is(name, "content-length"):
		h.length = number(value)
	case is(name, "transfer-encoding"):
		h.chunked = is(value, "chunked")
	case is(name, "retry-after"):
		h.retryAfter = number(value)
	case is(name, "connection"):
		h.closes = is(value, "close")
	}
}

func is(b []byte, lower string) bool {
	return len(b) == len(lower) && bytes.EqualFold(b, []byte(lower))
}

// number reads a decimal number, or returns -1.
func number(b []byte) int {
	n, err := strconv.Atoi(string(b))
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// lines are the lines of b, without their ends.
func lines(b []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			line, rest, _ := bytes.Cut(b, []byte{'\n'})
			if len(line) > 0 && line[len(line)-1] == '\r' {
				line = line[:len(line)-1]
			}
			if !yield(line) {
				return
			}
			b = rest
		}
	}
}

var errChunk = errors.New("bench: the chunks of a body are broken")

// A dechunker takes the chunked transfer coding (RFC 9112, section 7.1) off a
// body that comes in pieces. The zero value stands at the beginning.
type dechunker struct {
	at   chunkPart
	left uint32 // of the chunk
}

type chunkPart uint8

const (
	chunkSize   chunkPart = iota // in the digits
	chunkExtra                   // between the digits and the line's end
	chunkData                    // in the data
	chunkEnd                     // in the line's end after the data
	chunkOver                    // after the last chunk
	chunkNoMore                  // after the empty line that ends the trailers
)

// strip returns the content that is in a piece of the body. It overwrites the
// piece.
func (d *dechunker) strip(piece []byte) ([]byte, error) {
	out := piece[:0]
	for i := 0; i < len(piece); {
		c := piece[i]
		switch d.at {
		case chunkData:
			n := min(int(d.left), len(piece)-i)
			out = append(out, piece[i:i+n]...)
			i += n
			if d.left -= uint32(n); d.left == 0 {
				d.at = chunkEnd
			}
			continue
		case chunkSize:
			if err := d.digit(c); err != nil {
				return nil, err
			}
		case chunkExtra:
			if c == '\n' {
				d.begin()
			}
		case chunkEnd:
			if c == '\n' {
				d.at = chunkSize
			} else if c != '\r' {
				return nil, errChunk
			}
		case chunkOver: // left counts what is on the trailer's line
			switch {
			case c == '\n' && d.left == 0:
				d.at = chunkNoMore
			case c == '\n':
				d.left = 0
			case c != '\r':
				d.left = 1
			}
		case chunkNoMore:
			return nil, errChunk
		}
		i++
	}
	return out, nil
}

func (d *dechunker) digit(c byte) error {
	var v byte
	switch {
	case c >= '0' && c <= '9':
		v = c - '0'
	case c >= 'a' && c <= 'f':
		v = c - 'a' + 10
	case c >= 'A' && c <= 'F':
		v = c - 'A' + 10
	case c == '\n':
		d.begin()
		return nil
	case c == '\r' || c == ';' || c == ' ':
		d.at = chunkExtra
		return nil
	default:
		return errChunk
	}
	if d.left > 1<<24 {
		return errChunk
	}
	d.left = d.left<<4 | uint32(v)
	return nil
}

// begin is at the end of the line with the size.
func (d *dechunker) begin() {
	d.at = chunkData
	if d.left == 0 {
		d.at = chunkOver
	}
}

// over says whether the last chunk has come, with its trailers.
func (d *dechunker) over() bool { return d.at == chunkNoMore }
