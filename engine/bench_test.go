package engine

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bearerd/config"
	"bearerd/secrets"
)

// BenchmarkCacheHit is what each proxied request pays for its token.
func BenchmarkCacheHit(b *testing.B) {
	as := authorizationServer(b)
	store := newMemory()
	e := New(b.Context(), store, beside(store, locks(), ""), &secrets.Resolver{}, slog.New(slog.NewJSONHandler(io.Discard, nil)))
	defer e.Close()
	e.Prepare(&config.Config{Servers: []*config.Server{server(as, "a")}}).Commit()
	s, _ := e.Source("a")
	ctx := context.Background()
	if _, err := s.Token(ctx); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Token(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkClock is one reading of the clock, to hold BenchmarkCacheHit against.
func BenchmarkClock(b *testing.B) {
	for b.Loop() {
		_ = time.Now()
	}
}

// BenchmarkExpiryStorm lets 500 callers meet an expired token and reports token requests and failed calls per storm.
func BenchmarkExpiryStorm(b *testing.B) {
	as := authorizationServer(b)
	store := newMemory()
	e := New(b.Context(), store, beside(store, locks(), ""), &secrets.Resolver{}, slog.New(slog.DiscardHandler))
	defer e.Close()
	e.Prepare(&config.Config{Servers: []*config.Server{server(as, "a")}}).Commit()
	s, _ := e.Source("a")
	var failed atomic.Int64
	storms := 0
	for b.Loop() {
		storms++
		if t := s.current.Load(); t != nil {
			t.staleAt, t.deadAt = 0, 0
		}
		var wg sync.WaitGroup
		for range 500 {
			wg.Go(func() {
				if _, err := s.Token(b.Context()); err != nil {
					failed.Add(1)
				}
			})
		}
		wg.Wait()
	}
	b.ReportMetric(float64(asked(as, "/token"))/float64(storms), "requests/storm")
	b.ReportMetric(float64(failed.Load())/float64(storms), "failures/storm")
}
