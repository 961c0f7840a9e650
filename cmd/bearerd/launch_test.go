package main

import "testing"

func TestByNPX(t *testing.T) {
	for _, c := range []struct {
		self, variable string
		want           bool
	}{
		{"/home/a/.npm/_npx/0123/node_modules/bearerd/bin/bearerd", "", true},
		{"/home/a/project/node_modules/bearerd/bin/bearerd", "npm_config_user_agent", true},
		{"/home/a/project/node_modules/bearerd/bin/bearerd", "npm_execpath", true},
		{"/usr/lib/node_modules/bearerd/bin/bearerd", "", false},
		{"/usr/local/bin/bearerd", "npm_execpath", false},
	} {
		getenv := func(name string) string {
			if name == c.variable {
				return "x"
			}
			return ""
		}
		if got := byNPX(c.self, getenv); got != c.want {
			t.Errorf("%s with %s: %t", c.self, c.variable, got)
		}
	}
}
