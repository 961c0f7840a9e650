package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Digest is the first 12 hexadecimal digits of a SHA-256 over the configuration, to tell whether two programs read the
// same one. Literal secrets marshal as a fixed word, so they are left out: a digest that is shown must not be something
// against which a short secret could be guessed.
func (c *Config) Digest() string {
	if c.digest.of == c {
		return c.digest.text
	}
	text, err := json.Marshal(c)
	if err != nil {
		return "" // no type of a Config fails to marshal
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// remembered is a digest, and of what: a copy of that Config may hold other values.
type remembered struct {
	of   *Config
	text string
}

// remember has Digest computed once, for a Config that nobody changes any more.
func (c *Config) remember() { c.digest = remembered{c, c.Digest()} }
