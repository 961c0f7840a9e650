package main_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets/vault/vaulttest"
)

// BenchmarkVaultStart measures from the start of `bearerd run` to /readyz, with Vault and the authorization server on this
// machine: without a record and with one; and what the process holds in memory then.
func BenchmarkVaultStart(b *testing.B) {
	needPlain(b)
	v := newFigures(b)
	var cold, warm []time.Duration
	var resident []float64
	for b.Loop() {
		v.vault.Do("DELETE", "secret/metadata/bearerd/grant/s", nil)
		v.as.Reset(b)
		took, _ := v.untilReady(b)
		cold = append(cold, took)
		took, megabytes := v.untilReady(b)
		warm, resident = append(warm, took), append(resident, megabytes)
	}
	b.ReportMetric(milliseconds(median(cold)), "cold-ms")
	b.ReportMetric(milliseconds(median(warm)), "warm-ms")
	b.ReportMetric(median(resident), "MB")
}
