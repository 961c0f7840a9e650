package engine

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Collector shows the present sources to Prometheus. Removed servers vanish with their source.
type Collector struct{ Engine *Engine }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("bearerd_"+name, help, append([]string{"server"}, labels...), nil)
}

var (
	descAcquisitions  = desc("token_acquisitions_total", "Acquisitions, by `result` (`success`, `failure`) and `reason`.", "result", "reason")
	descHits          = desc("token_cache_hits_total", "Tokens served from the cache.")
	descMisses        = desc("token_cache_misses_total", "Askings that had to wait for an acquisition.")
	descRefreshes     = desc("token_refreshes_total", "Acquisitions that replaced an earlier token.")
	descInvalidations = desc("token_invalidations_total", "Tokens dropped on request, or because upstream refused them by a Bearer challenge.")
	descLatency       = desc("token_request_duration_seconds", "Time of token requests, failed ones too.")
	descActive        = desc("active_tokens", "1 while a valid token is held.")
	descReauth        = desc("needs_reauth", "1 while a person must act, as the state `needs_reauth` says: sign in, approve a scope (a token may be "+
		"served then), or supply a refresh token.")
	descExpiry      = desc("token_expiry_timestamp_seconds", "When the present token expires.")
	descUnwritable  = desc("store_unwritable", "1 while the store does not take or give the record of this server; `bearerd status` says why.")
	descUncommitted = desc("commit_pending", "1 while its newest refresh token is in the journal of the state folder, and not yet in the store.")
)

// Describe implements prometheus.Collector.
func (c Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descAcquisitions, descHits, descMisses, descRefreshes, descInvalidations,
		descLatency, descActive, descReauth, descExpiry, descUnwritable, descUncommitted} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c Collector) Collect(ch chan<- prometheus.Metric) {
	now := time.Now()
	for _, s := range c.Engine.Sources() {
		counter := func(d *prometheus.Desc, n uint64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), append([]string{s.name}, labels...)...)
		}
		gauge := func(d *prometheus.Desc, v float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append([]string{s.name}, labels...)...)
		}
		counter(descHits, s.stats.hits.Load())
		counter(descMisses, s.stats.misses.Load())
		counter(descRefreshes, s.stats.refreshes.Load())
		counter(descInvalidations, s.stats.invalidations.Load())
		counter(descAcquisitions, s.stats.acquired.Load(), "success", "")
		s.stats.collect(s.name, counter, ch)
		st := s.Status()
		gauge(descUnwritable, flag(st.Store != ""))
		gauge(descUncommitted, flag(st.Uncommitted))
		gauge(descReauth, flag(st.State == NeedsReauth))
		t := s.current.Load()
		gauge(descActive, flag(t != nil && t.valid(now)))
		if t != nil && !t.Expires.IsZero() {
			gauge(descExpiry, float64(t.Expires.UnixMilli())/1000)
		}
	}
}

func (s *stats) collect(name string, counter func(*prometheus.Desc, uint64, ...string), ch chan<- prometheus.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for reason, n := range s.failures {
		counter(descAcquisitions, n, "failure", reason)
	}
	cumulative := make(map[float64]uint64, len(buckets))
	for i, le := range buckets {
		cumulative[le] = s.bucket[i]
	}
	ch <- prometheus.MustNewConstHistogram(descLatency, s.count, s.sum, cumulative, name)
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
