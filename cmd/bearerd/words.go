package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// words are what docs/commands.md, the manual pages and --help say of a command.
type words struct {
	about    string // Markdown, one sentence or two; links are relative to docs
	examples string
}

// described are the words of all commands, in the order of docs/commands.md.
var described = []struct {
	command string
	words
}{
	{"run", words{
		"serves every url server, keeps all tokens fresh, answers the other commands, [follows the " +
			"configuration](reload.md); stops in order on SIGINT and SIGTERM, reloads on SIGHUP (on a terminal " +
			"SIGHUP stops it too)",
		"bearerd run -c /etc/bearerd",
	}},
	{"exec", words{
		"serves one server to an MCP client over stdin and stdout. A `command` is started with its token, " +
			"[exchanged when that ends](delivery.md#when-the-token-ends) and started again when it crashes; to a " +
			"`url` it is a [bridge](delivery.md#http). Exits with the command's exit code",
		"bearerd exec tickets",
	}},
	{"check", words{
		"validates the configuration, says what each server would get, which rule decided, and which command " +
			"(an error), secret or access to Vault is missing here",
		"bearerd check\nbearerd check -c ./bearerd.hcl --json",
	}},
	{"plan", words{
		"says what a reload would change, with or without a daemon, and changes nothing; exit code 1 if a " +
			"reload would refuse the edit",
		"bearerd plan",
	}},
	{"reload", words{
		"makes the daemon read its configuration now, waits, and says what came of it; exit code 1 if the " +
			"edit was refused",
		"",
	}},
	{"status", words{
		"each server, its token's state, expiry, last error and remedy, and which running programs have " +
			"crashed again and again; no part of a token",
		"bearerd status\nbearerd status tickets --json",
	}},
	{"metrics", words{
		"the documented metrics, of all servers or of one",
		"bearerd metrics --json",
	}},
	{"token", words{
		"makes sure of a valid token and describes it; `--show` prints it, `--header` prints an " +
			"Authorization line",
		"bearerd token tickets\ncurl -H \"$(bearerd token tickets --header)\" https://mcp.example.com/mcp",
	}},
	{"refresh", words{
		"gets a new token now; also ends the state `revoked`",
		"",
	}},
	{"invalidate", words{
		"drops the cached and the stored token; the next use gets a new one",
		"",
	}},
	{"revoke", words{
		"revokes the token at its provider (RFC 7009) and drops it; nobody renews it before `refresh`",
		"",
	}},
	{"login", words{
		"a person signs in, [once](#signing-in): opens the browser, or prints the address; with `--device` " +
			"prints a code to enter anywhere",
		"bearerd login tickets\nbearerd login tickets --device",
	}},
	{"logout", words{
		"revokes what a sign-in gave, the refresh token first, and forgets it here, with the registered " +
			"client and what was discovered; with `--local` its provider is told nothing",
		"bearerd logout tickets",
	}},
	{"secret set", words{
		"keeps a value for `secret(\"NAME\")`, read from a prompt or stdin",
		"bearerd secret set tickets\nvault kv get -field=client_secret secret/tickets | bearerd secret set tickets",
	}},
	{"secret list", words{
		"the names, not the values",
		"",
	}},
	{"secret rm", words{
		"removes a value",
		"",
	}},
	{"client-config", words{
		"prints the snippet an MCP client needs, [in the form of its file](import.md#snippets), with a local " +
			"key for that client; with `--stdio` the one that starts `exec` for a url server too; with " +
			"`--headers-helper` (Claude Code, Codex) one that holds no key",
		"bearerd client-config tickets --for cursor\nbearerd client-config tickets --for claude-desktop\nbearerd client-config tickets --for claude-code --headers-helper",
	}},
	{"headers", words{
		"prints what a client shows the proxy for a url server, as a JSON object of headers: for Claude " +
			"Code's `headersHelper` and hooks like it",
		"bearerd headers tickets --client claude-code",
	}},
	{"import", words{
		"[takes servers over](import.md) from the file of an MCP client or another gateway; their secrets go " +
			"into the store. `--dry-run` prints what would be added; `--write` also makes the client use " +
			"bearerd, and keeps the file before beside it",
		"bearerd import --dry-run ~/.cursor/mcp.json\nbearerd import --write ~/.cursor/mcp.json",
	}},
	{"init", words{
		"asks a few questions on a terminal and writes a first configuration",
		"bearerd init",
	}},
	{"doctor", words{
		"looks at [everything a server needs](doctor.md), step by step, and says what is wrong and what to " +
			"do; changes nothing. Exit code 1 if a step failed",
		"bearerd doctor\nbearerd doctor tickets --json",
	}},
	{"key rotate", words{
		"makes new [local keys](delivery.md#local-callers) for all servers and clients: `client-config` " +
			"prints them. Those before are taken for another day; with `--now` they are refused at once, and " +
			"requests and streams that they have opened are cut",
		"bearerd key rotate --now\nbearerd client-config tickets --for cursor",
	}},
	{"admin-key", words{
		"prints the key of [the REST API and the page](api.md), made at first use; with `--new` another one, " +
			"for a running bearerd from its next start on",
		"",
	}},
	{"store rekey", words{
		"encrypts every record anew: to a new identity, or to the first of the configured ones",
		"",
	}},
	{"store adopt", words{
		"after the state folder was moved or restored for good: its refresh tokens are spent from here; " +
			"prints which servers",
		"",
	}},
	{"demo", words{
		"shows the main job in one process; `--once` ends after the tool calls",
		"bearerd demo --once",
	}},
	{"version", words{
		"prints the version",
		"",
	}},
	{"completion bash", words{
		"prints what makes bash complete commands, flags, the names of servers and of clients; it needs the " +
			"package bash-completion. Names come from the configuration, without asking a daemon",
		"source <(bearerd completion bash)\nbearerd completion bash > ~/.local/share/bash-completion/completions/bearerd",
	}},
	{"completion zsh", words{
		"the same for zsh: sourced, or as `_bearerd` in a folder of `$fpath`",
		"source <(bearerd completion zsh)",
	}},
	{"completion fish", words{
		"the same for fish, for `~/.config/fish/completions/bearerd.fish`",
		"bearerd completion fish > ~/.config/fish/completions/bearerd.fish",
	}},
	{"completion powershell", words{
		"the same for PowerShell",
		"bearerd completion powershell | Out-String | Invoke-Expression",
	}},
}

// aboutNote is the annotation that holds a command's words in Markdown.
const aboutNote = "about"

// explainAll gives the commands their words. A text of a command's own stays.
func explainAll(root *cobra.Command) {
	for i := range described {
		c := under(root, described[i].command)
		if c == nil {
			continue // a test looks at each
		}
		c.Annotations = map[string]string{aboutNote: described[i].about}
		if c.Long == "" {
			c.Long = wrapped(c.Short + ".\n\n" + plain(described[i].about) + ".")
		}
		if described[i].examples != "" {
			c.Example = "  " + strings.ReplaceAll(described[i].examples, "\n", "\n  ")
		}
	}
}

// under is the command of a path such as "secret set"; nil: there is none.
func under(c *cobra.Command, path string) *cobra.Command {
	name, rest, more := strings.Cut(path, " ")
	for _, sub := range c.Commands() {
		if sub.Name() == name && more {
			return under(sub, rest)
		} else if sub.Name() == name {
			return sub
		}
	}
	return nil
}

// plain is a sentence without the links of Markdown, and begins as a sentence does.
func plain(text string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "](")
		if !found {
			break
		}
		at := strings.LastIndexByte(before, '[')
		b.WriteString(before[:at] + before[at+1:])
		_, text, _ = strings.Cut(rest, ")")
	}
	b.WriteString(text)
	s := b.String()
	return strings.ToUpper(s[:1]) + s[1:]
}

// wrapped breaks the lines of a text for a terminal.
func wrapped(text string) string {
	const width = 100
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		var b strings.Builder
		column := 0
		for word := range strings.FieldsSeq(line) {
			switch {
			case column > 0 && column+1+len(word) > width:
				b.WriteByte('\n')
				column = 0
			case column > 0:
				b.WriteByte(' ')
				column++
			}
			b.WriteString(word)
			column += len(word)
		}
		lines[i] = b.String()
	}
	return strings.Join(lines, "\n")
}
