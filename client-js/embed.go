// Package clientjs holds the browser library, so that a gateway can serve it to
// pages without Node, a package registry or a CDN.
package clientjs

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"strings"
)

// Script is the library as one minified script: dist/paybell.js, which
// `npm run build` makes from src. Loaded as a classic script or imported as a
// module, it defines the global Paybell with Paybell.watchOrder.
//
//go:embed dist/paybell.js
var Script []byte

//go:embed dist/paybell.js.integrity
var integrity string

// Integrity is the hash of Script, as a page writes it in the attribute of that
// name (W3C Subresource Integrity): "sha384-…".
func Integrity() string { return strings.TrimSpace(integrity) }

// Version names what Script holds, in 16 digits: another content has another one.
func Version() string {
	sum := sha256.Sum256(Script)
	return hex.EncodeToString(sum[:8])
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
