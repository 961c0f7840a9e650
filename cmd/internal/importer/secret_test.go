package importer

import "testing"

func TestSecretValue(t *testing.T) {
	for _, c := range []struct {
		name, value string
		want        bool
	}{
		{"GITHUB_PERSONAL_ACCESS_TOKEN", "x", true}, {"apiKey", "x", true}, {"x-api-key", "x", true}, {"GITHUBTOKEN", "x", true}, {"PAT", "x", true},
		{"DB_PASSWORD", "123456", true}, {"AUTHORIZATION", "x", true}, {"SENTRY_DSN", "x", true}, {"API_KEYS", "x", true}, {"Cookie", "a=b", true},
		{"SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T/B/x", true}, {"AWS_SECRET_ACCESS_KEY", "/Xk3+abcdefghijklmnop", true},
		{"KEYBOARD", "us", false}, {"PATH", "/bin:/usr/bin", false}, {"MONKEY", "x", false}, {"COMPASS", "x", false}, {"AUTHOR", "anna", false},
		{"MAX_TOKENS", "4096", false}, {"AUTH_ENABLED", "true", false}, {"AUTH", "none", false}, {"TOKEN_TTL", "3600s", false}, {"TOKEN", "", false},
		{"TOKEN_FILE", "/run/token", false}, {"SSH_KEY", "/home/a/.ssh/id_ed25519", false}, {"PRIVATE_KEY_PATH", "C:\\keys\\a.pem", false},
		{"OAUTH_TOKEN_URL", "https://a.example.com/oauth/token", false},
		{"X", "ghp_0123456789", true}, {"X", "github_pat_0123456", true}, {"X", "sk-proj-0123456", true}, {"X", "xoxb-1234567", true}, {"X", "glpat-abcdef1", true},
		{"X", "AKIAIOSFODNN7EXAMPLE", true}, {"X", "eyJhbGciOiJIUzI1NiJ9.e30.x", true}, {"X", "Bearer abcdefg", true}, {"X", "-----BEGIN RSA PRIVATE KEY-----", true},
		{"X", "postgres://u:p@h/db", true}, {"X", "Server=h;Password=x", true}, {"X", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b", true},
		{"X", "postgres://h/db", false}, {"X", "debug", false}, {"MODEL", "claude-3-5-sonnet-20241022", false}, {"X", "https://mcp.example.com/mcp", false},
		{"X", "@modelcontextprotocol/server-filesystem", false}, {"X", "task-runner-description", false}, {"X", "0b7f2c6e-2f57-4c55-9d6c-8a2b7e1d9a10", false},
		{"X", "/home/anna/projects/averylongfoldername2024withdigits", false},
	} {
		if got := secretValue(c.name, c.value); got != c.want {
			t.Errorf("%s=%s: %v", c.name, c.value, got)
		}
	}
}
