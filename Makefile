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
	@for p in $(PLATFORMS); do echo "build $$p"; \
		GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=0 $(GO) build -o /dev/null ./cmd/capmon || exit 1; done
	@for o in darwin windows freebsd; do echo "vet $$o"; GOOS=$$o CGO_ENABLED=0 $(GO) vet ./... || exit 1; done

# The real servers that tests run come from Debian's packages; where they can't
# be installed those tests say what they skip.
packages:
	@./.ci/packages

# One package at a time: some tests say what is full on this machine, and
# another package's load would be in their readings.
test: packages
	$(GO) test -p 1 $(RACE) -shuffle=on -timeout 60m ./...

lint:
	$(TOOL) staticcheck ./...
	@dead=$$($(TOOL) deadcode -test ./... | grep -v '\.pb\.go:'); if [ -n "$$dead" ]; then echo "$$dead"; exit 1; fi

# A short run of every fuzz target. Go's fuzzing may end in "context deadline
# exceeded" when its time is up within a slow input, which is no finding: again.
fuzz:
	@for pkg in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "fuzz $$pkg $$f"; \
			for try in 1 2 3; do \
				out=$$($(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$pkg 2>&1); rc=$$?; echo "$$out"; \
				case "$$rc$$out" in \
				0*|*"Failing input"*) break;; \
				*"context deadline exceeded"*) ;; \
				*) break;; esac; \
			done; [ $$rc -eq 0 ] || exit 1; \
		done; done

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
