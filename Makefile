# Every command of the project, thin: the work is in scripts/. `make` alone shows this list.
.DEFAULT_GOAL := help
.PHONY: help up down status logs order declined test soak bench lint ci fmt proto doctor clean

TRADEWIND := scripts/tradewind.sh

help:      ## show this list
	@grep -E '^[a-z]+: +##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+): +## (.*)/  make \1\t\2/' | expand -t 20

up:        ## set up this machine, start everything, place a first order
	@$(TRADEWIND) up

down:      ## stop every process, keep the data
	@$(TRADEWIND) down

status:    ## show what runs and what is ready
	@$(TRADEWIND) status || true

logs:      ## follow all logs, or one: make logs S=order
	@$(TRADEWIND) logs $(S)

order:     ## place an order and watch it become PAID
	@$(TRADEWIND) order

declined:  ## place an order whose payment is declined
	@$(TRADEWIND) declined

test:      ## run all tests beside a running shop; ARGS="..." goes to cargo test
	@$(TRADEWIND) test -- $(ARGS)

soak:      ## run the tests that need minutes at their full length
	@$(TRADEWIND) test --soak -- $(ARGS)

bench:     ## measure what the mesh and an order cost; one of them: make bench B=mesh_tax
	@bench/run.sh $(B) $(ARGS)

chaos:     ## faults under load, then reconcile; SEED= and MINUTES= (3) may be given
	@$(TRADEWIND) chaos $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES))

reconcile: ## check every order of make up: databases against each other and the provider
	@cargo run --quiet --locked --package shop-checker -- reconcile $(ARGS)

lint:      ## formatting, clippy, forbidden edges, scripts, spelling, generated code
	@scripts/lint.sh

ci:        ## exactly what CI runs: lint, then test
	@scripts/lint.sh
	@$(TRADEWIND) test

fmt:       ## format the Rust code
	@cargo fmt --all

proto:     ## generate code and Envoy's descriptor set from the protos
	@scripts/proto.sh

doctor:    ## show what this machine lacks and how to get it
	@$(TRADEWIND) doctor

clean:     ## stop everything, remove data and downloads
	@$(TRADEWIND) clean
