package config

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
	"github.com/tailscale/hujson"
)

const syntaxRemedy = "look at this line and the ones before it: a quote, a bracket or a comma is missing or too many"

// parseAll guards and parses every file, several at once: thousands of servers are many files.
func (l *loader) parseAll() (parsed []*source) {
	parts := make([]loader, len(l.sources))
	good := make([]bool, len(l.sources))
	var group sync.WaitGroup
	room := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, s := range l.sources {
		if c := l.known[s.key()]; c != nil {
			l.sources[i], good[i] = c.src, true
			continue
		}
		room <- struct{}{}
		group.Go(func() {
			parts[i].alone = l.alone && len(l.sources) == 1
			good[i] = parts[i].guarded(s) && parts[i].parse(s)
			s.clean = len(parts[i].diags) == 0
			<-room
		})
	}
	group.Wait()
	for i, s := range l.sources {
		l.diags = append(l.diags, parts[i].diags...)
		l.empty = l.empty || parts[i].empty
		if good[i] {
			parsed = append(parsed, s)
		}
	}
	return parsed
}

// guarded says what the parsers must not see.
func (l *loader) guarded(s *source) bool {
	if rng, message, remedy := s.guard(); message != "" {
		s.broken = true
		l.report(Error, place{src: s, rng: rng}, message, remedy)
		return false
	}
	if l.empty = l.alone && s.blank(); l.empty {
		l.failFile(s.path, "the configuration is empty", `write at least one server "NAME" { … } block`)
	}
	return !l.empty
}

// parse fills in the contents of s; false when it does not parse. HCL's own words are never passed on, since some quote
// the file.
func (l *loader) parse(s *source) bool {
	var file *hcl.File
	var diags hcl.Diagnostics
	if s.json {
		if s.blank() {
			s.bytes = []byte("{}") // an empty file among others
		}
		standard, err := hujson.Standardize(s.bytes)
		if err != nil {
			s.broken = true
			l.report(Error, place{src: s, rng: s.rangeAt(hujsonOffset(s.bytes, err))}, "the JSON syntax is not valid",
				syntaxRemedy)
			return false
		}
		s.bytes = standard
		file, diags = hcljson.Parse(s.bytes, s.path)
	} else {
		file, diags = hclsyntax.ParseConfig(s.bytes, s.path, hcl.InitialPos)
	}
	for _, d := range diags {
		s.broken = s.broken || !duplicate(d)
	}
	first := true
	for _, d := range diags {
		if duplicate(d) || first {
			l.syntax(s, d) // what follows the first syntax error mostly follows from it
		}
		first = first && duplicate(d)
	}
	if file != nil {
		s.contents = file.Body // of a broken file what comes before the error
	}
	return !s.broken && file != nil
}

func (l *loader) syntax(s *source, d *hcl.Diagnostic) {
	at := place{src: s}
	if d.Subject != nil {
		at.rng = *d.Subject
	}
	if duplicate(d) {
		l.report(Error, at, nameAt(at)+" is set twice", "remove one of the two")
		return
	}
	l.report(Error, at, "syntax error: "+lowerFirst(d.Summary), syntaxRemedy)
}

// duplicate tells the one error of the parser after which the rest of the file can still be read.
func duplicate(d *hcl.Diagnostic) bool {
	switch d.Summary {
	case "Attribute redefined", "Duplicate argument", "Duplicate attribute definition", "Duplicate object attribute":
		return true
	}
	return false
}

// nameAt is the name written at a place that HCL says is a name.
func nameAt(at place) string {
	from, to := at.rng.Start.Byte, at.rng.End.Byte
	if from < 0 || to > len(at.src.bytes) || from >= to {
		return "a name"
	}
	return printable(strings.Trim(string(at.src.bytes[from:to]), `"`))
}

// hujsonOffset finds the byte that a hujson error is about; its text gives line and column only, and quotes the file.
func hujsonOffset(src []byte, err error) int {
	var line, column int
	for e := err; e != nil; e = errors.Unwrap(e) {
		if n, _ := fmt.Sscanf(e.Error(), "hujson: line %d, column %d:", &line, &column); n == 2 {
			break
		}
	}
	offset := 0
	for ; line > 1; line-- {
		offset += strings.IndexByte(string(src[offset:]), '\n') + 1
	}
	return min(max(offset+column-1, 0), len(src))
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
