/* columns.h: which columns of a statement's rows become which members of a struct. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/digest.h"
#include "json/fields.h"

/* The wire types that a column may have; NULL arrives as NULL, INSTANT_NONE, 0, false. */
enum column_type {
	COLUMN_STOP,
	COLUMN_TEXT,
	COLUMN_INT,
	COLUMN_BOOL,
	COLUMN_TIME,
	COLUMN_BYTES,
	COLUMN_LIST
};

struct column {
	const char *name;
	size_t offset; /* COLUMN_STOP: the size of the struct */
	enum column_type type;
};

/* clang-format off */

/* The columns of a row that becomes a struct S, each named as its member, at most 48:
 * COLUMNS(struct pair, key, value). The type is derived from the member, so that a wrong one
 * does not compile. */
#define COLUMNS(S, ...) \
	{COLUMNS_PICK(__VA_ARGS__, COLUMNS_48, COLUMNS_47, COLUMNS_46, COLUMNS_45, \
	              COLUMNS_44, COLUMNS_43, COLUMNS_42, COLUMNS_41, COLUMNS_40, \
	              COLUMNS_39, COLUMNS_38, COLUMNS_37, COLUMNS_36, COLUMNS_35, \
	              COLUMNS_34, COLUMNS_33, COLUMNS_32, COLUMNS_31, COLUMNS_30, \
	              COLUMNS_29, COLUMNS_28, COLUMNS_27, COLUMNS_26, COLUMNS_25, \
	              COLUMNS_24, COLUMNS_23, COLUMNS_22, COLUMNS_21, COLUMNS_20, \
	              COLUMNS_19, COLUMNS_18, COLUMNS_17, COLUMNS_16, COLUMNS_15, \
	              COLUMNS_14, COLUMNS_13, COLUMNS_12, COLUMNS_11, COLUMNS_10, \
	              COLUMNS_9, COLUMNS_8, COLUMNS_7, COLUMNS_6, COLUMNS_5, \
	              COLUMNS_4, COLUMNS_3, COLUMNS_2, COLUMNS_1, 0)(S, __VA_ARGS__)}
#define COLUMNS_PICK(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, \
                     a15, a16, a17, a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, \
                     a28, a29, a30, a31, a32, a33, a34, a35, a36, a37, a38, a39, a40, \
                     a41, a42, a43, a44, a45, a46, a47, a48, picked, ...) picked
#define COLUMNS_1(S, m) COLUMN(S, m), {.type = COLUMN_STOP, .offset = sizeof(S)}
#define COLUMNS_2(S, m, ...) COLUMN(S, m), COLUMNS_1(S, __VA_ARGS__)
#define COLUMNS_3(S, m, ...) COLUMN(S, m), COLUMNS_2(S, __VA_ARGS__)
#define COLUMNS_4(S, m, ...) COLUMN(S, m), COLUMNS_3(S, __VA_ARGS__)
#define COLUMNS_5(S, m, ...) COLUMN(S, m), COLUMNS_4(S, __VA_ARGS__)
#define COLUMNS_6(S, m, ...) COLUMN(S, m), COLUMNS_5(S, __VA_ARGS__)
#define COLUMNS_7(S, m, ...) COLUMN(S, m), COLUMNS_6(S, __VA_ARGS__)
#define COLUMNS_8(S, m, ...) COLUMN(S, m), COLUMNS_7(S, __VA_ARGS__)
#define COLUMNS_9(S, m, ...) COLUMN(S, m), COLUMNS_8(S, __VA_ARGS__)
#define COLUMNS_10(S, m, ...) COLUMN(S, m), COLUMNS_9(S, __VA_ARGS__)
#define COLUMNS_11(S, m, ...) COLUMN(S, m), COLUMNS_10(S, __VA_ARGS__)
#define COLUMNS_12(S, m, ...) COLUMN(S, m), COLUMNS_11(S, __VA_ARGS__)
#define COLUMNS_13(S, m, ...) COLUMN(S, m), COLUMNS_12(S, __VA_ARGS__)
#define COLUMNS_14(S, m, ...) COLUMN(S, m), COLUMNS_13(S, __VA_ARGS__)
#define COLUMNS_15(S, m, ...) COLUMN(S, m), COLUMNS_14(S, __VA_ARGS__)
#define COLUMNS_16(S, m, ...) COLUMN(S, m), COLUMNS_15(S, __VA_ARGS__)
#define COLUMNS_17(S, m, ...) COLUMN(S, m), COLUMNS_16(S, __VA_ARGS__)
#define COLUMNS_18(S, m, ...) COLUMN(S, m), COLUMNS_17(S, __VA_ARGS__)
#define COLUMNS_19(S, m, ...) COLUMN(S, m), COLUMNS_18(S, __VA_ARGS__)
#define COLUMNS_20(S, m, ...) COLUMN(S, m), COLUMNS_19(S, __VA_ARGS__)
#define COLUMNS_21(S, m, ...) COLUMN(S, m), COLUMNS_20(S, __VA_ARGS__)
#define COLUMNS_22(S, m, ...) COLUMN(S, m), COLUMNS_21(S, __VA_ARGS__)
#define COLUMNS_23(S, m, ...) COLUMN(S, m), COLUMNS_22(S, __VA_ARGS__)
#define COLUMNS_24(S, m, ...) COLUMN(S, m), COLUMNS_23(S, __VA_ARGS__)
#define COLUMNS_25(S, m, ...) COLUMN(S, m), COLUMNS_24(S, __VA_ARGS__)
#define COLUMNS_26(S, m, ...) COLUMN(S, m), COLUMNS_25(S, __VA_ARGS__)
#define COLUMNS_27(S, m, ...) COLUMN(S, m), COLUMNS_26(S, __VA_ARGS__)
#define COLUMNS_28(S, m, ...) COLUMN(S, m), COLUMNS_27(S, __VA_ARGS__)
#define COLUMNS_29(S, m, ...) COLUMN(S, m), COLUMNS_28(S, __VA_ARGS__)
#define COLUMNS_30(S, m, ...) COLUMN(S, m), COLUMNS_29(S, __VA_ARGS__)
#define COLUMNS_31(S, m, ...) COLUMN(S, m), COLUMNS_30(S, __VA_ARGS__)
#define COLUMNS_32(S, m, ...) COLUMN(S, m), COLUMNS_31(S, __VA_ARGS__)
#define COLUMNS_33(S, m, ...) COLUMN(S, m), COLUMNS_32(S, __VA_ARGS__)
#define COLUMNS_34(S, m, ...) COLUMN(S, m), COLUMNS_33(S, __VA_ARGS__)
#define COLUMNS_35(S, m, ...) COLUMN(S, m), COLUMNS_34(S, __VA_ARGS__)
#define COLUMNS_36(S, m, ...) COLUMN(S, m), COLUMNS_35(S, __VA_ARGS__)
#define COLUMNS_37(S, m, ...) COLUMN(S, m), COLUMNS_36(S, __VA_ARGS__)
#define COLUMNS_38(S, m, ...) COLUMN(S, m), COLUMNS_37(S, __VA_ARGS__)
#define COLUMNS_39(S, m, ...) COLUMN(S, m), COLUMNS_38(S, __VA_ARGS__)
#define COLUMNS_40(S, m, ...) COLUMN(S, m), COLUMNS_39(S, __VA_ARGS__)
#define COLUMNS_41(S, m, ...) COLUMN(S, m), COLUMNS_40(S, __VA_ARGS__)
#define COLUMNS_42(S, m, ...) COLUMN(S, m), COLUMNS_41(S, __VA_ARGS__)
#define COLUMNS_43(S, m, ...) COLUMN(S, m), COLUMNS_42(S, __VA_ARGS__)
#define COLUMNS_44(S, m, ...) COLUMN(S, m), COLUMNS_43(S, __VA_ARGS__)
#define COLUMNS_45(S, m, ...) COLUMN(S, m), COLUMNS_44(S, __VA_ARGS__)
#define COLUMNS_46(S, m, ...) COLUMN(S, m), COLUMNS_45(S, __VA_ARGS__)
#define COLUMNS_47(S, m, ...) COLUMN(S, m), COLUMNS_46(S, __VA_ARGS__)
#define COLUMNS_48(S, m, ...) COLUMN(S, m), COLUMNS_47(S, __VA_ARGS__)
#define COLUMN(S, member_) \
	{.name = #member_, .offset = offsetof(S, member_), \
	 .type = _Generic(((S *)0)->member_, const char *: COLUMN_TEXT, int64_t: COLUMN_INT, \
	                  bool: COLUMN_BOOL, struct instant: COLUMN_TIME, \
	                  struct bytes: COLUMN_BYTES, struct string_list: COLUMN_LIST)}

/* clang-format on */
