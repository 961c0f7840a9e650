// Package page holds the web page: its HTML, style and script, and the short pages that a browser meets on its way back
// from a provider. It knows no token; all it shows its script gets over the REST API.
package page
