package main_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bearerd/secrets/vault/vaulttest"
)

// racePolicy lets bearerd keep its tokens in Vault.
const racePolicy = `
path "secret/data/bearerd/*"     { capabilities = ["create", "read", "update"] }
path "secret/metadata/bearerd/*" { capabilities = ["create", "update", "list", "delete"] }`

// TestSoakVault: eight daemons with state folders of their own share a refresh token through Vault.
func TestSoakVault(t *testing.T) {
	s := vaulttest.Start(t)
	t.Parallel()
	s.Policy("bearerd", racePolicy)
	tap := vaulttest.Front(t, s)
	tap.Delay(20 * time.Millisecond) // as from another host
	r := newRace(t, 3)
	r.shared, r.mayLeave = true, 3
	r.record = func() raceRecord { return recordInVault(r, s) }
	for i := range 8 {
		token := s.Token("2h", "bearerd")
		h := newHome(t, "RACE_VAULT_TOKEN="+token)
		h.private(token)
		h.configure(inVault(tap, "RACE_VAULT_TOKEN"), server(raceServer, nothing, raceGrant(h, r.provider, r.supply)))
		r.runners = append(r.runners, &runner{race: r, h: h, name: fmt.Sprint("run", i), args: []string{"run"}, folder: h.path("state"),
			valid: func() bool { return isReady(h.admin) }})
	}
	r.run()
	r.tellWrites(s, tap)
}

// inVault is the part of a configuration that keeps tokens in the Vault behind a tap; variable holds a token for it.
func inVault(tap *vaulttest.Tap, variable string) string {
	return fmt.Sprintf("vault {\n%s\nauth \"token\" { token = env(%q) }\n}\nstore \"vault\" {}\n", attribute("address", tap.Addr), variable)
}

// tellWrites prints what the race cost Vault. A write that lost to another one by check-and-set was asked for, and is none.
func (r *race) tellWrites(s *vaulttest.Server, tap *vaulttest.Tap) {
	const records = "/v1/secret/data/bearerd/"
	rotations := float64(r.provider.chainState(raceServer).Spent)
	asked, reads := tap.Count("PUT", records)+tap.Count("POST", records), tap.Count("GET", records)
	data, _ := s.Do("GET", "secret/metadata/bearerd/grant/"+raceServer, nil)["data"].(map[string]any)
	written, _ := data["current_version"].(float64)
	r.t.Logf("Vault: %.0f writes, %.2f for each rotation; %d asked for, %.1f for each; %d reads, %.1f for each",
		written, written/rotations, asked, float64(asked)/rotations, reads, float64(reads)/rotations)
	if written == 0 || written > 2.5*rotations {
		r.t.Errorf("%.0f writes for %.0f rotations", written, rotations)
	}
}

// newRace starts a provider whose access tokens live for ttl seconds, and says when who is interrupted: at random for two
// hundred rotations, or in a short form.
func newRace(t *testing.T, ttl int) *race {
	t.Helper()
	dir := t.TempDir()
	r := &race{t: t, supply: filepath.Join(dir, "refresh-token"), goal: 25, orders: fewOrders()}
	if os.Getenv("BEARERD_SOAK") != "" {
		r.goal, r.orders, ttl = 200, manyOrders(), ttl+1
	}
	r.provider = startOIDC(t, oidcOptions{Clients: []map[string]any{refreshing(oidcClient(raceServer, "client_secret_basic"))}, TTL: ttl})
	return r
}

// fewOrders are two kills and a stop.
func fewOrders() func(spent int) *order {
	orders := map[int]*order{4: {kill: true, pause: time.Second}, 9: {pause: 5 * time.Second}, 14: {kill: true, aim: answered}}
	return func(spent int) *order {
		for after, o := range orders {
			if spent > after {
				delete(orders, after)
				return o
			}
		}
		return nil
	}
}

// manyOrders come every few seconds. Most are for any process at any moment; some wait for the worst moment.
func manyOrders() func(int) *order {
	next := time.Now()
	return func(int) *order {
		if time.Now().Before(next) {
			return nil
		}
		next = time.Now().Add(time.Second + rand.N(6*time.Second))
		o := &order{kill: rand.N(2) == 0, pause: rand.N(5 * time.Second)}
		switch n := rand.N(100); {
		case n < 8:
			o.aim = asking
		case n < 25:
			o.aim, o.lag = answered, rand.N(12*time.Millisecond) // into the journal, and on to the commit
		}
		switch n := rand.N(10); {
		case o.kill:
		case n < 1:
			o.pause = 50*time.Second + rand.N(40*time.Second)
		case n < 4:
			o.pause = rand.N(40 * time.Second)
		}
		return o
	}
}

func recordInVault(r *race, s *vaulttest.Server) (record raceRecord) {
	answer, err := s.DoErr("GET", "secret/data/bearerd/grant/"+raceServer, nil)
	if err != nil {
		r.t.Error(err)
		return record
	}
	data, _ := answer["data"].(map[string]any)
	fields, _ := data["data"].(map[string]any)
	text, _ := fields["value"].(string)
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		r.t.Error(err)
		return record
	}
	return r.private(decodeRecord(r.t, b))
}

// private makes canaries of the tokens in a record.
func (r *race) private(record raceRecord) raceRecord {
	for _, c := range r.runners {
		for _, token := range []string{record.Access, record.Refresh} {
			if token != "" {
				c.h.private(token)
			}
		}
	}
	return record
}

var raceClient = &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// isReady reports whether a daemon has a valid token for every server.
func isReady(address string) bool {
	resp, err := raceClient.Get("http://" + address + "/readyz")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode == http.StatusOK
}
