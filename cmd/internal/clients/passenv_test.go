package clients

import (
	"reflect"
	"testing"
)

// TestVariablesOfACommand has the clients that keep variables from a command give it those that it needs.
func TestVariablesOfACommand(t *testing.T) {
	l := byCommand
	l.PassEnv = []string{"A", "MY_KEY"}
	names := []any{"A", "MY_KEY"}
	for name, want := range map[string]map[string]any{
		"codex":   {"env_vars": names},
		"gemini":  {"env": map[string]any{"A": "$A", "MY_KEY": "$MY_KEY"}},
		"bifrost": {"stdio_config": map[string]any{"command": l.Command, "args": []any{"exec", "-c", "/x y/ü\u007f.hcl", "web-1"}, "envs": names}},
	} {
		f, err := Named(name)
		if err != nil {
			t.Fatal(err)
		}
		with, without := entryIn(t, f, l), entryIn(t, f, byCommand)
		for key, value := range want {
			if !reflect.DeepEqual(with[key], value) || reflect.DeepEqual(without[key], value) {
				t.Errorf("%s: %s is %v, and without variables %v", name, key, with[key], without[key])
			}
		}
	}
}
