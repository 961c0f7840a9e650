package app

import (
	"context"
	"errors"
	"os"

	"bearerd/cmd/internal/login"
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
		err := signIn(ctx, s, open)
		if errors.Is(err, engine.ErrUnregistered) { // now there is no registration, and the next one is good
			err = signIn(ctx, s, open)
		}
		return err
	})
}

// signIn lets a person sign in for s. A browser that shows a sign-in from before a restart is not opened again.
func signIn(ctx context.Context, s *engine.Source, open func(ctx context.Context, url string) error) error {
	redirect, movable, err := s.Redirect(ctx)
	if err != nil {
		return err
	}
	resumed := false
	return login.Run(ctx, login.Flow{
		Server: s.Status().Server, Redirect: redirect, Movable: movable,
		Begin: func(ctx context.Context, redirect string) (string, error) {
			l, err := s.BeginLogin(ctx, redirect, false)
			if err != nil {
				return "", err
			}
			resumed = l.Resumed
			return l.URL, nil
		},
		Open: func(ctx context.Context, url string) error {
			if resumed {
				return nil
			}
			return open(ctx, url)
		},
		Finish: func(ctx context.Context, query string) error {
			_, err := s.FinishLogin(ctx, query)
			if errors.Is(err, engine.ErrOtherFlow) {
				return login.ErrOther
			}
			return err
		},
	})
}
