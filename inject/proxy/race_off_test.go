//go:build !race

package proxy

// mostForIdle is what an idle connection may cost, in bytes.
const mostForIdle = 24 << 10
