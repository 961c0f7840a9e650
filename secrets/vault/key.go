package vault

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// encode makes a path of a key. Letters, digits and _ . - stay as they are, any other byte of a part becomes = and two
// hexadecimal digits: what is left means nothing to URLs, to Vault's router or to its policies. So does a dot that stands
// alone or follows another one, and an empty part is a = alone.
func encode(key string) string {
	parts := strings.Split(key, "/")
	for i, part := range parts {
		parts[i] = encodePart(part)
	}
	return strings.Join(parts, "/")
}

func encodePart(part string) string {
	if part == "" {
		return "="
	}
	var b strings.Builder
	for i := range len(part) {
		if c := part[i]; plain(c) && (c != '.' || part != "." && (i == 0 || part[i-1] != '.')) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	return b.String()
}

func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-'
}

// decodePart is the reverse of encodePart. Something that it did not write is an error.
func decodePart(name string) (string, error) {
	if name == "=" {
		return "", nil
	}
	first, rest, _ := strings.Cut(name, "=")
	part := []byte(first)
	for rest != "" {
		piece := rest
		piece, rest, _ = strings.Cut(rest, "=")
		if len(piece) < 2 {
			return "", errForeign
		}
		c, err := hex.DecodeString(piece[:2])
		if err != nil {
			return "", errForeign
		}
		part = append(append(part, c...), piece[2:]...)
	}
	if encodePart(string(part)) != name {
		return "", errForeign
	}
	return string(part), nil
}

var errForeign = errors.New("not a name that bearerd writes")
