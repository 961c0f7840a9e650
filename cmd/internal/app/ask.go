package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"bearerd/cmd/internal/login"
	"bearerd/config"
	"bearerd/engine"
)

// askInBrowser lets requests for a server with login = "auto" open the browser of this machine, if it has one.
func (a *App) askInBrowser() {
	if a.elsewhere {
		return
	}
	open, found := login.Browser(os.Getenv)
	if !found {
		for _, s := range a.config.Load().Servers {
			if s.Login == "auto" {
				a.Log.Warn("there is no browser here: set BROWSER, or sign in with `bearerd login "+s.Name+"`", "server", s.Name)
			}
		}
		return
	}
	a.engine.AskWith(func(ctx context.Context, s *engine.Source) error {
		callback := a.config.Load().Callback()
		err := signIn(ctx, s, callback, open)
		if errors.Is(err, engine.ErrUnregistered) { // now there is no registration, and the next one is good
			err = signIn(ctx, s, callback, open)
		}
		return err
	})
}

// signIn lets a person sign in for s. A browser that shows a sign-in from before a restart is not opened again. callback is
// the daemon's own, where sign-ins arrive that the page or `bearerd login` begins.
func signIn(ctx context.Context, s *engine.Source, callback string, open func(ctx context.Context, url string) error) error {
	to, err := s.Redirect(ctx)
	if err != nil {
		return err
	}
	switch {
	case to.URI != callback:
	case !to.Movable || to.Pending:
		return fmt.Errorf("%w: its answer arrives at bearerd's own callback: sign in on the page, or with `bearerd login`", engine.ErrNoBrowser)
	default:
		to.URI = config.DefaultRedirect
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var begun engine.Login
	err = login.Run(ctx, login.Flow{
		Server: s.Status().Server, Redirect: to.URI, Movable: to.Movable,
		Begin: func(begin context.Context, redirect string) (string, error) {
			l, err := s.BeginLogin(begin, redirect, false)
			if err != nil {
				return "", err
			}
			begun = *l
			return l.URL, nil
		},
		Expires: func() time.Time { return begun.Expires },
		Open: func(ctx context.Context, url string) error {
			if begun.Resumed {
				return nil
			}
			err := open(ctx, url)
			if err != nil && ctx.Err() == nil { // nobody will see the page
				cancel(fmt.Errorf("%w: %w", engine.ErrNoBrowser, err))
			}
			return err
		},
		Finish: func(ctx context.Context, query string) error {
			_, err := s.FinishLogin(ctx, query)
			if errors.Is(err, engine.ErrOtherFlow) {
				return login.ErrOther
			}
			return err
		},
	})
	var own *engine.Error
	switch why := context.Cause(ctx); {
	case err != nil && errors.Is(why, engine.ErrNoBrowser):
		return why
	case err != nil && why == nil && begun.Resumed && !errors.As(err, &own): // its page may have been closed: the next request opens another
		return engine.ErrExpired
	}
	return err
}
