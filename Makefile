# capmon: `make` runs every check, the cheap ones first. `make test` runs the
# tests alone. Nothing but Go, make and, for -race, a C compiler is needed; the
# tools are pinned in tools/go.mod.

GO        ?= go
TOOL       = $(GO) tool -modfile=tools/go.mod
FUZZTIME  ?= 5s
PLATFORMS  = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64 freebsd/amd64 freebsd/arm64
RACE      := $(shell command -v $${CC:-cc} >/dev/null 2>&1 && echo -race)

.PHONY: all check fmt tidy vet fix cross test packages lint fuzz bench accuracy chess payments pictures generate dist capmon

all: check
check: fmt tidy vet fix cross test lint fuzz

capmon:
	$(GO) build -o capmon ./cmd/capmon

fmt:
	@files=$$($(TOOL) gofumpt -l $$(git ls-files -co --exclude-standard '*.go' | grep -v '\.pb\.go$$')); \
	if [ -n "$$files" ]; then echo "gofumpt would change:"; echo "$$files"; exit 1; fi

tidy:
	$(GO) mod tidy -diff

vet:
	$(GO) vet ./...

fix:
	$(GO) fix -diff ./...

# Every system compiles; only Linux is run here.
cross:
	@printf '%s\n' $(PLATFORMS) | xargs -P 2 -I{} sh -c 'p={}; echo "build $$p"; \
		GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=0 $(GO) build -o /dev/null ./cmd/capmon'
	@for o in darwin windows freebsd; do echo "vet $$o"; GOOS=$$o CGO_ENABLED=0 $(GO) vet ./... || exit 1; done

# The real servers that tests run come from Debian's packages; where they can't
# be installed those tests say what they skip.
packages:
	@./.ci/packages

# First what only computes. Then, one package at a time, those with tests that say
# what is full on this machine: another package's load would be in their readings.
# Within a package, tests that wait for other programs do so beside each other,
# after the others. A race build would sleep for a second before it exits.
MEASURE = /(agents|cmd/capmon|collectors|demo/[a-z]+|internal/crash)(/|$$)
test: export GORACE = atexit_sleep_ms=0
test: packages
	$(GO) build $(RACE) ./...
	$(GO) test $(RACE) -shuffle=on $$($(GO) list ./... | grep -vE '$(MEASURE)')
	$(GO) test -p 1 $(RACE) -shuffle=on -timeout 60m $$($(GO) list ./... | grep -E '$(MEASURE)')

lint:
	$(TOOL) staticcheck ./...
	@dead=$$($(TOOL) deadcode -test ./... | grep -v '\.pb\.go:'); if [ -n "$$dead" ]; then echo "$$dead"; exit 1; fi

# A short run of every fuzz target.
fuzz:
	@GO='$(GO)' FUZZTIME=$(FUZZTIME) ./.ci/fuzz

# What things cost: per part, then whole processes beside their peers.
bench:
	@CAPMON_BENCH=1 ./.ci/packages
	$(GO) test -run '^$$' -bench . -benchmem ./...

# What capmon learned of real servers below their limit, against where the limit
# was: docs/ACCURACY.md. As root, on a quiet machine of two cores or more, 45
# minutes; CAPMON_ACCURACY_ROUNDS=n for more, RUN=/node for some of the rows.
RUN ?=
accuracy: packages
	CAPMON_ACCURACY=1 $(GO) test -run '^TestAccuracy$$$(RUN)' -count=1 -v -timeout 180m ./cmd/capmon

# The chess story with 20,000 real connections: what is counted must add up.
chess:
	CAPMON_CHESS=1 $(GO) test -run '^TestManyPlayers$$' -count=1 -v ./cmd/capmon

# The payment story with no warm-up, 20 seconds and three minutes: the number that
# is refused must be what the formula says, within 10%.
payments:
	CAPMON_PAYMENTS=1 $(GO) test -run '^TestManyPayments$$' -count=1 -v ./cmd/capmon

# The pictures of the README, from a real run in a real terminal.
pictures:
	./docs/screens/make

# Code made from the .proto files. The generators are pinned here.
generate:
	$(GO) run github.com/bufbuild/buf/cmd/buf@v1.75.0 generate
	$(GO) run github.com/bufbuild/buf/cmd/buf@v1.75.0 lint

dist:
	@for p in $(PLATFORMS); do o=$${p%/*} a=$${p#*/}; ext=; [ $$o = windows ] && ext=.exe; \
		echo "dist/capmon-$$o-$$a$$ext"; \
		GOOS=$$o GOARCH=$$a CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o dist/capmon-$$o-$$a$$ext ./cmd/capmon || exit 1; done
