// Package clientjs holds the browser library, so that a gateway can serve it to
// pages without Node, a package registry or a CDN.
package clientjs

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"strings"
)

// A Script is one minified script of dist, which `npm run build` makes from src.
// Pages load it as a classic script or import it as a module.
type Script struct {
	// Name is that of its file, without .js.
	Name    string
	Content []byte
	// Integrity is the hash of Content, as a page writes it in the attribute of that
	// name (W3C Subresource Integrity): "sha384-…".
	Integrity string
	// Version names what Content holds, in 16 digits: another content has another one.
	Version string
}

var (
	//go:embed dist/paybell.js
	library []byte
	//go:embed dist/paybell.js.integrity
	libraryIntegrity string
	//go:embed dist/paybell-status.js
	status []byte
	//go:embed dist/paybell-status.js.integrity
	statusIntegrity string
)

var (
	// Library is the client library: it defines the global Paybell with
	// Paybell.watchOrder.
	Library = script("paybell", library, libraryIntegrity)
	// Status is the client library with the element <paybell-status>, which it
	// defines.
	Status = script("paybell-status", status, statusIntegrity)
)

func script(name string, content []byte, integrity string) Script {
	sum := sha256.Sum256(content)
	return Script{Name: name, Content: content, Integrity: strings.TrimSpace(integrity), Version: hex.EncodeToString(sum[:8])}
}

// HostedScript is the script of the page /pay/{order}: hosted/page.js, which
// `npm run build` makes from hosted/page.ts and src.
//
//go:embed hosted/page.js
var HostedScript string

// HostedTexts are what the element <paybell-status> says and draws, for pages that
// are shown without JavaScript: {"languages","unknown","moods","icons"}, in the
// form of src/element-texts.ts and src/element-looks.ts.
//
//go:embed hosted/texts.json
var HostedTexts []byte
