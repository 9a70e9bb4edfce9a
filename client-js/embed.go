// Package clientjs holds the browser library, so that a gateway can serve it to
// pages without Node, a package registry or a CDN.
package clientjs

import _ "embed"

// Script is the library as one minified script: dist/paybell.js, which
// `npm run build` makes from src. Loaded as a classic script or imported as a
// module, it defines the global Paybell with Paybell.watchOrder.
//
//go:embed dist/paybell.js
var Script []byte
