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

// scriptName is the client library's name with its version: whatever answers to
// it never changes.
var scriptName = "paybell." + clientjs.Version() + ".js"

var scriptNames = regexp.MustCompile(`^paybell\.[0-9a-f]{16}\.js$`)

// scriptTag changes with the script, so that a browser asks but seldom loads.
var scriptTag = strconv.Quote(clientjs.Version())

// script serves the client library as it is in this gateway.
func script(w http.ResponseWriter, r *http.Request) {
	serveScript(w, r, "public, max-age=300")
}

// versionedScript serves the client library at the address of its version, for a
// year. A page that names another version, as during a deploy, is shown to the one
// that there is: with an integrity it refuses that, and without it works.
func versionedScript(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("script")
	if !scriptNames.MatchString(name) {
		notFound(w, r)
		return
	}
	methods{http.MethodGet: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name == scriptName {
			serveScript(w, r, "public, max-age=31536000, immutable")
			return
		}
		openToAll(w.Header())
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Location", "paybell.js")
		w.WriteHeader(http.StatusTemporaryRedirect)
	})}.ServeHTTP(w, r)
}

// openToAll lets pages of any origin load what is no secret: integrity needs that,
// and Cross-Origin-Embedder-Policy the second.
func openToAll(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
}

func serveScript(w http.ResponseWriter, r *http.Request, caching string) {
	header := w.Header()
	openToAll(header)
	header.Set("Content-Type", "text/javascript; charset=utf-8")
	header.Set("Cache-Control", caching)
	header.Set("ETag", scriptTag)
	header.Set("X-Content-Type-Options", "nosniff")
	if knowsScript(r) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Length", strconv.Itoa(len(clientjs.Script)))
	w.Write(clientjs.Script)
}

// knowsScript says whether If-None-Match (RFC 9110, section 13.1.2) names the
// script as it is. A proxy that compresses makes the tag a weak one.
func knowsScript(r *http.Request) bool {
	for tag := range strings.SplitSeq(strings.Join(r.Header.Values("If-None-Match"), ","), ",") {
		if tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/"); tag == scriptTag || tag == "*" {
			return true
		}
	}
	return false
}

// scriptElement is what a shop's page writes to load the client library.
func scriptElement(base string) string {
	return fmt.Sprintf(`<script src="%s/%s" integrity="%s" crossorigin="anonymous"></script>`, base, scriptName, clientjs.Integrity())
}

func newScriptCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "script URL",
		Short: "Print the <script> that loads the client library from a gateway, with its hash",
		Long: `Print the <script> with which a page loads the client library of this version
from the gateway at URL. Its address is cached for a year, and the browser refuses
anything but exactly this script. Another version of the library has another
address and hash, so print it anew when you upgrade the gateway; a page that does
not change together with the gateway loads /paybell.js.`,
		Example: `  paybell script https://pay.example.com`,
		Args:    exactly("URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			base, err := checkPublicURL(args[0])
			if err != nil {
				return misusef(cmd, "%q %v", args[0], err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), scriptElement(base))
			return err
		},
	}
}
