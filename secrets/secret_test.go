package secrets

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"text/template"
)

const canary = "hunter2-canary"

type exported struct {
	S Secret
	P *Secret
}

type unexported struct {
	s Secret
	p *Secret
	m map[string]Secret
	l []Secret
}

// holders are the ways in which a secret sits in something that is printed.
func holders() map[string]any {
	s := New(canary)
	hidden := unexported{s, &s, map[string]Secret{"k": s}, []Secret{s}}
	return map[string]any{
		"bare":               s,
		"pointer":            &s,
		"exported":           exported{s, &s},
		"exported pointer":   &exported{s, &s},
		"unexported":         hidden,
		"unexported pointer": &hidden,
		"nested":             struct{ in []unexported }{[]unexported{hidden}},
		"slice":              []Secret{s},
		"pointers":           []*Secret{&s},
		"array":              [1]Secret{s},
		"map value":          map[string]Secret{"k": s},
		"map key":            map[Secret]int{s: 1},
		"any":                []any{s, map[string]any{"k": &s}},
		"ref":                LiteralRef(canary),
		"ref in a struct":    struct{ r Ref }{LiteralRef(canary)},
		"resolver":           &Resolver{Getenv: func(string) (string, bool) { return canary, true }},
		"error":              fmt.Errorf("with %v and %w", s, fmt.Errorf("%s", s)),
	}
}

// wantHidden fails if out holds the value, as text or in one of the shapes that verbs give to bytes.
func wantHidden(t *testing.T, out string) {
	t.Helper()
	shapes := []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), fmt.Sprintf("% x", canary),
		fmt.Sprintf("%d", []byte(canary)), strings.Trim(fmt.Sprintf("%#v", []byte(canary)), "[]byte{}")}
	for _, shape := range shapes {
		if strings.Contains(out, shape) {
			t.Errorf("the value is visible: %s", out)
		}
	}
}

func TestSecretHiddenFromFmt(t *testing.T) {
	for name, v := range holders() {
		t.Run(name, func(t *testing.T) {
			for verb := 'A'; verb <= 'z'; verb++ {
				for _, flags := range []string{"", "+", "#", " ", "0", "-30", "+#", "#x"} {
					wantHidden(t, fmt.Sprintf("%"+flags+string(verb), v))
				}
			}
			wantHidden(t, fmt.Sprint(v)+fmt.Sprintln(v))
		})
	}
}

func TestSecretHiddenFromSlog(t *testing.T) {
	for name, v := range holders() {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			opts := &slog.HandlerOptions{AddSource: true}
			for _, h := range []slog.Handler{slog.NewTextHandler(&out, opts), slog.NewJSONHandler(&out, opts)} {
				log := slog.New(h).With("with", v)
				log.Info("message", "attr", v, slog.Group("group", "in", v))
			}
			wantHidden(t, out.String())
			if strings.Count(out.String(), "message") != 2 {
				t.Errorf("the handlers wrote: %s", out.String())
			}
		})
	}
}

func TestSecretHiddenFromEncoders(t *testing.T) {
	for name, v := range holders() {
		t.Run(name, func(t *testing.T) {
			j, _ := json.MarshalIndent(v, "", " ") // a func or a map key may fail: then there is nothing to see
			x, _ := xml.Marshal(v)
			var out bytes.Buffer
			if err := template.Must(template.New("").Parse("{{.}} {{printf `%#v` .}}")).Execute(&out, v); err != nil {
				t.Error(err)
			}
			wantHidden(t, string(j)+string(x)+out.String())
		})
	}
	j, err := json.Marshal(map[string]any{"s": New(canary), "p": &exported{S: New(canary)}})
	if want := `{"p":{"S":"[secret]","P":null},"s":"[secret]"}`; err != nil || string(j) != want {
		t.Errorf("json = %s, %v, want %s", j, err, want)
	}
}

func TestSecret(t *testing.T) {
	s := New(canary)
	if s.Reveal() != canary || s.IsZero() || s.String() != "[secret]" {
		t.Errorf("New(v) reveals %d bytes, zero %v, prints %s", len(s.Reveal()), s.IsZero(), s)
	}
	if z := (Secret{}); z.Reveal() != "" || !z.IsZero() || z != New("") || z.Fingerprint() != "" {
		t.Errorf("the zero Secret: %q, %v, fingerprint %q", z.Reveal(), z.IsZero(), z.Fingerprint())
	}
	if !s.Equal(New(canary)) || s.Equal(New("other")) || s.Equal(Secret{}) || !(Secret{}).Equal(New("")) {
		t.Error("Equal does not compare the values")
	}
	if f := New("abc").Fingerprint(); f != "ba7816bf8f01" { // SHA-256, FIPS 180-4 example
		t.Errorf("the fingerprint of abc is %s", f)
	}
}
