# What CI runs is `make test`; what you run before a commit is `make check`.
# Both install what they need with apt and npm when it is missing, and say so.

FUZZTIME    ?= 3000x
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
BENCH       ?= --runs 3 --duration 10s --rate 500,1000,2000,4000 --only idle,latency,saturation,burst,night-peak,slow,drain,descriptors,churn
FAULT       ?=
SEED        ?= 0
JOBS        ?= 2
COVERED     := ./order/...,./webhook/...,./auth/...,./bus/...,./hub/...

.PHONY: help
help: ## say what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

.PHONY: test
test: setup lint test-go coverage test-client test-browser fuzz ## everything that CI runs

.PHONY: check
check: setup lint ## linters, and the tests in their short forms
	go test -short ./...
	cd client-js && npm test

.PHONY: setup
setup: ## install what the tests need, where it is missing
	@.ci/setup

.PHONY: lint
lint: ## gofmt, go vet, staticcheck, tsc
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || { echo 'run: gofmt -w .' >&2; exit 1; }
	go vet ./...
	go run $(STATICCHECK) ./...
	cd webhook/sdks/golang && go vet ./...
	cd client-js && npm run --silent typecheck

.PHONY: test-go
test-go: ## the Go tests with the race detector
	go test -race -timeout 30m -coverprofile=coverage.out -coverpkg=$(COVERED) ./...

.PHONY: test-sdks
test-sdks: ## the providers' own SDKs against the adapters, with the table of verdicts (test-go runs it too)
	cd webhook/sdks && go test

.PHONY: coverage
coverage: ## statement coverage of the last test-go, by folder; fails below 85 %
	@awk -f .ci/coverage.awk coverage.out

.PHONY: test-client
test-client: ## the client library's tests, and that its built file is what its source builds to
	cd client-js && npm test

.PHONY: test-browser
test-browser: ## every button of the demo page, in Chromium
	cd client-js && npm run --silent test:browser

.PHONY: screenshots
screenshots: setup ## take the pictures in docs/images anew
	mkdir -p docs/images
	cd client-js && node build.mjs --tests && PAYBELL_SCREENSHOTS=../docs/images \
		node --test --test-name-pattern=picture test/demo.browser.mjs .build/hosted.browser.js
	cd client-js && node test/shrink.mjs ../docs/images/*.png

.PHONY: fuzz
fuzz: ## fuzz everything that strangers send, each for FUZZTIME (3000x, 10m …)
	@.ci/fuzz $(FUZZTIME)

.PHONY: fuzz-adapters
fuzz-adapters: FUZZTIME = 10m
fuzz-adapters: ## fuzz every provider's adapter for FUZZTIME, JOBS of them side by side, and count
	@.ci/fuzz-adapters $(FUZZTIME) $(JOBS)

.PHONY: fault
fault: setup ## break what there is around real gateways, at full length; FAULT=Redis or Redis/killed picks, SEED=7 repeats
	@fault='$(FAULT)'; case "$$fault" in \
	*/*) run="TestFault.*($${fault%%/*})\$$/$${fault#*/}" ;; \
	*) run="TestFault.*($$fault)" ;; \
	esac; set -x; go test -v -count=1 -timeout 4h -run "$$run" ./fault -fault.long -fault.seed=$(SEED)

.PHONY: bench
bench: ## measure a gateway, its parts and its peers for 25 minutes, and write docs/performance.md
	@.ci/bench $(BENCH)

.PHONY: bench-parts
bench-parts: ## the benchmarks of every part, with allocation counts
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: client
client: setup ## build client-js/dist/paybell.js from its source
	cd client-js && npm run --silent build
