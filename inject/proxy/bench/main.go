// Command bench is the authorization server of run.sh: it prints its token endpoint and serves until interrupted. It is
// for measuring alone and no part of bearerd.
package main

import (
	"context"
	"fmt"
	"log"
	"os/signal"
	"syscall"

	"bearerd/engine/oauth/oauthtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	as, err := oauthtest.NewPlain()
	if err != nil {
		log.Fatal(err)
	}
	defer as.Close()
	as.Register(oauthtest.Client{ID: "bench", Secret: "bench"})
	fmt.Println(as.TokenURL())
	<-ctx.Done()
}
