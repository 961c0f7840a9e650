package login

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// environment makes a getenv of names and values.
func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

// script writes a shell script and gives its path.
func script(t testing.TB, name, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenersByEnvironment(t *testing.T) {
	for _, c := range []struct {
		goos string
		env  []string
		want string
	}{
		{"linux", nil, ""},
		{"linux", []string{"DISPLAY", ":0"}, "xdg-open x-www-browser"},
		{"linux", []string{"WAYLAND_DISPLAY", "wayland-0"}, "xdg-open x-www-browser"},
		{"linux", []string{"SSH_CONNECTION", "a 1 b 22"}, ""},
		{"linux", []string{"SSH_CONNECTION", "a 1 b 22", "WAYLAND_DISPLAY", "wayland-0"}, ""},
		{"linux", []string{"SSH_CONNECTION", "a 1 b 22", "DISPLAY", "localhost:10.0"}, "xdg-open x-www-browser"},
		{"linux", []string{"WSL_DISTRO_NAME", "Debian"}, "wslview xdg-open x-www-browser"},
		{"darwin", nil, "open"},
		{"darwin", []string{"SSH_CONNECTION", "a 1 b 22"}, ""},
		{"freebsd", []string{"DISPLAY", ":0"}, "xdg-open x-www-browser"},
	} {
		if got := strings.Join(openers(c.goos, environment(c.env...)), " "); got != c.want {
			t.Errorf("%s with %q: %q, want %q", c.goos, c.env, got, c.want)
		}
	}
}

func TestBrowserIsFoundOnlyWhereItIs(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, env := range [][]string{{}, {"BROWSER", ""}, {"BROWSER", " : "}, {"DISPLAY", ":0"}} {
		if _, found := Browser(environment(env...)); found {
			t.Errorf("with %q a browser was found on a machine that has none", env)
		}
	}
}

func TestBrowserCommands(t *testing.T) {
	const address = "https://auth.example.com/a?x=$(id)&y=%s;z"
	for _, c := range []struct {
		list string
		want [][]string
	}{
		{"firefox", [][]string{{"firefox", address}}},
		{"firefox --new-window %s:lynx", [][]string{{"firefox", "--new-window", address}, {"lynx", address}}},
		{"open -u=%s -v", [][]string{{"open", "-u=" + address, "-v"}}},
		{"sh -c 'x %s'", [][]string{{"sh", "-c", "'x", address + "'"}}},
		{"%s", [][]string{{"%s", address}}},
		{":: a  b ::", [][]string{{"a", "b", address}}},
	} {
		var got [][]string
		for _, words := range parseBrowsers(c.list) {
			got = append(got, arguments(words, address))
		}
		if !slices.EqualFunc(got, c.want, slices.Equal) {
			t.Errorf("%q: %q, want %q", c.list, got, c.want)
		}
	}
}

// The first command that does not fail at once is taken; it gets the address as one argument, whatever is in it.
func TestBrowserTriesTheListInTurn(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	list := "/nowhere/browser:" + script(t, "failing", "exit 3") + ":" + script(t, "good", `printf '%s\n' "$@" >`+out) + ":" +
		script(t, "unwanted", "echo unwanted >>"+out)
	open, found := Browser(environment("BROWSER", list))
	const address = "https://auth.example.com/a?x=$(id)&y=*%20;z"
	if !found {
		t.Fatal("not found")
	}
	if err := open(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(out); string(b) != address+"\n" {
		t.Errorf("the browser got %q", b)
	}
}

func TestBrowserNamesWhatFailed(t *testing.T) {
	open, _ := Browser(environment("BROWSER", "/nowhere/browser:"+script(t, "failing", "exit 3")))
	err := open(t.Context(), "https://auth.example.com/a?state=canary")
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Fatalf("the error is %v", err)
	}
	contains(t, err.Error(), "/nowhere/browser: ", "failing: exit status 3")
}

func TestBrowserOpensOnlyWebAddresses(t *testing.T) {
	open, _ := Browser(environment("BROWSER", script(t, "browser", "exit 0")))
	for _, address := range []string{"file:///etc/passwd", "javascript:alert(1)", "--help", "", "https://", "https://a.example/\n"} {
		if err := open(t.Context(), address); err == nil {
			t.Errorf("%q was opened", address)
		}
	}
}

// A browser that stays open holds nothing up: it is let go when the flow is over.
func TestBrowserThatStays(t *testing.T) {
	path := script(t, "staying", `while test -e "$0"; do sleep 0.05; done`) // it goes when the test's folder does
	open, _ := Browser(environment("BROWSER", path))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := open(ctx, "https://auth.example.com/"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("open: %v", err)
	}
}
