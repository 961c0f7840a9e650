package app

import (
	"context"
	"os"
	"slices"
	"strconv"

	"bearerd/config"
	"bearerd/inject/stdio"
)

func (c *child) holderKey() string { return holdersPrefix + c.name + "/" + strconv.Itoa(os.Getpid()) }

// holdFile notes that the token file of the server is in use here.
func (c *child) holdFile(ctx context.Context) {
	if c.present().TokenFile != "" {
		c.app.note(ctx, c.holderKey(), c.name, os.Getpid())
	}
}

// dropFile removes a token file, unless another exec of the same server goes on using it.
func (c *child) dropFile(ctx context.Context, s *config.Server) error {
	if s.TokenFile == "" {
		return nil
	}
	_ = c.app.local.Delete(ctx, c.holderKey())
	holders, err := c.app.noted(ctx, holdersPrefix+c.name+"/")
	if err == nil && slices.ContainsFunc(holders, func(key string) bool { return key != c.holderKey() }) {
		return nil
	}
	return stdio.RemoveToken(s)
}
