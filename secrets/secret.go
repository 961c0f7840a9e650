// Package secrets holds what every other package needs to handle secret values: a Secret that cannot print itself,
// a Ref that says where a secret is kept, a Resolver that reads it when it is used, and the Store interface.
//
// It is a leaf: it imports no other package of bearerd.
package secrets

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[secret]"

// Secret is a value that no formatter, logger or encoder prints. The value sits behind a pointer, because fmt and slog
// walk unexported fields without asking their methods; there they find an address only. It points to a string, not to
// a struct: that one fmt prints in full when the verb does not fit, as %s of a struct with a Secret inside.
type Secret struct{ p *string }

// New wraps value. New("") is the zero Secret.
func New(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{&value}
}

// Reveal returns the value, for the one place that must send or store it.
func (s Secret) Reveal() string {
	if s.p == nil {
		return ""
	}
	return *s.p
}

// IsZero reports whether the secret is absent or empty.
func (s Secret) IsZero() bool { return s.p == nil }

// Equal compares in constant time.
func (s Secret) Equal(o Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(o.Reveal())) == 1
}

// Fingerprint is the first 12 hexadecimal digits of the value's SHA-256, to tell values apart without showing a part
// of them; "" for the zero Secret.
func (s Secret) Fingerprint() string {
	if s.p == nil {
		return ""
	}
	sum := sha256.Sum256([]byte(*s.p))
	return hex.EncodeToString(sum[:6])
}

// String, Format, GoString, LogValue, MarshalText and MarshalJSON all hide the value.
func (s Secret) String() string { return redacted }

// Format hides the value from every fmt verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// GoString hides the value from %#v.
func (s Secret) GoString() string { return redacted }

// LogValue hides the value from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides the value from text encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON hides the value from JSON.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
