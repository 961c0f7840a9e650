package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	tea "charm.land/bubbletea/v2"
	"charm.land/huh/v2"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"bearerd/cmd/internal/firstrun"
	"bearerd/config"
	"bearerd/inject/stdio"
	"bearerd/secrets"
)

// interview asks the questions of `bearerd init`.
type interview struct {
	answers   firstrun.Answers
	in, out   *os.File
	lines     bool       // line by line, as screen readers need it
	shown     string     // the file as it will be
	last      *huh.Group // with it
	yes       bool       // it is to be written
	questions []question
}

// question is one that may be asked.
type question struct {
	huh.Field
	wanted func() bool   // as far as the answers go
	wrong  func() error  // with its answer
	onLine func() string // of an input: how it is put on one line
}

// errNothingWritten ends an interview that was not answered to its end.
var errNothingWritten = errors.New("interrupted; nothing is written")

// newInterview is nil where nobody can be asked.
func newInterview(cmd *cobra.Command, path string) (*interview, error) {
	in, isFile := cmd.InOrStdin().(*os.File)
	out, isFileToo := cmd.ErrOrStderr().(*os.File)
	if !isFile || !isFileToo || !term.IsTerminal(int(in.Fd())) || !term.IsTerminal(int(out.Fd())) {
		return nil, nil
	}
	width, _, err := term.GetSize(int(out.Fd()))
	if err != nil {
		return nil, fmt.Errorf("looking at the terminal: %w", err)
	}
	i := &interview{in: in, out: out}
	i.lines = width == 0 || os.Getenv("TERM") == "dumb" || os.Getenv("BEARERD_ACCESSIBLE") != ""
	i.what()
	i.signIn()
	i.keeping()
	i.confirm(path)
	return i, nil
}

// ask asks all questions that the answers call for. On a screen it is one form for all of them, so that one can go back.
func (i *interview) ask(ctx context.Context) error {
	if i.lines {
		for _, q := range i.questions {
			if !q.wanted() {
				continue
			}
			if err := i.line(ctx, q); err != nil {
				return err
			}
		}
		return nil
	}
	groups := make([]*huh.Group, len(i.questions))
	for n, q := range i.questions {
		groups[n] = huh.NewGroup(q.Field).WithHideFunc(func() bool { return !q.wanted() })
		i.last = groups[n]
	}
	return i.form(ctx, huh.NewForm(groups...))
}

func (i *interview) form(ctx context.Context, f *huh.Form) error {
	f.WithProgramOptions(tea.WithoutSignalHandler())              // ctx ends at a signal: two who stop the form wait for each other
	f.WithOutput(i.out).WithTheme(huh.ThemeFunc(huh.ThemeBase16)) // the terminal's own colours
	if runtime.GOOS == "windows" {
		f.WithInput(i.in) // a console has events that its text does not tell
	} else {
		in := keys{newTyped(i.in)}
		defer in.Close()
		f.WithInput(in)
	}
	err := f.RunWithContext(ctx)
	switch {
	case errors.Is(err, huh.ErrUserAborted), ctx.Err() != nil, err == nil && f.State != huh.StateCompleted:
		return errNothingWritten
	case err != nil:
		return fmt.Errorf("asking on the terminal: %w", err)
	}
	return nil
}

// keys are what a person types. For the library it is a terminal, but without the Name of a file: else it would read it in a
// way that it does not end when the form ends, so that a key could be lost.
type keys struct{ *typed }

func (k keys) Fd() uintptr                 { return k.f.Fd() }
func (k keys) Write(p []byte) (int, error) { return k.f.Write(p) }

// line asks one question on a line. Its read of the terminal cannot be ended: after a signal that one goroutine stays until
// the process ends, so the terminal is put right here.
func (i *interview) line(ctx context.Context, q question) error {
	before, err := term.GetState(int(i.in.Fd()))
	if err != nil {
		return fmt.Errorf("reading from the terminal: %w", err)
	}
	switch field := q.Field.(type) {
	case *huh.Input:
		field.Title(q.onLine())
	case *huh.Confirm:
		_, _ = fmt.Fprintf(i.out, "\n%s\n", i.shown)
	}
	in := &untilEnd{File: i.in}
	f := huh.NewForm(huh.NewGroup(q.Field)).WithAccessible(true).WithInput(in).WithOutput(i.out)
	f.WithTheme(huh.ThemeFunc(func(bool) *huh.Styles { return &huh.Styles{} }))
	answered := make(chan error, 1)
	go func() { answered <- f.RunWithContext(ctx) }()
	select {
	case err := <-answered:
		if err == nil && (in.ended || q.wrong() != nil) { // at the end of the input the library takes nothing for an answer
			err = errNothingWritten
		}
		return err
	case <-ctx.Done():
		return errors.Join(errNothingWritten, term.Restore(int(i.in.Fd()), before))
	}
}

// untilEnd knows whether its file has come to its end.
type untilEnd struct {
	*os.File
	ended bool
}

func (u *untilEnd) Read(p []byte) (int, error) {
	n, err := u.File.Read(p)
	u.ended = u.ended || n == 0 && err != nil
	return n, err
}

// trimmed keeps an answer without the white space around it.
type trimmed struct{ *string }

func (t trimmed) Get() string  { return *t.string }
func (t trimmed) Set(s string) { *t.string = strings.TrimSpace(s) }

// unseen keeps an answer that is a secret.
type unseen struct{ *secrets.Secret }

func (u unseen) Get() string  { return u.Reveal() }
func (u unseen) Set(s string) { *u.Secret = secrets.New(strings.TrimSpace(s)) }

// input adds a question for a text; suggested stands for an empty answer, and may be nil.
func (i *interview) input(title, about string, to huh.Accessor[string], wanted func() bool, suggested func() string, wrong func() error) {
	field := huh.NewInput().Title(title).Description(about).Accessor(to)
	asked := func() bool { // the library's own functions for this run on goroutines of theirs, while answers change
		if suggested != nil {
			field.Placeholder(suggested())
		}
		return wanted()
	}
	if _, secret := to.(unseen); secret {
		field.EchoMode(huh.EchoModePassword)
	}
	field.Validate(func(s string) error {
		to.Set(s)
		return wrong()
	})
	i.questions = append(i.questions, question{field, asked, wrong, func() string { return onLine(title, about, suggested) }})
}

// onLine is a question on one line.
func onLine(title, about string, suggested func() string) string {
	if suggested != nil {
		return fmt.Sprintf("%s [%s]:", title, suggested())
	}
	return cmp.Or(strings.TrimSuffix(title+" ("+about+")", " ()"), title) + ":"
}

// choose adds a question with a few answers.
func (i *interview) choose(title string, to *string, wanted func() bool, wrong func() error, options ...huh.Option[string]) {
	field := huh.NewSelect[string]().Title(title).Options(options...).Value(to).Validate(func(s string) error {
		*to = s
		return wrong()
	})
	i.questions = append(i.questions, question{field, wanted, wrong, nil})
}

// needed wants an answer, and then that the loader finds nothing wrong with the fields.
func (i *interview) needed(empty func() bool, fields ...string) func() error {
	return func() error {
		if empty() {
			return errors.New("an answer is needed")
		}
		return i.answers.Wrong(fields...)
	}
}

// aroundShown are the lines of the last question beside the file.
const aroundShown = 7

// confirm asks whether to write the file, and shows it.
func (i *interview) confirm(path string) {
	i.yes = true
	field := huh.NewConfirm().Title("Write this to " + path + "?").Affirmative("Yes").Negative("No").Value(&i.yes)
	wanted := func() bool {
		i.shown = string(i.answers.Text())
		field.Description(i.shown)
		if i.last != nil { // all groups have been given the height of the highest, when nothing was shown yet
			i.last.WithHeight(strings.Count(i.shown, "\n") + aroundShown)
		}
		return i.answers.Kind != firstrun.File
	}
	i.questions = append(i.questions, question{Field: field, wanted: wanted, wrong: func() error { return nil }})
}

// what asks what there is.
func (i *interview) what() {
	a := &i.answers
	a.Kind = firstrun.Remote
	fine := func() error { return nil }
	is := func(kind string) func() bool { return func() bool { return a.Kind == kind } }
	i.choose("What do you have?", &a.Kind, func() bool { return true }, fine,
		huh.NewOption("A remote MCP server, at a URL", firstrun.Remote),
		huh.NewOption("An MCP server that is started on this machine", firstrun.Program),
		huh.NewOption("The file of an MCP client, with servers in it", firstrun.File))
	i.input("Its URL", "such as https://mcp.example.com/mcp", trimmed{&a.URL}, is(firstrun.Remote), nil,
		i.needed(func() bool { return a.URL == "" }, "url"))
	i.input("Its command line", "such as npx -y @example/mcp-server", trimmed{&a.Line}, is(firstrun.Program), nil, i.wrongLine)
	i.input("A name for it", "letters, digits, _ and -", trimmed{&a.Name}, func() bool { return a.Kind != firstrun.File }, a.Suggested,
		func() error { return a.Wrong("") })
}

// wrongLine looks at a command line as `bearerd check` will.
func (i *interview) wrongLine() error {
	words, err := firstrun.Split(i.answers.Line)
	if err != nil {
		return err
	}
	if err := i.needed(func() bool { return len(words) == 0 }, "command", "args")(); err != nil {
		return err
	}
	if stdio.LookPath(&config.Server{Command: words[0]}, secrets.Secret{}) != nil { // its own words name the whole PATH, which is too long here
		return fmt.Errorf("%s cannot be run from here: install it, or write its full path", words[0])
	}
	return nil
}

// signIn asks how a token is come by.
func (i *interview) signIn() {
	a := &i.answers
	server := func() bool { return a.Kind != firstrun.File }
	with := func(ways ...string) func() bool {
		return func() bool {
			for _, w := range ways {
				if w == a.SignIn {
					return server()
				}
			}
			return false
		}
	}
	i.choose("How does it sign in?", &a.SignIn, server, func() error { return a.Wrong("url", "args") },
		huh.NewOption("A person signs in, in a browser", firstrun.Browser),
		huh.NewOption("A person signs in, with a client that you registered at the provider", firstrun.OwnClient),
		huh.NewOption("By itself, with a client id and a secret (client credentials)", firstrun.Machine),
		huh.NewOption("By itself, from a refresh token that you have", firstrun.Refresh),
		huh.NewOption("By a key that has no end (an API key, a personal access token)", firstrun.Key),
		huh.NewOption("Not at all: it needs no token", firstrun.NoToken))
	key := with(firstrun.Key)
	i.input("The key", "not shown; it goes into the store", unseen{&a.Secret}, key, nil,
		i.needed(func() bool { return a.Secret.IsZero() }, ""))
	i.input("The header that it goes into", "", trimmed{&a.Into}, func() bool { return key() && a.Kind == firstrun.Remote },
		func() string { return "Authorization" }, func() error { return a.Wrong("headers") })
	i.input("The variable that it goes into", "such as API_KEY", trimmed{&a.Into}, func() bool { return key() && a.Kind == firstrun.Program }, nil,
		i.needed(func() bool { return a.Into == "" }, "env"))
	i.input("Where the sign-in is found out", "the https URL of the MCP service or of its authorization server", trimmed{&a.ServerURL},
		func() bool { return a.Kind == firstrun.Program && with(firstrun.Browser, firstrun.OwnClient)() }, nil,
		i.needed(func() bool { return a.ServerURL == "" }, "OAUTH_SERVER_URL"))
	i.input("Client id", "", trimmed{&a.ClientID}, with(firstrun.OwnClient, firstrun.Machine, firstrun.Refresh), nil,
		i.needed(func() bool { return a.ClientID == "" }, "OAUTH_CLIENT_ID"))
	i.input("Client secret", "not shown; it goes into the store", unseen{&a.Secret}, with(firstrun.Machine), nil,
		i.needed(func() bool { return a.Secret.IsZero() }, "OAUTH_CLIENT_SECRET"))
	i.input("Client secret", "not shown; empty for a public client", unseen{&a.Secret}, with(firstrun.OwnClient, firstrun.Refresh), nil,
		func() error { return a.Wrong("OAUTH_CLIENT_SECRET") })
	i.input("Refresh token", "not shown; it goes into the store", unseen{&a.Refresh}, with(firstrun.Refresh), nil,
		i.needed(func() bool { return a.Refresh.IsZero() }, "OAUTH_REFRESH_TOKEN"))
	i.input("Token URL", "empty: it is found out, where the server says it", trimmed{&a.TokenURL},
		with(firstrun.Machine), nil, func() error { return a.Wrong("OAUTH_TOKEN_URL") })
	i.input("Token URL", "the authorization server's token endpoint", trimmed{&a.TokenURL}, with(firstrun.Refresh), nil,
		i.needed(func() bool { return a.TokenURL == "" }, "OAUTH_TOKEN_URL"))
	i.input("Scopes", "separated by spaces; empty for those that are usual there", trimmed{&a.Scope},
		with(firstrun.Machine, firstrun.OwnClient), nil, func() error { return a.Wrong("OAUTH_SCOPE") })
}

// keeping asks where secrets and tokens are kept.
func (i *interview) keeping() {
	a := &i.answers
	vault := func() bool {
		return a.Kind != firstrun.File && a.SignIn != firstrun.NoToken && a.Store == firstrun.Vault
	}
	i.choose("Where are secrets and tokens kept?", &a.Store,
		func() bool { return a.Kind != firstrun.File && a.SignIn != firstrun.NoToken }, func() error { return nil },
		huh.NewOption("In encrypted files of yours on this machine", firstrun.Files),
		huh.NewOption("In HashiCorp Vault or OpenBao", firstrun.Vault))
	i.input("Its address", "such as https://vault.example.com:8200", trimmed{&a.Address}, vault, nil,
		i.needed(func() bool { return a.Address == "" }, "address"))
	i.choose("How does bearerd log in to it?", &a.Method, vault, func() error { return nil },
		huh.NewOption("With the token in VAULT_TOKEN", "token"),
		huh.NewOption("By AppRole", "approle"),
		huh.NewOption("As a service account of Kubernetes", "kubernetes"))
	i.input("Role id", "", trimmed{&a.Role}, func() bool { return vault() && a.Method == "approle" }, nil,
		i.needed(func() bool { return a.Role == "" }, "role_id"))
	i.input("File that holds the secret id", "its whole path", trimmed{&a.RoleFile}, func() bool { return vault() && a.Method == "approle" }, nil,
		func() error {
			if !filepath.IsAbs(a.RoleFile) && !strings.HasPrefix(a.RoleFile, "~/") {
				return errors.New("the whole path is needed, from / or ~/ on")
			}
			return a.Wrong("secret_id")
		})
	i.input("Role", "", trimmed{&a.Role}, func() bool { return vault() && a.Method == "kubernetes" }, nil,
		i.needed(func() bool { return a.Role == "" }, "role"))
}
