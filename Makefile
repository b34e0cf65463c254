# Everything that one does with this tree. `make quickstart` and `make test` are
# the two that matter; they need Go, and install the rest where they can.

VERSION ?= $(shell git describe --tags --match 'v*' 2>/dev/null | sed 's/^v//' || true)
ifeq ($(strip $(VERSION)),)
VERSION := 0.1.0-dev
endif
GO ?= go
export CGO_ENABLED = 0
LDFLAGS = -s -w -X main.version=$(VERSION)

.PHONY: all build quickstart stop-quickstart test soak check bench bench-engine bench-dns bench-imap bench-mail bench-providers fuzz generate peers clean

all: build

build: bin/mailform

# Go knows itself what has changed.
bin/mailform: FORCE
	@mkdir -p bin
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./cmd/mailform
FORCE:

# Build, apply the example, tell how to try it.
quickstart: build
	@cd examples/quickstart && ../../bin/mailform apply -auto-approve
	@cat examples/quickstart/TRY.txt

stop-quickstart: build
	@cd examples/quickstart && ../../bin/mailform destroy -auto-approve

# The programs that the tests run beside mailform itself.
peers:
	@.ci/peers

# Everything that this machine allows. Tests name what they skip.
test: peers build
	$(GO) vet ./...
	$(GO) test -shuffle=on -timeout 30m ./...

# Kill an apply of 10,000 users, and the daemon under its clients, a hundred times,
# with the signal that nothing catches (the tests do it ten times).
KILLS ?= 100
soak: build
	MAILFORM_SOAK=$(KILLS) $(GO) test -count=1 -v -timeout 90m -run '^Test(ApplyOfManyKilledAtRandomInstantsForgetsNothing|DaemonKilledKeepsItsPromises)$$' ./cmd/mailform

# What a change has to pass before it is pushed.
check: peers
	@test -z "$$(gofmt -l .)" || { echo "gofmt is wanted for:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
	$(GO) run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./... || echo "govulncheck: not clean, or its database cannot be reached"
	$(MAKE) generate
	@git diff --exit-code -- docs/reference docs/schema
	CGO_ENABLED=1 $(GO) test -race -shuffle=on -timeout 40m ./...

# The reference documentation and the JSON Schema of files, from the package schema.
generate:
	MAILFORM_UPDATE=1 $(GO) test -count=1 ./schema/...

# Benchmarks: Go's own, and mailform beside Postfix. Figures are ratios within
# one run.
bench: peers build
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 40m ./cmd/...
	$(GO) test -run '^$$' -bench . -benchtime 1s -timeout 20m ./schema/... ./engine/... ./providers/...

# The engine on many users, beside Terraform and OpenTofu where they are on the
# PATH and as far as they can follow: the tables of docs/benchmarks.md.
USERS ?= 1000,10000,100000
PEERS ?= 1000
bench-engine:
	$(GO) test -run '^$$' -bench '^BenchmarkEngine$$' -benchtime 1x -timeout 120m ./cmd/mailform -engine.users $(USERS) -engine.peers $(PEERS)

# The embedded name server beside BIND, Knot and NSD, and record sets kept in BIND
# and Knot: the tables of docs/benchmarks.md.
bench-dns: peers build
	$(GO) test -run '^$$' -bench '^Benchmark((Signed)?NameServers|Records)$$' -benchtime 1x -timeout 20m ./cmd/mailform

# The embedded IMAP server beside Dovecot and Cyrus, and the memory of one with many
# users: the tables of docs/benchmarks.md.
bench-imap: peers build
	$(GO) test -run '^$$' -bench '^Benchmark(IMAPBeside|IdleMemory)$$' -benchtime 1x -timeout 20m ./cmd/mailform

# Mail in and out, mailboxes and memory, in one run, beside Postfix, Dovecot and Cyrus: the tables
# of docs/benchmarks.md.
bench-mail: peers build
	$(GO) test -run '^$$' -bench '^Benchmark(SMTP|IMAP|Outbound|IdleMemory)' -benchtime 1x -timeout 40m ./cmd/mailform

# Many users kept in the mail systems that organisations run already: the tables of
# docs/benchmarks.md.
bench-providers: peers build
	$(GO) test -run '^$$' -bench '^BenchmarkProviders$$' -benchtime 1x -timeout 20m ./cmd/mailform
	$(GO) test -run '^$$' -bench '^BenchmarkMailboxes$$' -benchtime 1x -timeout 20m ./providers/cyrus

# Each fuzz target for FUZZTIME.
FUZZTIME ?= 30s
fuzz:
	@for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg 2>/dev/null | grep '^Fuzz'); do \
	    echo "$$pkg $$target"; \
	    $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; \
	done

clean:
	rm -rf bin dist
