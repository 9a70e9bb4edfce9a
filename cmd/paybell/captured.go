package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
)

// readCaptured reads a request as it was captured: request line, headers, an
// empty line, and the body, byte for byte. Lines of the head end with LF or CRLF.
// A request line may be missing, or be written as HTTP/2 has it (":method: POST");
// then it is a POST to path. Line ends after Content-Length, as of an editor, are
// left out; with more than that after it, it was another body that was so long.
// One that is still chunked is put together.
func readCaptured(raw []byte, path string) (*http.Request, error) {
	reader := bufio.NewReader(bytes.NewReader(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))))
	method, target, header := http.MethodPost, path, http.Header{}
	for n := 1; ; n++ {
		line, err := reader.ReadString('\n')
		line = strings.TrimRight(line, "\r\n")
		if line == "" && n == 1 && err == nil {
			n = 0 // empty lines before the request line (RFC 9112 section 2.2)
			continue
		}
		if line == "" {
			break
		}
		if m, t, ok := requestLine(line); ok && n == 1 {
			method, target = m, t
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, ":"), ":")
		value = strings.TrimSpace(value)
		switch pseudo := line[0] == ':'; {
		case pseudo && name == "method":
			method = value
		case pseudo && name == "path":
			target = value
		case pseudo && name == "authority":
			header.Set("Host", value)
		case pseudo && name == "scheme":
		case pseudo || !ok || name == "" || strings.ContainsAny(name, " \t"):
			return nil, fmt.Errorf("not a captured request: line %d is neither a request line nor a header", n)
		default:
			header.Add(textproto.CanonicalMIMEHeaderKey(name), value)
		}
	}
	if len(header) == 0 {
		return nil, errors.New("not a captured request: it has no headers")
	}
	body, err := io.ReadAll(reader)
	if err != nil {
		return nil, err
	}
	return capturedRequest(method, target, header, body)
}

func requestLine(line string) (method, target string, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 2 || len(fields) > 3 || strings.Contains(fields[0], ":") {
		return "", "", false
	}
	if len(fields) == 3 && !strings.HasPrefix(fields[2], "HTTP/") {
		return "", "", false
	}
	return fields[0], fields[1], true
}

// capturedRequest is the request as a server would hand it to its handler.
func capturedRequest(method, target string, header http.Header, body []byte) (*http.Request, error) {
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, errors.New("not a captured request: its target is neither a path nor an address")
	}
	r := &http.Request{
		Method: method, URL: u, Host: header.Get("Host"), Header: header, RequestURI: target,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if u.Host != "" {
		r.Host = u.Host
	}
	if u.Scheme == "https" {
		r.TLS = &tls.ConnectionState{}
	}
	if strings.EqualFold(header.Get("Transfer-Encoding"), "chunked") {
		if whole, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(body))); err == nil {
			body = whole
		}
		header.Del("Transfer-Encoding")
		header.Del("Content-Length")
	}
	r.ContentLength = int64(len(body))
	if told, err := strconv.ParseUint(header.Get("Content-Length"), 10, 62); err == nil {
		if rest := body[min(int(told), len(body)):]; len(bytes.Trim(rest, "\r\n")) == 0 {
			r.ContentLength = int64(told)
			body = body[:len(body)-len(rest)]
		}
	}
	header.Del("Host")
	r.Body = io.NopCloser(bytes.NewReader(body))
	return r, nil
}
