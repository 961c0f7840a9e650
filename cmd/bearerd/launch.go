package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bearerd/cmd/internal/clients"
	"bearerd/cmd/internal/importer"
	"bearerd/config"
)

// launches are what stands for the servers in the client's file: `bearerd exec`, which needs no daemon.
func (o *importing) launches(f *imported) map[string]clients.Launch {
	all := map[string]clients.Launch{}
	for _, t := range f.taken {
		if t.Server != nil {
			all[strings.Join(t.At, "\x00")] = started(o.cmd, o.place.cfg, t.Server)
		}
	}
	return all
}

// started is how a client starts a server through bearerd. Where it gives programs only the variables that are named, those are
// which the configuration refers to, and the one by which its state is found.
func started(cmd *cobra.Command, cfg *config.Config, s *config.Server) clients.Launch {
	words := append(program(), execArgs(cmd, s.Name)...)
	l := clients.Launch{Server: s.Name, Command: words[0], Args: words[1:], PassEnv: importer.Variables(cfg, s)}
	if os.Getenv("XDG_STATE_HOME") != "" && !slices.Contains(l.PassEnv, "XDG_STATE_HOME") {
		l.PassEnv = append(l.PassEnv, "XDG_STATE_HOME")
	}
	return l
}

// shortPath are the folders in which a client finds programs although it was started from a desktop, not from a shell.
var shortPath = []string{"/usr/local/bin", "/usr/bin", "/bin", "/opt/homebrew/bin"}

// program is how a client starts this program: by npx if that has started it, by name where every client finds that, else by path.
func program() []string {
	self, err := os.Executable()
	if err != nil {
		return []string{"bearerd"}
	}
	if byNPX(self, os.Getenv) {
		return []string{"npx", "-y", "bearerd"}
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		link := filepath.Join(dir, "bearerd")
		switch found, err := filepath.EvalSymlinks(link); {
		case err != nil || found != self || !filepath.IsAbs(link):
		case slices.Contains(shortPath, filepath.Clean(dir)):
			return []string{"bearerd"}
		default: // rather than what the link leads to, which may have the version in its name
			return []string{link}
		}
	}
	return []string{self}
}

// byNPX reports whether npx or a script of npm has started the program of a package: its folder may go, and so may the PATH.
func byNPX(self string, getenv func(string) string) bool {
	folders := strings.Split(filepath.ToSlash(self), "/")
	npm := getenv("npm_execpath") != "" || getenv("npm_config_user_agent") != ""
	return slices.Contains(folders, "_npx") || npm && slices.Contains(folders, "node_modules")
}

// execArgs carries over where the configuration is: the client's own working directory and environment are other ones.
func execArgs(cmd *cobra.Command, name string) []string {
	if path := configNamed(cmd); path != "" {
		return []string{"exec", "-c", path, name}
	}
	return []string{"exec", name}
}

// configNamed is the absolute path of the configuration where -c or BEARERD_CONFIG says it; "": it is where it is looked for.
func configNamed(cmd *cobra.Command) string {
	path, _ := cmd.Flags().GetString("config")
	if path == "" {
		path = os.Getenv("BEARERD_CONFIG")
	}
	if path == "" {
		return ""
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return abs
}

// noteState says so where the client may look for the state in another folder.
func noteState(cmd *cobra.Command, cfg *config.Config) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) && cfg.Store.Path == filepath.Join(dir, "bearerd") {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "note: the state folder follows from XDG_STATE_HOME, which the client may not have: "+
			"write store \"file\" { path = %q } into the configuration\n", cfg.Store.Path)
	}
}
