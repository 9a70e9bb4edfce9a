// Package golang answers questions about requests with the providers' own SDKs
// for Go: one JSON object a line on stdin, one a line on stdout, in the same
// order. See ../README.md.
//
// It is a module of its own, so that Paybell's does not require the SDKs, and a
// test, because the SDKs read the clock themselves and only synctest can set it.
package golang

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// A question is about one request.
type question struct {
	Op      string `json:"op"` // verify or sign
	SDK     string `json:"sdk"`
	Secret  string `json:"secret"`
	Headers []struct {
		Name  string `json:"name"`
		Value []byte `json:"value"`
	} `json:"headers"`
	Body []byte `json:"body"`
	At   int64  `json:"at"` // when it is received or signed, in milliseconds since 1970

	header http.Header
}

type signed struct {
	OK      bool              `json:"ok"`
	Why     string            `json:"why,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    []byte            `json:"body,omitempty"`
}

var errUntrue = errors.New("not genuine")

func unless(ok bool) error {
	if ok {
		return nil
	}
	return errUntrue
}

func TestAnswer(t *testing.T) {
	if os.Getenv("PAYBELL_SDKS") == "" {
		t.Skip("asked by the test in the folder above")
	}
	questions, answers := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var q question
		if err := questions.Decode(&q); err == io.EOF {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(time.UnixMilli(q.At)))
			if err := answers.Encode(q.answer()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func (q question) answer() signed {
	// As net/http makes it of the lines it reads.
	q.header = http.Header{}
	for _, h := range q.Headers {
		q.header.Add(h.Name, string(h.Value))
	}
	sdk, ok := sdks[q.SDK]
	if !ok {
		return signed{Why: fmt.Sprintf("no SDK %q", q.SDK)}
	}
	if q.Op == "verify" {
		if err := sdk.verify(q); err != nil {
			return signed{Why: err.Error()}
		}
		return signed{OK: true}
	}
	headers, err := sdk.sign(q)
	if err != nil {
		return signed{Why: err.Error()}
	}
	return signed{OK: true, Headers: headers, Body: q.Body}
}
