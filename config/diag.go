package config

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"unicode"
)

// Severity tells an error, which refuses the configuration, from a warning, and from a note about what is as it should be.
type Severity int

// The severities.
const (
	Error Severity = iota
	Warning
	Note
)

// String is "error", "warning" or "note".
func (s Severity) String() string {
	switch s {
	case Warning:
		return "warning"
	case Note:
		return "note"
	}
	return "error"
}

// MarshalText is String, for JSON.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Diagnostic is one finding about the configuration. None of its fields holds a secret.
type Diagnostic struct {
	Severity Severity `json:"severity"`
	File     string   `json:"file,omitempty"`
	Line     int      `json:"line,omitempty"`   // from 1; 0: about the file as a whole
	Column   int      `json:"column,omitempty"` // from 1; 0: about the file as a whole
	Server   string   `json:"server,omitempty"` // "": about no server
	Field    string   `json:"-"`                // the attribute it is about; "": none
	Message  string   `json:"message"`
	Remedy   string   `json:"remedy,omitempty"`  // what to do now
	Snippet  string   `json:"snippet,omitempty"` // the line, masked
}

// Diagnostics are all findings of one Load, ordered by file, line and column. It is an error.
type Diagnostics []Diagnostic

// HasErrors reports whether one of them is an error.
func (d Diagnostics) HasErrors() bool {
	return slices.ContainsFunc(d, func(x Diagnostic) bool { return x.Severity == Error })
}

// Error is the text that WriteTo writes.
func (d Diagnostics) Error() string {
	var b strings.Builder
	_, _ = d.WriteTo(&b)
	return strings.TrimRight(b.String(), "\n")
}

// maxPrinted is how many findings WriteTo writes: nobody reads more at once.
const maxPrinted = 100

// WriteTo writes the findings for a person to read. Of very many it writes the first, errors before warnings.
func (d Diagnostics) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	shown := d.first()
	for _, x := range shown {
		b.WriteString(x.text())
	}
	if more := len(d) - len(shown); more > 0 {
		fmt.Fprintf(&b, "… and %d more\n", more)
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

// first are as many as can be read, errors before warnings.
func (d Diagnostics) first() Diagnostics {
	if len(d) <= maxPrinted {
		return d
	}
	shown := slices.Clone(d)
	slices.SortStableFunc(shown, func(a, b Diagnostic) int { return int(a.Severity) - int(b.Severity) })
	return shown[:maxPrinted]
}

// Log is WriteTo for a log that programs read: a line for each finding.
func (d Diagnostics) Log(ctx context.Context, log *slog.Logger) {
	levels := map[Severity]slog.Level{Error: slog.LevelError, Warning: slog.LevelWarn, Note: slog.LevelInfo}
	shown := d.first()
	for _, x := range shown {
		log.LogAttrs(ctx, levels[x.Severity], x.Message, x.attributes()...)
	}
	if more := len(d) - len(shown); more > 0 {
		log.WarnContext(ctx, "more was found in the configuration: see `bearerd check`", "more", more)
	}
}

// attributes are what it says beside its message.
func (d Diagnostic) attributes() (list []slog.Attr) {
	if d.Line > 0 {
		list = append(list, slog.Int("line", d.Line))
	}
	for _, a := range []slog.Attr{
		slog.String("file", d.File), slog.String("server", d.Server), slog.String("remedy", d.Remedy), slog.String("snippet", d.Snippet),
	} {
		if a.Value.String() != "" {
			list = append(list, a)
		}
	}
	return list
}

func (d Diagnostic) text() string {
	var b strings.Builder
	if d.File != "" {
		b.WriteString(printable(d.File))
		if d.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", d.Line, d.Column)
		}
		b.WriteString(": ")
	}
	fmt.Fprintf(&b, "%s: ", d.Severity)
	if d.Server != "" {
		fmt.Fprintf(&b, "server %q: ", d.Server)
	}
	fmt.Fprintf(&b, "%s\n", d.Message)
	if d.Snippet != "" {
		fmt.Fprintf(&b, "    %s\n", d.Snippet)
	}
	if d.Remedy != "" {
		fmt.Fprintf(&b, "    remedy: %s\n", d.Remedy)
	}
	return b.String()
}

// tidy puts the findings into their order and drops repetitions.
func (d Diagnostics) tidy() Diagnostics {
	slices.SortStableFunc(d, func(a, b Diagnostic) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		if a.Column != b.Column {
			return a.Column - b.Column
		}
		return strings.Compare(a.Message, b.Message)
	})
	return slices.Compact(d)
}

// nameOnly is what a name says that was written where NAME=VALUE or NAME: VALUE may have been meant: the value may be a
// secret.
func nameOnly(s string) string {
	if i := strings.IndexAny(s, "=:"); i >= 0 {
		return printable(s[:i+1]) + "…"
	}
	return printable(s)
}

// printable makes text from the file safe for a terminal, and short.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
	if r := []rune(s); len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return s
}
