# billing-agent, and billing-agent-sync, which alone brings libcurl. Included by the Makefile.
AGENT_STORE := $(call objects,$(call sources,app/agent-store))
AGENT_DAEMON := $(call objects,$(call sources,app/agent))
AGENT_SYNC := $(call objects,$(call sources,app/agent-sync))
AGENT_LICENSING := $(call objects,$(filter lib/licensing/%.c,$(LICENSE_SOURCES)))
AGENT_BASE := $(call objects,$(addprefix lib/base/,arena.c arena_exit.c clock.c digest.c encoding.c \
	failure.c file.c file_key.c log.c suggestion.c options.c random.c secrets.c settings.c text.c wire.c) \
	$(addprefix lib/json/,gate.c out.c scan.c view.c))
AGENT_NET := $(call objects,lib/net/client.c lib/net/easy.c)
AGENTS := $(BUILD)/billing-agent $(BUILD)/billing-agent-sync

$(BUILD)/billing-agent: $(AGENT_DAEMON) $(AGENT_STORE) $(AGENT_LICENSING) $(AGENT_BASE)
	$(CC) $(LDFLAGS) -o $@ $^ -lcrypto

$(BUILD)/billing-agent-sync: $(AGENT_SYNC) $(AGENT_STORE) $(AGENT_LICENSING) $(AGENT_BASE) \
		$(AGENT_NET)
	$(CC) $(LDFLAGS) -o $@ $^ -lcurl -lcrypto

# vendor-agent builds both programs with the vendor's keys in them, into the folder AGENT_OUT. AGENT_ISSUER and
# AGENT_CUSTOMER_ID fix LICENSE_ISSUER and CUSTOMER_ID; AGENT_GRACE_DAYS bounds OFFLINE_GRACE_DAYS.
AGENT_OUT ?= $(BUILD)/vendor
AGENT_ISSUER ?=
AGENT_CUSTOMER_ID ?=
AGENT_GRACE_DAYS ?= 365
AGENT_OTHERS := $(filter-out %/vendor.o,$(AGENT_STORE)) $(AGENT_LICENSING) $(AGENT_BASE)
vendor-agent: $(AGENTS)
	@[ -s "$(AGENT_KEYS)" ] || { echo "AGENT_KEYS=FILE names the keys (PEM or JWK set)"; exit 1; }
	@mkdir -p $(AGENT_OUT)
	$(CC) $(CPPFLAGS) $(filter-out -MMD -MP,$(CFLAGS)) -DAGENT_KEYS='"$(abspath $(AGENT_KEYS))"' \
		-DAGENT_ISSUER='"$(AGENT_ISSUER)"' -DAGENT_CUSTOMER_ID='"$(AGENT_CUSTOMER_ID)"' \
		-DAGENT_GRACE_DAYS=$(AGENT_GRACE_DAYS) -c -o $(AGENT_OUT)/vendor.o app/agent-store/vendor.c
	$(CC) $(LDFLAGS) -o $(AGENT_OUT)/billing-agent $(AGENT_DAEMON) $(AGENT_OTHERS) \
		$(AGENT_OUT)/vendor.o -lcrypto
	$(CC) $(LDFLAGS) -o $(AGENT_OUT)/billing-agent-sync $(AGENT_SYNC) $(AGENT_OTHERS) \
		$(AGENT_OUT)/vendor.o $(AGENT_NET) -lcurl -lcrypto

$(BUILD)/tests/unit/agent/test_agent: $(AGENT_STORE) \
	$(call objects,app/agent/local_http.c app/agent/schedule.c)
$(BUILD)/tests/unit/agent/test_state: $(AGENT_STORE)

.PHONY: vendor-agent install-agent install deb check-agent
install-agent: $(AGENTS)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man8 \
		$(DESTDIR)$(PREFIX)/share/doc/billing-agent $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -m 755 $(AGENTS) $(DESTDIR)$(PREFIX)/bin/
	install -m 644 app/agent/billing-agent.8 $(DESTDIR)$(PREFIX)/share/man/man8/
	install -m 644 conf/billing-agent.env.example $(DESTDIR)$(PREFIX)/share/doc/billing-agent/
	sed 's|/usr/bin/|$(PREFIX)/bin/|' conf/billing-agent.service \
		>$(DESTDIR)$(PREFIX)/lib/systemd/system/billing-agent.service

install: install-liblicense install-agent

# build/billing-agent_<version>_<architecture>.deb, with liblicense in it.
deb:
	@conf/deb.sh $(BUILD) $(VERSION)

check-agent: build
	@BILLING_VARIANT=$(VARIANT) $(PYTHON) -m pytest -q tests/agent \
		$(if $(SANITIZE),--ignore=tests/agent/test_clock.py)
