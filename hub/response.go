package hub

import (
	"net/http"
	"strconv"
	"time"
)

// A response is the ResponseWriter of a connection that was taken over from
// net/http before there was an answer.
type response struct {
	header http.Header
	status int
	body   []byte
}

func (r *response) Header() http.Header    { return r.header }
func (r *response) WriteHeader(status int) { r.status = status }

func (r *response) Write(b []byte) (int, error) {
	r.body = append(r.body, b...)
	return len(b), nil
}

// appendTo appends the response, or its beginning where more is to follow.
func (r *response) appendTo(b []byte) []byte {
	b = strconv.AppendInt(append(b, "HTTP/1.1 "...), int64(r.status), 10)
	b = append(append(append(b, ' '), http.StatusText(r.status)...), "\r\nDate: "...)
	b = time.Now().UTC().AppendFormat(b, http.TimeFormat)
	b = append(b, "\r\n"...)
	lines := appender(b)
	r.header.Write(&lines) // which replaces line breaks
	return append(append(lines, "\r\n"...), r.body...)
}

// An appender is an io.Writer that appends.
type appender []byte

func (a *appender) Write(b []byte) (int, error) {
	*a = append(*a, b...)
	return len(b), nil
}

func (a *appender) WriteString(s string) (int, error) {
	*a = append(*a, s...)
	return len(s), nil
}
