# Targets for people; .ci/run calls the same ones.

PEERS = testdata/peers/node_modules/.package-lock.json

.PHONY: help build demo test peers lint examples bench bench-proxy

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

build: ## build ./bearerd
	go build -trimpath -o bearerd ./cmd/bearerd

demo: build ## see the main job, with nothing to install but Go
	@./bearerd demo

test: node peers ## run all tests with the race detector
	@command -v cc >/dev/null || { echo "make test: a C compiler (cc) is missing; the race detector needs one" >&2; exit 1; }
	go test -race ./...

.PHONY: node
node:
	@command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' || \
	  { echo "make test: Node.js 20 or later with npm is missing; the tests talk to npm programs" >&2; exit 1; }

peers: $(PEERS) ## install the npm programs that the tests talk to

$(PEERS): testdata/peers/package-lock.json
	cd testdata/peers && npm ci --no-audit --no-fund --no-update-notifier --loglevel=error
	@touch $@

lint: ## gofmt, vet, staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "not gofmt'ed: $$unformatted" >&2; exit 1; }
	go vet ./...
	go tool staticcheck ./...

examples: build ## run bearerd check on every example
	testdata/check-examples ./bearerd

bench: ## cache hit, storm at expiry, start of exec, resident memory
	go test -run '^$$' -bench . -benchmem ./engine ./secrets/sealed ./cmd/bearerd

bench-proxy: build ## requests a second beside nginx (needs nginx and wrk)
	inject/proxy/bench/run.sh
