# Every target works on a fresh Debian 12 or 13 with Go and make; ci/setup.sh
# installs the rest and says what.

BUILD := build
# The lab needs root for network namespaces, taps and containers.
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
# arguments for the lab: make run RUN='-firmware uefi'
RUN ?=
# arguments for the benchmark
BENCH ?=
# packages to fuzz, all by default, and the time for each target
FUZZ ?=
FUZZTIME ?= 1m

.PHONY: help run test test-matrix check lint unit fuzz image judge bench setup ui clean

help:
	@echo 'make run    build and boot the appliance with two MySQL servers behind it (RUN="-h" for its flags)'
	@echo 'make test   everything: lint, unit tests, lab, image in QEMU'
	@echo 'make test-matrix   boot on every disk bus and network card'
	@echo 'make bench  measure the proxy beside haproxy and nginx (BENCH="-h" for its flags)'
	@echo 'make fuzz   every fuzz target for FUZZTIME, default 1m (FUZZ="./pkg/config" for some packages)'
	@echo 'make check  gofmt, vet, staticcheck, import table, unit tests; no root'
	@echo 'make image  build/sluice.raw, the disk image'
	@echo 'make ui     pkg/web/static/editor.js from ui/ (needs Node and npm; its result is committed)'
	@echo 'make clean  remove build/'

setup:
	@sh ci/setup.sh

image: setup
	go run ./image/mkimage -out $(BUILD)

run: image
	go build -o $(BUILD)/run ./qemu/run
	@$(if $(SUDO),command -v sudo >/dev/null || { echo 'run: root is missing: the lab needs it for network namespaces; run make as root or install sudo' >&2; exit 1; })
	$(SUDO) $(BUILD)/run -build $(BUILD) $(RUN)

lint:
	sh ci/lint

unit:
	go test ./...

check: lint unit

# One target after the other.
fuzz:
	FUZZTIME=$(FUZZTIME) sh ci/fuzz $(FUZZ)

# The HAProxy whose verdicts on configurations are compared with ours.
judge: setup
	sh ci/judge.sh $(BUILD)/judge

# Loopback only. One more haproxy: make bench BENCH="-haproxy 3.0=build/judge/haproxy"
bench:
	@sh ci/setup.sh bench
	PATH=$$PATH:/usr/sbin go run ./ci/bench $(BENCH)

# One package after the other: the tests boot machines and measure times. Go stays
# with the user's rights and caches; only the test binaries run as root.
# Screenshots stay in build/pictures.
test: image judge lint
	mkdir -p $(BUILD)/pictures
	$(if $(SUDO),,SLUICE_FULL=1) go test -count=1 -p 1 -timeout 60m -artifacts -outputdir $(CURDIR)/$(BUILD)/pictures \
		$(if $(SUDO),-exec "sudo env SLUICE_FULL=1 PATH=$$PATH:/usr/sbin") ./...

# Every disk bus and network card; make test boots two of these machines.
test-matrix: image
	$(if $(SUDO),,SLUICE_FULL=1 SLUICE_MATRIX=1) go test -count=1 -v -run 'TestHardware' -timeout 60m \
		$(if $(SUDO),-exec "sudo env SLUICE_FULL=1 SLUICE_MATRIX=1 PATH=$$PATH:/usr/sbin") ./qemu

# The packages are unpacked below build/, so that the source tree holds none.
ui:
	mkdir -p $(BUILD)/ui
	cp -r ui/. $(BUILD)/ui
	cd $(BUILD)/ui && npm ci --ignore-scripts --no-audit --no-fund && node build.mjs $(CURDIR)/ui $(CURDIR)/pkg/web/static

# A container engine that was killed leaves its data directory mounted.
clean:
	@awk -v d="$(CURDIR)/$(BUILD)/" 'index($$5, d) == 1 { print $$5 }' /proc/self/mountinfo | tac | xargs -r $(SUDO) umount -l
	$(SUDO) rm -rf $(BUILD)
