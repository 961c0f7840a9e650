package importer

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bearerd/cmd/internal/clients"
	"bearerd/secrets"
)

// What is no credential is not kept as one: a person is told what to do.
func TestHeadersThatHoldNothing(t *testing.T) {
	for value, says := range map[string]string{
		"Basic ${input:x}": "is a placeholder", "${env:TOKEN}": "is a placeholder", "Bearer ${TOKEN}": "is a placeholder",
		"": "is empty", "Bearer ": "is empty", "basic": "is empty",
	} {
		got := one(t, remoteServer("s", "https://mcp.example.com/mcp", map[string]clients.Text{"Authorization": plain(value)}))
		ref, kept := got.Server.Headers["Authorization"]
		if len(got.Secrets) > 0 || !strings.Contains(fmt.Sprint(got.Notes), says) {
			t.Errorf("%q: %v %s", value, got.Secrets, got.Notes)
		}
		wanted := says == "is a placeholder"
		if kept != wanted || wanted && !slices.Equal(got.Wanted, []string{ref.Name}) || ref.Kind == secrets.Env || (got.Server.OAuth == nil) != wanted {
			t.Errorf("%q: %v, wanted %v, oauth %v", value, got.Server.Headers, got.Wanted, got.Server.OAuth)
		}
	}
	s := remoteServer("s", "https://mcp.example.com/mcp", map[string]clients.Text{"Authorization": plain("Bearer pa${ss}CANARY")})
	if got := one(t, s); len(got.Secrets) != 1 {
		t.Errorf("a credential with a $ is none: %s", got.Notes)
	}
}

// The name of a variable among the arguments is no secret.
func TestArgumentsThatNameVariables(t *testing.T) {
	s := program("s", "npx", "--header", "X-Api-Key: ${KEY}", "--header", "Authorization: Bearer ${KEY}", "--token=${KEY}", "--password", "${KEY}",
		"--header", "X-Api-Key: CANARY${KEY}", "--token", "${ghp_CANARY123456}")
	written := "${KEY}"
	s.Args = append(s.Args, clients.Text{{Literal: "X-Api-Key: "}, {Variable: "KEY", Default: &written}})
	s.Env = map[string]clients.Text{"KEY": plain("CANARY")}
	if got := one(t, s); !slices.Equal(got.Visible, []int{8, 10}) {
		t.Errorf("%v %s", got.Visible, got.Notes)
	}
}

// A command that holds its arguments could not be started, and its errors would show them.
func TestCommandWithArguments(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "My Programs")
	file := filepath.Join(dir, "a program")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	alone := filepath.Join(t.TempDir(), "node")
	if err := os.WriteFile(alone, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	for command, taken := range map[string]bool{
		"npx -y @foo/bar --key sk-proj-CANARY": false, alone + " server.js": false, "npx": true, file: true,
		"/Applications/No Such.app/x": true, `C:\Program Files\nodejs\npx.cmd`: true,
	} {
		got := take(t, world(t), program("s", command))[0]
		if (got.Server != nil) != taken || !taken && !strings.Contains(got.Why, "belong in args") || strings.Contains(got.Why, "CANARY") {
			t.Errorf("%q: %+v", command, got)
		}
	}
}

// What the file's reader has to say is said.
func TestWhatTheReaderSays(t *testing.T) {
	s := program("s", "npx")
	s.Said = []string{"cwd is not heeded"}
	if got := one(t, s); !slices.Equal(got.Notes, s.Said) {
		t.Errorf("%q", got.Notes)
	}
}
