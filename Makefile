# Everything a developer or the CI does. "make" alone lists the targets.

GOLANGCI_VERSION    := v2.15.0
GOVULNCHECK_VERSION := v1.9.0
FUZZTIME            ?= 30s
DIR                 ?=

TOOLS       := $(CURDIR)/.tools
GOLANGCI    := $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION)
GOVULNCHECK := $(TOOLS)/govulncheck-$(GOVULNCHECK_VERSION)
GENERATED   := gitops/internal/frontendv1

# The directories of all modules of go.work; asked only where it is needed.
MODULES = $(shell go list -m -f '{{.Dir}}')

# The race detector needs a C compiler and cgo.
RACE = $(shell [ "$$(go env CGO_ENABLED)" = 1 ] && command -v $$(go env CC) >/dev/null 2>&1 && echo -race)

.DEFAULT_GOAL := help
.PHONY: help build demo test check fmt vet lint tidy generated imports bench fuzz corpus generate vuln clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build the program and its front-ends into ./bin
	go build -trimpath -o bin/tidebot ./gitops/cmd/tidebot
	go build -trimpath -o bin/tidebot-frontend-webhook ./frontends/webhook
	go build -trimpath -o bin/tidebot-frontend-cli ./frontends/cli

demo: build ## run it for real on this machine: Git server, provider, webhook, commit
	go build -o bin/tidebot-demo ./examples/demo
	./bin/tidebot-demo

test: ## run every test of every module, with the race detector if there is a C compiler
	@$(if $(RACE),:,echo "no C compiler: testing without the race detector")
	@case ",$(TIDEBOT_REQUIRE)," in *,race,*) test -n "$(RACE)" || { echo "the race detector is required here"; exit 1; };; esac
	go test $(RACE) -timeout 20m work

check: fmt vet lint tidy generated imports ## format, vet, lint, go.mod files, generated code, import rule

fmt:
	@out=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
	if [ -n "$$out" ]; then echo "gofmt -w these:"; echo "$$out"; exit 1; fi

vet:
	go vet work

lint: $(GOLANGCI)
	@for dir in $(MODULES); do \
		echo "golangci-lint $$dir"; \
		(cd "$$dir" && "$(GOLANGCI)" run --config "$(CURDIR)/.golangci.yml" ./...) || exit 1; \
	done

# go mod tidy knows nothing of go.work, and each module must stand alone.
tidy:
	@for dir in $(MODULES); do \
		echo "go mod tidy -diff $$dir"; \
		(cd "$$dir" && GOWORK=off go mod tidy -diff) || exit 1; \
	done

generated:
	@tmp=$$(mktemp -d) && trap 'rm -rf "$$tmp"' EXIT && \
	cp $(GENERATED)/generate.sh $(GENERATED)/*.proto "$$tmp" && \
	echo "$(GENERATED)/generate.sh" && sh "$$tmp/generate.sh" && \
	for file in $(GENERATED)/*.pb.go; do \
		diff -u "$$file" "$$tmp/$${file##*/}" || { echo "run make generate"; exit 1; }; \
	done

imports:
	go test -run '^TestImport' .

bench: ## run every benchmark
	go test -run '^$$' -bench . -benchmem work

fuzz: ## fuzz each parser for FUZZTIME (30s)
	@for pkg in $$(go list work); do \
		for name in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "$$pkg $$name"; \
			go test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 2s $$pkg || exit 1; \
		done; \
	done

corpus: ## edit every manifest below DIR and prove each edit
	@test -d "$(DIR)" || { echo "usage: make corpus DIR=directory-of-manifests"; exit 2; }
	TIDEBOT_CORPUS="$(abspath $(DIR))" go test -count 1 -v -timeout 60m -run '^TestCorpus$$' ./manifest/yamledit

generate: ## make the protocol's Go code anew
	sh $(GENERATED)/generate.sh

vuln: $(GOVULNCHECK) ## look for known vulnerabilities
	@for dir in $(MODULES); do echo "govulncheck $$dir"; (cd "$$dir" && "$(GOVULNCHECK)" ./...) || exit 1; done

clean: ## remove what was built
	rm -rf bin .tools

# The version is in the file's name, so that a new one is installed when it is raised here.
$(GOLANGCI):
	GOBIN="$(TOOLS)" GOFLAGS= GOWORK=off go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv "$(TOOLS)/golangci-lint" $@

$(GOVULNCHECK):
	GOBIN="$(TOOLS)" GOFLAGS= GOWORK=off go install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
	mv "$(TOOLS)/govulncheck" $@
