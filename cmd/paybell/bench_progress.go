package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// A progress tells somebody who waits what goes on: on a terminal in one line
// that changes, elsewhere in a line now and then.
type progress struct {
	out  io.Writer
	told time.Time
	line bool // the terminal's line is in use
}

func (p *progress) tell(text string) {
	if p.terminal() {
		p.line = true
		fmt.Fprintf(p.out, "\r\x1b[K%.100s", text)
		return
	}
	if time.Since(p.told) > 5*time.Second {
		p.told = time.Now()
		fmt.Fprintln(p.out, text)
	}
}

// end leaves the line empty.
func (p *progress) end() {
	if p.line {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

func (p *progress) terminal() bool {
	f, ok := p.out.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
