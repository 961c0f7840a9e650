package admin

import (
	"bearerd/config"
	"bearerd/engine"
)

// Live tells pages what changes, and remembers for each server what became of its latest renewals.
type Live struct{}

// NewLive is told of nothing yet.
func NewLive() *Live { return &Live{} }

// Observe takes in what has happened to a token. It does not block.
func (l *Live) Observe(engine.Event) {}

// Reloaded takes in that a reload has ended: what it changed, or nothing when it was refused. It does not block.
func (l *Live) Reloaded(config.Changes) {}
