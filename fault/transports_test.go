//go:build unix

package fault_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/paybell/paybell/fault/checker"
)

// An envelope is a message over WebSocket.
type envelope struct {
	Type  string         `json:"type"`
	Order *checker.State `json:"order"`
	farewell
}

func (c *client) webSocket(ctx context.Context, base string) {
	dial, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, response, err := websocket.Dial(dial, "ws"+strings.TrimPrefix(base, "http")+"/v1/ws", &websocket.DialOptions{
		HTTPClient: c.stream, Subprotocols: []string{"paybell.v1", "bearer." + c.pass.token},
	})
	if err != nil {
		c.refused(status(response), "")
		return
	}
	defer conn.CloseNow()
	ends := c.stands()
	for {
		_, text, err := conn.Read(ctx)
		if err != nil {
			var closed websocket.CloseError
			errors.As(err, &closed)
			ends(int(websocket.CloseStatus(err)), strings.ReplaceAll(closed.Reason, " ", "_"))
			return
		}
		var m envelope
		if json.Unmarshal(text, &m) != nil {
			ends(0, "a message that is not JSON")
			return
		}
		switch m.Type {
		case checker.Snapshot, checker.Update:
			c.got(m.Type, m.Order)
		case "goodbye":
			c.told(m.farewell)
		}
	}
}

func status(r *http.Response) int {
	if r == nil {
		return 0
	}
	return r.StatusCode
}

func (c *client) sse(ctx context.Context, base string) {
	query := url.Values{"order": c.orders}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v1/sse?"+query.Encode(), nil)
	if err != nil {
		panic(err) // the address is our own
	}
	request.Header.Set("Authorization", "Bearer "+c.pass.token)
	response, err := c.stream.Do(request)
	if err != nil {
		c.refused(0, "")
		return
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		c.later(response)
		return
	}
	ends := c.stands()
	var event string
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "event":
			event = value
		case "data":
			c.sseEvent(event, []byte(value))
		}
	}
	ends(0, "")
}

func (c *client) sseEvent(event string, data []byte) {
	switch event {
	case checker.Snapshot, checker.Update:
		var s checker.State
		if json.Unmarshal(data, &s) == nil {
			c.got(event, &s)
		}
	case "goodbye":
		var f farewell
		if json.Unmarshal(data, &f) == nil {
			c.told(f)
		}
	}
}

// later notes that the client was not let in, and when it is to come again.
func (c *client) later(response *http.Response) {
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
		c.retry = time.Duration(seconds) * time.Second
	}
	c.refused(response.StatusCode, problem(response))
}

// problem is the name of the problem that an answer tells of, as goodbyes have it.
func problem(response *http.Response) string {
	var p struct{ Type string }
	if json.NewDecoder(io.LimitReader(response.Body, 4<<10)).Decode(&p) != nil {
		return ""
	}
	return strings.ReplaceAll(strings.TrimPrefix(p.Type, "urn:paybell:problem:"), "-", "_")
}

// poll asks again and again. To the log it is one connection, which ends when a
// poll fails or the token does.
func (c *client) poll(ctx context.Context, base string) {
	const hold = 25
	tag := ""
	if s, ok := c.last[c.orders[0]]; ok {
		tag = `"` + s.Epoch + "." + strconv.FormatInt(s.Version, 10) + `"`
	}
	wait := ""
	var ends func(int, string)
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v1/orders/"+url.PathEscape(c.orders[0])+wait, nil)
		if err != nil {
			panic(err) // the address is our own
		}
		request.Header.Set("Authorization", "Bearer "+c.pass.token)
		if tag != "" {
			request.Header.Set("If-None-Match", tag)
		}
		response, err := c.stream.Do(request)
		if err != nil {
			c.polled(ends, 0, "")
			return
		}
		var s checker.State
		switch response.StatusCode {
		case http.StatusOK:
			err = json.NewDecoder(response.Body).Decode(&s)
		case http.StatusNotModified:
		default:
			if ends == nil {
				c.later(response)
			} else {
				c.polled(ends, response.StatusCode, problem(response))
			}
			response.Body.Close()
			return
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if err != nil {
			c.polled(ends, 0, "")
			return
		}
		if ends == nil {
			ends = c.stands()
			wait = "?wait=" + strconv.Itoa(hold)
			if response.StatusCode == http.StatusNotModified { // what it knows is the state as it is
				s = c.last[c.orders[0]]
				c.got(checker.Polled, &s)
			}
		}
		if response.StatusCode == http.StatusOK {
			tag = response.Header.Get("ETag")
			c.got(checker.Polled, &s)
		}
	}
}

// polled notes the end of a client's polls, or that there was none.
func (c *client) polled(ends func(int, string), code int, reason string) {
	if ends == nil {
		c.refused(code, reason)
		return
	}
	ends(code, reason)
}
