package importer

import (
	"slices"
	"testing"

	"bearerd/secrets"
)

func TestLeft(t *testing.T) {
	text := `{
  // "old": {"env": {"GITHUB_TOKEN": "CANARY-commented-out"}},
  "apiKey": "CANARY-kept",
  "note": "as xCANARY-takenx",
  "one": {"command": "bearerd", "args": ["exec", "-c", "/home/a/.config/x.hcl", "one"]},
  "two": {"headers": {"Authorization": "Bearer brd_0123456789"}, "env": {"API_KEY": "${API_KEY}", "LOG": "debug"}},
  "zap": "https://mcp.zapier.com/api/mcp/s/NDhkZmQ1YjQtZmYyMi00abcdefSEKRITPATH0123456789/mcp",
  token = 'CANARY-toml'
  env_key = "OPENAI_API_KEY", bearer_token_env_var = 'MY_TOKEN_1'
  env_key = "sk-proj-CANARY"
}`
	taken := []Taken{{Secrets: map[string]secrets.Secret{"a": secrets.New("CANARY-taken"), "b": secrets.New("one")}}}
	if got := Left([]byte(text), taken); !slices.Equal(got, []int{2, 3, 4, 7, 8, 10}) {
		t.Error(got)
	}
}
