package app

import (
	"context"
	"errors"

	"bearerd/config"
)

// bridge serves a url server to a client over stdio.
func (a *App) bridge(ctx context.Context, cfg *config.Config, s *config.Server, path string) (int, error) {
	return 1, errors.New("not yet")
}
