package engine

import (
	"reflect"
	"testing"

	"bearerd/config"
	"bearerd/secrets"
)

// TestTheFieldsThatBelongToATokenAreThoseOfItsFingerprint: what config calls a new token is one here, and nothing else is.
func TestTheFieldsThatBelongToATokenAreThoseOfItsFingerprint(t *testing.T) {
	base := func() *config.Server {
		return &config.Server{Name: "a", URL: "https://up/mcp", OAuth: &config.OAuth{Enabled: true}}
	}
	fields := reflect.TypeFor[config.OAuth]()
	seen := 0
	for i := range fields.NumField() {
		f := fields.Field(i)
		class := f.Tag.Get("reload")
		if f.Name == "Enabled" || f.Tag.Get("hcl") == "" {
			continue // without it there is no source at all
		}
		s := base()
		vary(t, reflect.ValueOf(s.OAuth).Elem().Field(i))
		if changed := fingerprint(s) != fingerprint(base()); changed != (class == "retoken") {
			t.Errorf("%s is of class %s, and its change changes the fingerprint: %v", f.Name, class, changed)
		}
		seen++
	}
	if seen < 20 {
		t.Fatalf("only %d fields were seen", seen)
	}
}

// vary gives a field another value than its zero.
func vary(t *testing.T, v reflect.Value) {
	yes := true
	switch p := v.Addr().Interface().(type) {
	case *string:
		*p = "other"
	case *bool:
		*p = true
	case **bool:
		*p = &yes
	case *int:
		*p = 7
	case *[]string:
		*p = []string{"other"}
	case *secrets.Ref:
		*p = secrets.Ref{Kind: secrets.Env, Name: "OTHER"}
	case *map[string]secrets.Ref:
		*p = map[string]secrets.Ref{"k": secrets.LiteralRef("v")}
	default:
		t.Fatalf("no other value for a %s", v.Type())
	}
}
