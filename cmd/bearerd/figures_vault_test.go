package main_test

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets/vault/vaulttest"
)

// figures is a home on a Vault and an authorization server of this machine.
type figures struct {
	*home
	vault *vaulttest.Server
	tap   *vaulttest.Tap
	as    *oauthtest.Server
}

// newFigures makes one with the server "s"; with rotating its grant is refresh_token.
func newFigures(b *testing.B, rotating bool) *figures {
	b.Helper()
	needPlain(b)
	s := vaulttest.Start(b)
	s.Policy("bearerd", racePolicy)
	f := &figures{home: newHome(b, "FIGURES_VAULT_TOKEN="+s.Token("1h", "bearerd")), vault: s, tap: vaulttest.Front(b, s)}
	var grant string
	f.as, grant = f.authServer()
	if rotating {
		f.write("refresh-token", f.as.Grant("app")+"\n")
		grant = f.grant(f.as.TokenURL(), "ca.pem", "app", "canary-of-app", `OAUTH_GRANT_TYPE = "refresh_token"`,
			`OAUTH_REFRESH_TOKEN = file("refresh-token")`)
	}
	f.configure(inVault(f.tap, "FIGURES_VAULT_TOKEN"), server("s", nothing, grant))
	return f
}

// untilReady starts `bearerd run`, and gives the time until /readyz says so and the memory that it holds then.
func (f *figures) untilReady(b *testing.B) (took time.Duration, megabytes float64) {
	b.Helper()
	start := time.Now()
	d := f.start("run")
	for !isReady(f.admin) {
		if time.Since(start) > peerPatience {
			b.Fatalf("not ready: %s", d.stderr)
		}
		time.Sleep(time.Millisecond)
	}
	took = time.Since(start)
	_, after, _ := strings.Cut(readFile(b, fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid)), "VmRSS:")
	kilobytes, err := strconv.ParseFloat(strings.Fields(after)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	d.signal(syscall.SIGTERM)
	d.wait()
	return took, kilobytes / 1024
}

// BenchmarkVaultStart measures from the start of `bearerd run` to its first token: without a record, and with one.
func BenchmarkVaultStart(b *testing.B) {
	f := newFigures(b, false)
	var cold, warm []time.Duration
	var resident []float64
	for b.Loop() {
		_, _ = f.vault.DoErr("DELETE", "secret/metadata/bearerd/grant/s", nil)
		requests := len(f.as.Requests())
		took, _ := f.untilReady(b)
		cold = append(cold, took)
		took, megabytes := f.untilReady(b)
		warm, resident = append(warm, took), append(resident, megabytes)
		if n := len(f.as.Requests()) - requests; n != 1 {
			b.Fatalf("%d token requests for a cold and a warm start", n)
		}
	}
	b.ReportMetric(milliseconds(median(cold)), "cold-ms")
	b.ReportMetric(milliseconds(median(warm)), "warm-ms")
	b.ReportMetric(median(resident), "MB")
}

// BenchmarkVaultRotation measures what each rotation of a refresh token costs: requests to Vault, and time on `bearerd refresh`.
func BenchmarkVaultRotation(b *testing.B) {
	f := newFigures(b, true)
	d := f.daemon()
	f.ok("refresh", "s")
	const records = "/v1/secret/data/bearerd/"
	asked := func() (writes, reads int) {
		return f.tap.Count("PUT", records) + f.tap.Count("POST", records), f.tap.Count("GET", records)
	}
	writes, reads := asked()
	requests := len(f.as.Requests())
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		f.ok("refresh", "s")
		took = append(took, time.Since(start))
	}
	w, r := asked()
	rotations := float64(len(f.as.Requests()) - requests)
	b.ReportMetric(float64(w-writes)/rotations, "writes/rotation")
	b.ReportMetric(float64(r-reads)/rotations, "reads/rotation")
	b.ReportMetric(milliseconds(median(took)), "refresh-ms")
	d.stop()
}
