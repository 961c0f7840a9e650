//go:build race

package proxy

// mostForIdle is what an idle connection may cost, in bytes. The race detector adds several times what it is without.
const mostForIdle = 160 << 10
