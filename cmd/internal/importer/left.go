package importer

import (
	"regexp"
	"strings"

	"bearerd/inject/proxy"
)

var (
	quotedText = regexp.MustCompile(`"((?:[^"\\]|\\.)*)"`)
	// namesVariable are keys whose values are names of variables, as Codex has them.
	namesVariable = regexp.MustCompile(`(?i)(^|_)env_(key|var)$`)
	namedText     = regexp.MustCompile(`["']?([A-Za-z0-9_.-]+)["']?\s*[:=]\s*["']([^"']*)["']`)
)

// Left are the lines of a client's file, from 1, that hold a secret which was taken out of it elsewhere, or what looks like one.
func Left(text []byte, taken []Taken) (lines []int) {
	n := 0
	for line := range strings.Lines(string(text)) {
		if n++; holdsTaken(line, taken) || lineLooksSecret(line) {
			lines = append(lines, n)
		}
	}
	return lines
}

// holdsTaken passes over secrets so short that they may well be a part of something else.
func holdsTaken(line string, taken []Taken) bool {
	for _, t := range taken {
		for _, value := range t.Secrets {
			if text := value.Reveal(); len(text) >= 8 && strings.Contains(line, text) {
				return true
			}
		}
	}
	return false
}

// lineLooksSecret passes over variables and inputs, and over the local keys that a client has of bearerd.
func lineLooksSecret(line string) bool {
	passed := func(text string) bool { return strings.Contains(text, "$") || strings.Contains(text, proxy.KeyPrefix) }
	for _, at := range quotedText.FindAllStringSubmatch(line, -1) {
		if !passed(at[1]) && looksSecret(at[1]) {
			return true
		}
	}
	for _, at := range namedText.FindAllStringSubmatch(line, -1) {
		if !passed(at[2]) && !namesVariable.MatchString(at[1]) && secretValue(at[1], at[2]) {
			return true
		}
	}
	return false
}
