package admin

import (
	"context"
	"errors"

	"bearerd/engine"
)

// OnSource has do ask something of the source that find gives, and of the next one when an edit has taken that away before it
// could answer. It returns the one that has.
func OnSource(ctx context.Context, find func() (*engine.Source, error), do func(*engine.Source) error) (*engine.Source, error) {
	s, err := find()
	for err == nil {
		if err = do(s); !errors.Is(err, engine.ErrGone) || ctx.Err() != nil {
			break
		}
		now, unknown := find()
		switch {
		case unknown != nil:
			return nil, unknown
		case now == s: // the engine ends
			return s, err
		}
		s, err = now, nil
	}
	return s, err
}
