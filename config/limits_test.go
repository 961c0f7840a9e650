package config

import "testing"

// Who may use a unix socket is filled in for that socket alone: nothing of it is inherited by a listener of its own, nor said of TCP.
func TestSocketDefaults(t *testing.T) {
	home(t)
	const one = "server \"s\" {\n  url = \"https://mcp.example.com\"\n"
	for name, c := range map[string]struct{ text, mode, group string }{
		"tcp":                 {one + "}", "", ""},
		"shared":              {"proxy {\n listen = \"unix:/run/p\"\n}\n" + one + "}", "0600", ""},
		"shared, a group":     {"proxy {\n listen = \"unix:/run/p\"\n socket_group = \"mcp\"\n}\n" + one + "}", "0660", "mcp"},
		"shared, all written": {"proxy {\n listen = \"unix:/run/p\"\n socket_group = \"mcp\"\n socket_mode = \"0666\"\n}\n" + one + "}", "0666", "mcp"},
		"own tcp":             {"proxy {\n listen = \"unix:/run/p\"\n socket_group = \"mcp\"\n}\n" + one + "listen = \"127.0.0.1:8001\"\n}", "", ""},
		"own socket":          {"proxy {\n listen = \"unix:/run/p\"\n socket_group = \"mcp\"\n}\n" + one + "listen = \"unix:/run/s\"\n}", "0600", ""},
		"own socket, a group": {one + "listen = \"unix:/run/s\"\n socket_group = \"7\"\n}", "0660", "7"},
		"a command":           {"proxy {\n listen = \"unix:/run/p\"\n}\nserver \"s\" {\n  command = \"x\"\n}", "", ""},
	} {
		cfg, diags := Load(write(t, "c.hcl", c.text))
		if cfg == nil {
			t.Errorf("%s: %v", name, diags)
			continue
		}
		if s := cfg.Server("s"); s.SocketMode != c.mode || s.SocketGroup != c.group {
			t.Errorf("%s: mode %q, group %q", name, s.SocketMode, s.SocketGroup)
		}
	}
}

// The documented limits are those in force where nothing is written, and an edit of one is live.
func TestLimitsAreLive(t *testing.T) {
	home(t)
	load := func(text string) *Config {
		cfg, diags := Load(write(t, "c.hcl", text))
		if cfg == nil {
			t.Fatal(diags)
		}
		return cfg
	}
	plain := load("proxy {}\n")
	if plain.Proxy.Limits != DefaultProxy().Limits || !plain.Proxy.FastPath {
		t.Errorf("got %+v", plain.Proxy)
	}
	changes := Compare(plain, load("proxy {\n fast_path = false\n max_connections = 17\n idle_timeout = \"3s\"\n}\n"))
	if len(changes) != 1 || len(changes[0].Fields) != 3 || len(changes[0].Classes()) != 1 || changes[0].Classes()[0] != Live {
		t.Errorf("got %+v", changes)
	}
}
