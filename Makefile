# Targets for people; .ci/run calls the same ones.

PEERS = testdata/peers/node_modules/.package-lock.json
VAULTDEV = testdata/vaultdev/vaultdev

.PHONY: help build demo test test-short soak peers vaultdev lint examples kube bench bench-proxy

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

build: ## build ./bearerd
	go build -trimpath -o bearerd ./cmd/bearerd

demo: build ## see the main job, with nothing to install but Go
	@./bearerd demo

test: cc node peers vaultdev ## run all tests with the race detector
	go build -race ./...
	go test -race -p 1 -timeout 30m ./... # one package after the other: many of them have tokens that live for seconds

test-short: cc node peers ## the same without Vault, browsers and what else is slow
	go test -race -short ./...

soak: node peers vaultdev ## the races for one refresh token, at full length (up to an hour)
	BEARERD_SOAK=1 go test -count=1 -v -timeout 60m -run Soak ./cmd/bearerd

.PHONY: cc
cc:
	@command -v cc >/dev/null || { echo "make test: a C compiler (cc) is missing; the race detector needs one" >&2; exit 1; }

.PHONY: node
node:
	@command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' || \
	  { echo "make test: Node.js 20 or later with npm is missing; the tests talk to npm programs" >&2; exit 1; }

peers: $(PEERS) ## install the npm programs that the tests talk to

$(PEERS): testdata/peers/package-lock.json
	cd testdata/peers && npm ci --no-audit --no-fund --no-update-notifier --loglevel=error
	@touch $@

vaultdev: $(if $(VAULT_BIN)$(shell sh -c 'command -v vault'),,$(VAULTDEV)) ## build the Vault that the tests start, unless there is one

$(VAULTDEV): $(addprefix testdata/vaultdev/,main.go go.mod go.sum)
	@echo "Building a real Vault for the tests. This takes some five minutes the first time, then seconds."
	cd testdata/vaultdev && go build -ldflags '-s -w' -o vaultdev .

lint: vet-all ## gofmt, vet for every system, staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "not gofmt'ed: $$unformatted" >&2; exit 1; }
	go tool staticcheck ./...
	cd packaging/tools && go vet .

SYSTEMS = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

.PHONY: vet-all
vet-all: ## go vet, tests included, for each system that is released
	@for s in $(SYSTEMS); do echo "go vet ./... for $$s"; GOOS=$${s%/*} GOARCH=$${s#*/} go vet ./... || exit 1; done

VERSION ?= $(shell packaging/version)
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct)

.PHONY: dist
dist: ## archives, packages, npm package, bills of materials and checksums of a release, in dist/ (docs/release.md)
	@cd packaging/tools && go run . -root ../.. -out ../../dist -version "$(VERSION)" -time "$(SOURCE_DATE_EPOCH)"

.PHONY: test-dist
test-dist: dist ## install, run, upgrade and remove what dist makes, and make it twice; as root, on a Debian without bearerd
	packaging/test.sh

.PHONY: docs
docs: ## write the tables of docs that are made from the code
	go test -count=1 -run '^TestReference$$' ./cmd/bearerd -args -update

examples: build ## run bearerd check on every example
	testdata/check-examples ./bearerd

kube: ## decode the example for Kubernetes with the types of its API
	cd testdata/kube && go test ./...

bench: ## cache hit, storm at expiry, start of exec, resident memory
	go test -run '^$$' -bench . -benchmem ./engine ./secrets/sealed ./cmd/bearerd

bench-proxy: build peers ## the proxy beside nginx, ReverseProxy and mcp-remote (10 minutes; needs nginx and wrk; flags in BENCH)
	go run ./inject/proxy/bench $(BENCH)

.PHONY: figures-proxy
figures-proxy: ## callers at the end of a token, hundreds of renewals under load, an authorization server that is away (20 minutes)
	BEARERD_FIGURES=1 go test -count=1 -v -timeout 60m -run 'ProxyStorm|ProxyRotations|ProxyOutageAtEnd' ./cmd/bearerd

.PHONY: figures-vault
figures-vault: vaultdev ## start with a cold and a warm record, requests to Vault for each rotation, memory
	go test -run '^$$' -bench Vault -benchtime 15x ./cmd/bearerd

.PHONY: figures-exec
figures-exec: node peers ## what exec adds to a call, time without service at an exchange, and the bridge beside mcp-remote (20 minutes)
	BEARERD_FIGURES=1 go test -count=1 -v -timeout 60m -run 'Figures(Relay|Switch|Bridge)' ./cmd/bearerd

.PHONY: screenshots
screenshots: node peers ## pictures of the web page, in build/screenshots (needs Chromium)
	BEARERD_SCREENSHOTS=$(CURDIR)/build/screenshots BEARERD_BROWSER_TESTS=1 go test -count=1 -run TestPageInChromium ./cmd/bearerd
