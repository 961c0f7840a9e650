package stdio

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"bearerd/config"
	"bearerd/secrets"
)

// Launch is what a child is started with, beside its command. Close it when the child has ended.
type Launch struct {
	args    []string
	env     map[string]secrets.Secret        // all of it, behind Secret so that a Launch can be printed
	ownPath bool                             // PATH is bearerd's own, neither declared nor injected
	hidden  []secrets.Secret                 // what Mask looks for: see forms
	also    atomic.Pointer[[]secrets.Secret] // the same for what the child was not started with
	dir     string                           // holds curl's header file; "": there is none
}

// Close removes the files that were written for the child.
func (l *Launch) Close() error {
	if l.dir == "" {
		return nil
	}
	return os.RemoveAll(l.dir)
}

// ByEnv prepares a child that reads its token from the environment: the six documented variables or, with inject_env,
// the bare token under those names. declared is s.Env, resolved; parent is bearerd's environment (os.Environ).
//
// A container sees none of its starter's environment, so `docker run` and `podman run` get `-e NAME` for each variable.
// Without an enabled oauth_config nothing is injected; with one, an empty or unusable token is an error: the child is
// not to be started without.
func ByEnv(s *config.Server, token secrets.Secret, declared map[string]secrets.Secret, parent []string) (*Launch, error) {
	injected := map[string]secrets.Secret{}
	if authorized(s) {
		if err := checkToken(s, token); err != nil {
			return nil, err
		}
		injected = tokenVars(s, token)
	}
	return launch(s, s.Args, token, injected, declared, parent)
}

// launch puts together what ByEnv and ByArguments have prepared. token is what injected or a file carries.
func launch(s *config.Server, args []string, token secrets.Secret, injected, declared map[string]secrets.Secret,
	parent []string) (*Launch, error) {
	env, err := environ(s, injected, declared, parent)
	if err != nil {
		return nil, err
	}
	args = passIntoContainer(s.Command, args, slices.Sorted(maps.Keys(injected)))
	return &Launch{
		args: args, env: env, ownPath: !holds(declared, "PATH") && !holds(injected, "PATH"), hidden: hidden(s, token, declared),
	}, nil
}

func authorized(s *config.Server) bool { return s.OAuth != nil && s.OAuth.Enabled }

// checkToken refuses what would not arrive: nothing, more than an environment variable can hold, or control characters,
// which would end a header line.
func checkToken(s *config.Server, token secrets.Secret) error {
	problem := ""
	switch value := token.Reveal(); {
	case value == "":
		problem = "there is no token"
	case len(value) > maxValue:
		problem = fmt.Sprintf("the token is %d KiB long, over the 120 KiB that a child can be given", len(value)>>10)
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }):
		problem = "the token holds a control character"
	default:
		return nil
	}
	return fmt.Errorf("server %q is not started: %s; see what `bearerd token %s` says", s.Name, problem, s.Name)
}
