# liblicense, static and shared, from the parts of lib/base, lib/json and lib/licensing that verify. Included
# by the Makefile. What the functions of license.h don't reach is dropped, so that the library has no
# writable state, prints nothing and needs libcrypto alone.
LICENSE_SOURCES := $(addprefix lib/base/,arena.c clock.c digest.c encoding.c failure.c text.c) \
	$(addprefix lib/json/,gate.c out.c scan.c view.c) $(addprefix lib/licensing/,build_date.c claims.c clock_mark.c guards.c \
	jwks.c jwt.c key_warm.c keys.c license.c license_read.c revocations.c values.c verdict.c verify.c)
LICENSE_OBJECTS := $(LICENSE_SOURCES:%.c=$(BUILD)/pic/%.o)
LICENSE_NAMES = $(shell sed -n 's/^\t\(license_[a-z_]*\);$$/\1/p' lib/licensing/liblicense.map)
LICENSE_ABI := liblicense.so.$(firstword $(subst ., ,$(VERSION)))
LICENSE_SO := $(BUILD)/liblicense.so.$(VERSION)
LICENSE_LIBRARIES := $(LICENSE_SO) $(BUILD)/liblicense.a $(BUILD)/liblicense.pc

# The day of the newest commit, or SOURCE_DATE_EPOCH, or of the version where there is no repository.
# A whole day, so that not each commit links everything anew.
BUILD_DATE := $(shell at=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || \
	stat -c %Y lib/base/version.h)}; echo $$((at / 86400 * 86400)))
BUILD_DATE_OBJECTS := $(BUILD)/lib/licensing/build_date.o $(BUILD)/pic/lib/licensing/build_date.o
$(BUILD_DATE_OBJECTS): CPPFLAGS += -DBUILD_DATE=$(BUILD_DATE)
$(BUILD_DATE_OBJECTS): $(BUILD)/build-date.txt
$(BUILD)/build-date.txt: FORCE
	@mkdir -p $(@D)
	@echo $(BUILD_DATE) | cmp -s - $@ || echo $(BUILD_DATE) >$@

$(BUILD)/pic/%.o: %.c Makefile lib/licensing/liblicense.mk
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(filter-out -fPIE,$(CFLAGS)) -fPIC -fvisibility=hidden \
		-ffunction-sections -fdata-sections -c -o $@ $<

$(LICENSE_SO): $(LICENSE_OBJECTS) lib/licensing/liblicense.map
	$(CC) -shared $(filter-out -pie,$(LDFLAGS)) -Wl,--gc-sections \
		-Wl,-soname,$(LICENSE_ABI) -Wl,--version-script=lib/licensing/liblicense.map \
		-o $@ $(LICENSE_OBJECTS) -lcrypto
	@ln -sf $(notdir $@) $(BUILD)/$(LICENSE_ABI)
	@ln -sf $(LICENSE_ABI) $(BUILD)/liblicense.so

# One object in which only the public names are global: an application may have an arena_new() too.
$(BUILD)/liblicense.a: $(LICENSE_OBJECTS) lib/licensing/liblicense.map
	@rm -f $@
	ld -r --gc-sections $(LICENSE_NAMES:%=-u %) -o $(BUILD)/pic/liblicense.o $(LICENSE_OBJECTS)
	objcopy $(LICENSE_NAMES:%=--keep-global-symbol=%) $(BUILD)/pic/liblicense.o
	ar rcs $@ $(BUILD)/pic/liblicense.o

$(BUILD)/liblicense.pc: lib/licensing/liblicense.pc.in lib/licensing/liblicense.mk FORCE
	@mkdir -p $(@D)
	@sed 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@VERSION@|$(VERSION)|' $< >$@.$$$$ && \
		{ cmp -s $@.$$$$ $@ && rm $@.$$$$ || mv $@.$$$$ $@; }

.PHONY: FORCE liblicense
liblicense: $(LICENSE_LIBRARIES)

-include $(shell find $(BUILD)/pic -name '*.d' 2>/dev/null)

# PREFIX, LIBDIR and DESTDIR as everywhere.
.PHONY: install-liblicense
install-liblicense: liblicense
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(PREFIX)/include \
		$(DESTDIR)$(PREFIX)/share/man/man3
	install -m 755 $(LICENSE_SO) $(DESTDIR)$(LIBDIR)/
	ln -sf $(notdir $(LICENSE_SO)) $(DESTDIR)$(LIBDIR)/$(LICENSE_ABI)
	ln -sf $(LICENSE_ABI) $(DESTDIR)$(LIBDIR)/liblicense.so
	install -m 644 $(BUILD)/liblicense.a $(DESTDIR)$(LIBDIR)/
	install -m 644 $(BUILD)/liblicense.pc $(DESTDIR)$(LIBDIR)/pkgconfig/
	install -m 644 lib/licensing/license.h $(DESTDIR)$(PREFIX)/include/
	install -m 644 lib/licensing/liblicense.3 $(DESTDIR)$(PREFIX)/share/man/man3/
