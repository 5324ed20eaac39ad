/* guard.c: judges the addresses that webhooks may be sent to. */
#include "webhooks/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "net/url.h"

enum { V4_SIZE = 4, V6_SIZE = 16 };

/* An address of either family, or a network: its first bits. */
struct network {
	uint8_t bytes[V6_SIZE];
	size_t size; /* bytes: 4 or 16 */
	unsigned int bits;
};

/* IPv4 that is not public: IANA's IPv4 Special-Purpose Address Registry, multicast, reserved. */
static const struct network closed_v4[] = {
        {{0}, V4_SIZE, 8},             /* this network */
        {{10}, V4_SIZE, 8},            /* private */
        {{100, 64}, V4_SIZE, 10},      /* carrier's NAT */
        {{127}, V4_SIZE, 8},           /* loopback */
        {{169, 254}, V4_SIZE, 16},     /* link-local, metadata of clouds */
        {{172, 16}, V4_SIZE, 12},      /* private */
        {{192, 0, 0}, V4_SIZE, 24},    /* protocol assignments */
        {{192, 0, 2}, V4_SIZE, 24},    /* documentation */
        {{192, 31, 196}, V4_SIZE, 24}, /* AS112 */
        {{192, 52, 193}, V4_SIZE, 24}, /* AMT */
        {{192, 88, 99}, V4_SIZE, 24},  /* 6to4 relays */
        {{192, 168}, V4_SIZE, 16},     /* private */
        {{192, 175, 48}, V4_SIZE, 24}, /* AS112 */
        {{198, 18}, V4_SIZE, 15},      /* benchmarks */
        {{198, 51, 100}, V4_SIZE, 24}, /* documentation */
        {{203, 0, 113}, V4_SIZE, 24},  /* documentation */
        {{224}, V4_SIZE, 4},           /* multicast */
        {{240}, V4_SIZE, 4},           /* reserved, broadcast */
};

/* IPv6: global unicast is 2000::/3; these parts of it are not public. All else is not. */
static const struct network global_v6 = {{0x20}, V6_SIZE, 3};
static const struct network closed_v6[] = {
        {{0x20, 0x01}, V6_SIZE, 23},             /* protocols: Teredo, ORCHID, benchmarks */
        {{0x20, 0x01, 0x0d, 0xb8}, V6_SIZE, 32}, /* documentation */
        {{0x20, 0x02}, V6_SIZE, 16},             /* 6to4 */
        {{0x26, 0x20, 0x00, 0x4f, 0x80}, V6_SIZE, 48}, /* AS112 */
        {{0x3f, 0xfe}, V6_SIZE, 16},                   /* the former 6bone */
        {{0x3f, 0xff}, V6_SIZE, 20},                   /* documentation */
};

/* Forms of IPv6 that stand for an IPv4 address, which is their last four bytes. */
static const struct network mapped = {
        .bytes = {[10] = 0xff, [11] = 0xff}, .size = V6_SIZE, .bits = 96};

static bool
contains(const struct network *network, const struct network *address)
{
	size_t whole = network->bits / 8;
	unsigned int rest = network->bits % 8;

	if (network->size != address->size ||
	    memcmp(network->bytes, address->bytes, whole) != 0)
		return false;
	return rest == 0 || (network->bytes[whole] ^ address->bytes[whole]) >> (8 - rest) == 0;
}

static bool
is_in(const struct network *networks, size_t count, const struct network *address)
{
	for (size_t i = 0; i < count; i++)
		if (contains(&networks[i], address))
			return true;
	return false;
}

/* An IPv4 address in the clothes of IPv6 becomes that IPv4 address. */
static void
unmap(struct network *address)
{
	if (!contains(&mapped, address))
		return;
	memmove(address->bytes, address->bytes + V6_SIZE - V4_SIZE, V4_SIZE);
	address->size = V4_SIZE;
	address->bits = 8 * V4_SIZE;
}

/* 64:ff9b::/96 (NAT64) and the like lie outside of 2000::/3 and so are closed. */
static bool
is_public(const struct network *address)
{
	if (address->size == V4_SIZE)
		return !is_in(closed_v4, sizeof(closed_v4) / sizeof(*closed_v4), address);
	return contains(&global_v6, address) &&
	       !is_in(closed_v6, sizeof(closed_v6) / sizeof(*closed_v6), address);
}

static bool
read_address(const char *text, struct network *out)
{
	*out = (struct network){.size = V4_SIZE, .bits = 8 * V4_SIZE};
	if (inet_pton(AF_INET, text, out->bytes) == 1)
		return true;
	*out = (struct network){.size = V6_SIZE, .bits = 8 * V6_SIZE};
	return inet_pton(AF_INET6, text, out->bytes) == 1;
}

/* Whether no bit beyond the network's is set. */
static bool
is_network(const struct network *network)
{
	for (unsigned int bit = network->bits; bit < 8 * network->size; bit++)
		if ((network->bytes[bit / 8] >> (7 - bit % 8) & 1) != 0)
			return false;
	return true;
}

/* "10.0.0.0/8", or an address alone. */
static bool
read_network(const char *item, size_t length, struct network *out)
{
	char text[INET6_ADDRSTRLEN + 4] = "", *slash;
	int64_t bits;

	if (length >= sizeof(text))
		return false;
	memcpy(text, item, length);
	slash = strchr(text, '/');
	if (slash != NULL)
		*slash++ = '\0';
	if (!read_address(text, out))
		return false;
	if (slash == NULL)
		return true;
	if (!text_parse_int(slash, &bits) || bits < 0 || bits > (int64_t)out->bits)
		return false;
	out->bits = (unsigned int)bits;
	return is_network(out);
}

const char *
webhook_guard_check(const char *allowed)
{
	struct network network;
	const char *item;
	size_t length;

	while (text_next_item(&allowed, &item, &length))
		if (!read_network(item, length, &network))
			return "must be networks like 10.1.0.0/16 or fd00::/8, separated by "
			       "commas";
	return NULL;
}

static bool
is_allowed(const struct webhook_guard *guard, const struct network *address)
{
	const char *cursor = guard->allowed == NULL ? "" : guard->allowed, *item;
	struct network network;
	size_t length;

	while (text_next_item(&cursor, &item, &length))
		if (read_network(item, length, &network) && contains(&network, address))
			return true;
	return false;
}

static bool
admits(const struct webhook_guard *guard, struct network *address, bool https)
{
	if (is_allowed(guard, address))
		return true;
	unmap(address);
	return is_allowed(guard, address) || (https && is_public(address));
}

bool
webhook_guard_admits(void *guard, const struct sockaddr *address, bool https)
{
	const struct sockaddr_in6 *six = (const void *)address;
	const struct sockaddr_in *four = (const void *)address;
	struct network network = {.size = V4_SIZE, .bits = 8 * V4_SIZE};

	if (address->sa_family == AF_INET) {
		memcpy(network.bytes, &four->sin_addr, V4_SIZE);
	} else if (address->sa_family == AF_INET6) {
		network = (struct network){.size = V6_SIZE, .bits = 8 * V6_SIZE};
		memcpy(network.bytes, &six->sin6_addr, V6_SIZE);
	} else {
		return false;
	}
	return admits(guard, &network, https);
}

const char *
webhook_guard_check_url(struct arena *arena, const struct webhook_guard *guard, const char *url)
{
	struct network address;
	struct http_url parts;
	const char *fault = http_url_read(arena, url, &parts);

	if (fault != NULL)
		return fault;
	if (!parts.https && (guard->allowed == NULL || *guard->allowed == '\0'))
		return "must start with https://";
	if (read_address(parts.host, &address) && !admits(guard, &address, parts.https))
		return "is at an address that webhooks are not sent to; see WEBHOOK_ALLOW";
	return NULL;
}
