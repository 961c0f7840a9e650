package login

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// quickFailure is how long a browser command is watched: one that opens no browser says so in less.
const quickFailure = 2 * time.Second

// Browser finds out how to show an address: with $BROWSER, a list of commands separated by colons (on Windows
// by semicolons), in which %s stands for the address,
// else with the system's opener where there is a desktop. The address is in the arguments of that command, where other users can see it for
// a moment: it holds a state, which is worth nothing without this process. found is false where only a person can open it.
func Browser(getenv func(string) string) (open func(ctx context.Context, address string) error, found bool) {
	commands := parseBrowsers(getenv("BROWSER"))
	if len(commands) == 0 {
		for _, name := range openers(runtime.GOOS, getenv) {
			words := strings.Fields(name)
			if _, err := exec.LookPath(words[0]); err == nil {
				commands = append(commands, words)
			}
		}
	}
	if len(commands) == 0 {
		return nil, false
	}
	return func(ctx context.Context, address string) error {
		if err := checkAddress(address); err != nil {
			return err
		}
		var failures []string
		for _, c := range commands {
			err := start(ctx, arguments(c, address))
			if err == nil || ctx.Err() != nil {
				return err
			}
			failures = append(failures, fmt.Sprintf("%s: %v", c[0], err))
		}
		return fmt.Errorf("no browser could be opened (%s)", strings.Join(failures, "; "))
	}, true
}

// parseBrowsers splits $BROWSER as programs commonly do. No shell sees it.
func parseBrowsers(list string) (commands [][]string) {
	for one := range strings.SplitSeq(list, string(os.PathListSeparator)) {
		if words := strings.Fields(one); len(words) > 0 {
			commands = append(commands, words)
		}
	}
	return commands
}

// openers are the programs that may open an address in the user's browser, best first; none over SSH, where the browser is elsewhere.
func openers(goos string, getenv func(string) string) []string {
	display := getenv("DISPLAY") != "" || getenv("WAYLAND_DISPLAY") != ""
	remote := getenv("SSH_CONNECTION") != "" && getenv("DISPLAY") == ""
	switch {
	case remote:
		return nil
	case goos == "darwin":
		return []string{"open"}
	case goos == "windows":
		return []string{"rundll32.exe url.dll,FileProtocolHandler"}
	case getenv("WSL_DISTRO_NAME") != "" || getenv("WSL_INTEROP") != "":
		return []string{"wslview", "xdg-open", "x-www-browser"}
	case display:
		return []string{"xdg-open", "x-www-browser"}
	}
	return nil
}

// arguments puts the address in the place of %s, or behind the others.
func arguments(command []string, address string) []string {
	filled := []string{command[0]}
	placed := false
	for _, word := range command[1:] {
		placed = placed || strings.Contains(word, "%s")
		filled = append(filled, strings.ReplaceAll(word, "%s", address))
	}
	if !placed {
		filled = append(filled, address)
	}
	return filled
}

// start starts a browser command and fails if it fails at once. It is in a session of its own, so that a Ctrl-C does not close the browser,
// and nothing that it prints is shown. It may be the browser itself and outlive this program: the goroutine that waits for it, so that no
// zombie stays, ends with it.
func start(ctx context.Context, argv []string) error {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.SysProcAttr = apart()
	if err := cmd.Start(); err != nil {
		return withoutName(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	timer := time.NewTimer(quickFailure)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// withoutName is the error of a start without the name of the program, which the message has already.
func withoutName(err error) error {
	var e *exec.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
