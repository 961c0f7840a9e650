package engine

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"bearerd/engine/oauth"
	"bearerd/secrets"
)

// recent is how many token requests the latencies of the documented metrics cover.
const recent = 100

// buckets of the latency histogram, in seconds.
var buckets = [...]float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}

// stats are the counters of one source. The collector and the documented JSON read the same ones.
type stats struct {
	hits, misses, acquired, refreshes, invalidations atomic.Uint64

	mu       sync.Mutex // guards what follows
	failures map[string]uint64
	bucket   [len(buckets)]uint64
	count    uint64
	sum      float64 // seconds
	last     [recent]time.Duration
}

// failed counts an acquisition that was given up.
func (s *stats) failed(err *Error) {
	reason := "shared"
	var wire *oauth.Error
	switch {
	case errors.Is(err.Err, secrets.ErrUnavailable), errors.Is(err.Err, secrets.ErrDenied):
		reason = "store"
	case errors.As(err.Err, &wire):
		reason = kind(wire)
	case err.State == Revoked:
		reason = "revoked"
	case err.State == NeedsReauth:
		reason = "needs_reauth"
	case err.local:
		reason = "local"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures == nil {
		s.failures = map[string]uint64{}
	}
	s.failures[reason]++
}

// took counts the time of one token request, failed ones too.
func (s *stats) took(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last[s.count%recent] = d
	s.count++
	s.sum += d.Seconds()
	for i, le := range buckets {
		if d.Seconds() <= le {
			s.bucket[i]++
		}
	}
}

// Metrics are the documented metrics, of one server or of all.
type Metrics struct {
	Acquisitions  uint64  `json:"token_acquisitions_total"`
	Success       uint64  `json:"token_acquisitions_success"`
	Failure       uint64  `json:"token_acquisitions_failure"`
	Hits          uint64  `json:"token_cache_hits"`
	Misses        uint64  `json:"token_cache_misses"`
	Refreshes     uint64  `json:"token_refreshes"`
	Invalidations uint64  `json:"token_invalidations"`
	HitRatio      float64 `json:"cache_hit_ratio"`
	SuccessRate   float64 `json:"success_rate"`
	AvgLatency    float64 `json:"avg_latency_ms"`
	MaxLatency    float64 `json:"max_latency_ms"`
	MinLatency    float64 `json:"min_latency_ms"`
	Active        int     `json:"active_tokens"`
}

// Measure sums the metrics of the sources. The latencies cover each one's last hundred token requests; a ratio of
// nothing is 0.
func Measure(sources ...*Source) Metrics {
	var m Metrics
	var latencies []time.Duration
	now := time.Now()
	for _, s := range sources {
		m.Success += s.stats.acquired.Load()
		m.Hits += s.stats.hits.Load()
		m.Misses += s.stats.misses.Load()
		m.Refreshes += s.stats.refreshes.Load()
		m.Invalidations += s.stats.invalidations.Load()
		if t := s.current.Load(); t != nil && t.valid(now) {
			m.Active++
		}
		s.stats.mu.Lock()
		for _, n := range s.stats.failures {
			m.Failure += n
		}
		latencies = append(latencies, s.stats.last[:min(s.stats.count, recent)]...)
		s.stats.mu.Unlock()
	}
	m.Acquisitions = m.Success + m.Failure
	m.HitRatio = ratio(m.Hits, m.Hits+m.Misses)
	m.SuccessRate = ratio(m.Success, m.Acquisitions)
	for i, d := range latencies {
		ms := float64(d) / float64(time.Millisecond)
		m.AvgLatency += ms / float64(len(latencies))
		m.MaxLatency = max(m.MaxLatency, ms)
		if i == 0 || ms < m.MinLatency {
			m.MinLatency = ms
		}
	}
	return m
}

func ratio(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}
