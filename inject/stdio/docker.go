package stdio

import (
	"path/filepath"
	"slices"
	"strings"
)

// containerFlags are the flags before the subcommand of docker and podman whose value is the next argument.
var containerFlags = []string{
	"--config", "--context", "-c", "--host", "-H", "--log-level", "-l", "--tlscacert", "--tlscert", "--tlskey",
	"--cgroup-manager", "--conmon", "--connection", "--events-backend", "--hooks-dir", "--identity", "--imagestore",
	"--module", "--namespace", "--network-cmd-path", "--network-config-dir", "--out", "--root", "--runroot", "--runtime",
	"--runtime-flag", "--ssh", "--storage-driver", "--storage-opt", "--tmpdir", "--url", "--volumepath",
}

// passIntoContainer adds `-e NAME` for each name to a `docker run` or `podman run`; other commands stay as they are.
// Only the name is an argument: docker reads the value from its own environment.
func passIntoContainer(command string, args, names []string) []string {
	at, ok := containerRun(command, args)
	if !ok {
		return args
	}
	var flags []string
	for _, name := range names {
		flags = append(flags, "-e", name)
	}
	return slices.Insert(slices.Clone(args), at, flags...)
}

// containerRun finds where the flags of `run` or `container run` begin.
func containerRun(command string, args []string) (at int, ok bool) {
	if base := filepath.Base(command); base != "docker" && base != "podman" {
		return 0, false
	}
	i := 0
	for i < len(args) && strings.HasPrefix(args[i], "-") {
		if slices.Contains(containerFlags, args[i]) {
			i++
		}
		i++
	}
	if i < len(args) && args[i] == "container" {
		i++
	}
	return i + 1, i < len(args) && args[i] == "run"
}

// hostNetwork reports whether a container shares the host's network, and so its loopback addresses.
func hostNetwork(args []string) bool {
	for i, arg := range args {
		switch arg {
		case "--network=host", "--net=host":
			return true
		case "--network", "--net":
			if i+1 < len(args) && args[i+1] == "host" {
				return true
			}
		}
	}
	return false
}
