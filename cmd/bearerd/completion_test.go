package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// offered is what a shell would put in, and the directive; nothing may be said.
func (h *home) offered(words ...string) (names []string, directive string) {
	h.t.Helper()
	r := h.run(append([]string{"__complete"}, words...)...)
	if r.code != 0 || !strings.HasPrefix(r.stderr, "Completion ended with directive:") {
		h.t.Errorf("%q: exit code %d, %q", words, r.code, r.stderr)
	}
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	for _, l := range lines[:len(lines)-1] {
		name, _, _ := strings.Cut(l, "\t")
		names = append(names, name)
	}
	return names, lines[len(lines)-1]
}

const noFiles, anyFile = ":4", ":0"

func TestCompletion(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.configure(server("one", nothing), server("two", nothing), server("broken", `command = 3`))
	both := []string{"broken", "one", "two"}
	for _, c := range []struct {
		words     string
		want      []string
		directive string
	}{
		{"exec ", both, noFiles}, {"exec one ", nil, noFiles}, {"status ", both, noFiles}, {"metrics ", both, noFiles},
		{"token ", both, noFiles}, {"refresh ", both, noFiles}, {"invalidate ", both, noFiles}, {"revoke ", both, noFiles},
		{"login ", both, noFiles}, {"logout ", both, noFiles}, {"client-config ", both, noFiles}, {"headers ", both, noFiles},
		{"doctor ", both, noFiles}, {"secret rm ", nil, noFiles}, {"secret set ", nil, noFiles}, {"check ", nil, noFiles},
		{"import ", nil, anyFile}, {"import --to ", nil, anyFile}, {"check -c ", nil, anyFile}, {"client-config --client ", nil, noFiles},
		{"secret ", []string{"list", "rm", "set"}, noFiles},
	} {
		names, directive := h.offered(strings.Split(c.words, " ")...)
		slices.Sort(names)
		if !slices.Equal(names, c.want) || directive != c.directive {
			t.Errorf("%q: %q %s, not %q %s", c.words, names, directive, c.want, c.directive)
		}
	}
	for _, words := range []string{"client-config --for ", "import --format "} {
		if names, directive := h.offered(strings.Split(words, " ")...); !slices.Contains(names, "cursor") || directive != noFiles {
			t.Errorf("%q: %q %s", words, names, directive)
		}
	}
	for _, text := range []string{"server {{{", ""} { // one that cannot be read, and one that has no server
		h.write("bearerd.hcl", text)
		if names, _ := h.offered("exec", ""); len(names) > 0 {
			t.Errorf("offered %q", names)
		}
	}
	if names, _ := h.offered("-c", h.path("none"), "exec", ""); len(names) > 0 {
		t.Errorf("offered %q", names)
	}
	if _, err := os.Stat(h.path("state")); err == nil {
		t.Error("the state folder was made")
	}
}

// What the package bash-completion has, as far as the script needs it.
const bashPackage = `_get_comp_words_by_ref() {
	cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
}
compopt() { :; } # bash lets none but a running completion call it
`

func TestCompletionInBash(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("needs bash")
	}
	h := newHome(t)
	h.configure(server("tickets", nothing), server("search", nothing))
	script := bashPackage + h.ok("completion", "bash") + `
COMP_WORDS=(bearerd exec ti) COMP_CWORD=2 COMP_LINE="bearerd exec ti" COMP_POINT=15 COMP_TYPE=9
__start_bearerd
echo "${COMPREPLY[*]}"
`
	cmd := exec.Command(bash, "--norc", "-c", script)
	cmd.Env = append(slices.Clone(h.env), "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "tickets\n" {
		t.Errorf("%v: %q", err, out)
	}
}

// The scripts are such as the shells can read.
func TestCompletionScripts(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	for shell, args := range map[string][]string{"bash": {"-n"}, "zsh": {"-n"}, "fish": {"-n"}} {
		t.Run(shell, func(t *testing.T) {
			script := h.ok("completion", shell)
			path, err := exec.LookPath(shell)
			if err != nil {
				t.Skip("needs ", shell)
			}
			if out, err := exec.Command(path, append(args, h.write(shell, script))...).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	if !strings.Contains(h.ok("completion", "powershell"), "Register-ArgumentCompleter") {
		t.Error("no script for PowerShell")
	}
	if said := h.fails(2, "completion", "csh"); !strings.Contains(said, "csh") {
		t.Error(said)
	}
}
