package main

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	clientjs "github.com/paybell/paybell/client-js"
)

// A servedScript answers requests for one of the scripts that pages load.
type servedScript struct {
	clientjs.Script
	plain     string // its name, as long as the gateway is of this version
	versioned string // whatever answers to this name never changes
	tag       string // changes with the script, so that a browser asks but seldom loads
}

var (
	libraryScript = newServedScript(clientjs.Library)
	statusScript  = newServedScript(clientjs.Status)
)

func newServedScript(s clientjs.Script) servedScript {
	return servedScript{Script: s, plain: s.Name + ".js", versioned: s.Name + "." + s.Version + ".js", tag: strconv.Quote(s.Version)}
}

var scriptNames = regexp.MustCompile(`^(paybell|paybell-status)\.[0-9a-f]{16}\.js$`)

// ServeHTTP serves the script as it is in this gateway.
func (s servedScript) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.serve(w, r, "public, max-age=300")
}

// versionedScript serves a script at the address of its version, for a year. A page
// that names another version, as during a deploy, is shown to the one that there
// is: with an integrity it refuses that, and without it works.
func versionedScript(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("script")
	found := scriptNames.FindStringSubmatch(name)
	if found == nil {
		notFound(w, r)
		return
	}
	script := libraryScript
	if found[1] == statusScript.Name {
		script = statusScript
	}
	methods{http.MethodGet: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name == script.versioned {
			script.serve(w, r, "public, max-age=31536000, immutable")
			return
		}
		openToAll(w.Header())
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Location", script.plain)
		w.WriteHeader(http.StatusTemporaryRedirect)
	})}.ServeHTTP(w, r)
}

// openToAll lets pages of any origin load what is no secret: integrity needs that,
// and Cross-Origin-Embedder-Policy the second.
func openToAll(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
}

func (s servedScript) serve(w http.ResponseWriter, r *http.Request, caching string) {
	header := w.Header()
	openToAll(header)
	header.Set("Content-Type", "text/javascript; charset=utf-8")
	header.Set("Cache-Control", caching)
	header.Set("ETag", s.tag)
	header.Set("X-Content-Type-Options", "nosniff")
	if s.isKnown(r) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Length", strconv.Itoa(len(s.Content)))
	w.Write(s.Content)
}

// isKnown says whether If-None-Match (RFC 9110, section 13.1.2) names the
// script as it is. A proxy that compresses makes the tag a weak one.
func (s servedScript) isKnown(r *http.Request) bool {
	for tag := range strings.SplitSeq(strings.Join(r.Header.Values("If-None-Match"), ","), ",") {
		if tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/"); tag == s.tag || tag == "*" {
			return true
		}
	}
	return false
}

// element is what a shop's page writes to load the script.
func (s servedScript) element(base string) string {
	return fmt.Sprintf(`<script src="%s/%s" integrity="%s" crossorigin="anonymous"></script>`, base, s.versioned, s.Integrity)
}

func newScriptCommand() *cobra.Command {
	var withElement bool
	command := &cobra.Command{
		Use:   "script URL",
		Short: "Print the <script> that loads the client library from a gateway, with its hash",
		Long: `Print the <script> with which a page loads the client library of this version
from the gateway at URL. Its address is cached for a year, and the browser refuses
anything but exactly this script. Another version of the library has another
address and hash, so print it anew when you upgrade the gateway; a page that does
not change together with the gateway loads /paybell.js.

With --element the script also defines the element <paybell-status>, as
/paybell-status.js does.`,
		Example: `  paybell script https://pay.example.com
  paybell script --element https://pay.example.com`,
		Args: exactly("URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			base, err := checkPublicURL(args[0])
			if err != nil {
				return misusef(cmd, "%q %v", args[0], err)
			}
			script := libraryScript
			if withElement {
				script = statusScript
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), script.element(base))
			return err
		},
	}
	command.Flags().BoolVar(&withElement, "element", false, "the script that also defines <paybell-status>")
	return command
}
