package app

import (
	"context"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"bearerd/config"
	"bearerd/inject/stdio"
)

// holdersPrefix is where each exec notes that its server reads a token file: several clients may have one each.
const holdersPrefix = "tokenfile/"

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
	keys, err := c.app.local.List(ctx, holdersPrefix+c.name+"/")
	if err != nil {
		return stdio.RemoveToken(s)
	}
	for _, key := range keys {
		pid, _ := strconv.Atoi(key[strings.LastIndexByte(key, '/')+1:])
		if pid > 0 && pid != os.Getpid() && unix.Kill(pid, 0) != unix.ESRCH {
			return nil
		}
		_ = c.app.local.Delete(ctx, key) // of one that was killed
	}
	return stdio.RemoveToken(s)
}
