package app

import (
	"context"
	"runtime/metrics"
	"time"
)

const (
	slimAfter = 2 * time.Second // when all that a start needs has been done
	slimEvery = 30 * time.Second
	slimFrom  = 6 << 20 // bytes of heap: what large messages have left behind
)

// staySlim gives back what the start has needed, after each start that began tells of, and what large messages have left
// behind, until ctx is done. An exec runs for each server of each client, most of the time idle.
func staySlim(ctx context.Context, began <-chan struct{}) {
	timer := time.NewTimer(slimAfter)
	defer timer.Stop()
	due := true
	for {
		select {
		case <-timer.C:
			if due || heap() > slimFrom {
				slim()
			}
			due = false
			timer.Reset(slimEvery)
		case <-began:
			due = true
			timer.Reset(slimAfter)
		case <-ctx.Done():
			return
		}
	}
}

// heap is how much memory the heap holds, in bytes.
func heap() (size uint64) {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(samples)
	for _, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			size += s.Value.Uint64()
		}
	}
	return size
}
