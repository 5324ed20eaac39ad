/* heads.c: signs the end of the audit trail's chain, and reads the file of signed heads. */
#include "audit/heads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "licensing/jwt.h"
#include "json/out.h"

/* A line of a day has under 2 KB. */
enum { TOKEN_MAX = 4096, FILE_MAX = 64 * 1024 * 1024 };

static const struct jwt_kind head_kind = {"audit-head+jwt", TOKEN_MAX};

enum fail
audit_heads_file(struct task *task, const char *path, const char **out)
{
	size_t length;
	char *text;

	*out = "";
	if (access(path, F_OK) != 0 && errno == ENOENT)
		return FAIL_NONE;
	TRY(file_read(task, path, FILE_MAX, &text, &length));
	*out = text;
	return FAIL_NONE;
}

/* Whether the key was distrusted before it signed the head. */
static bool
is_lost(const struct audit_head_keys *keys, const char *kid, int64_t issued_s)
{
	for (size_t i = 0; i < keys->lost_count; i++)
		if (strcmp(keys->lost[i].kid, kid) == 0)
			return issued_s >= keys->lost[i].distrusted_at.ms / SECOND_MS;
	return false;
}

static bool
read_members(const struct json_view *object, struct audit_signed_head *out)
{
	return json_view_int(object, "iat", &out->issued_s) &&
	       json_view_int(object, "position", &out->position) &&
	       json_view_string(object, "hash", &out->hash) &&
	       json_view_int(object, "backfillId", &out->backfill_id) &&
	       json_view_int(object, "backfillEnded", &out->backfill_ended_ms);
}

static struct audit_signed_head
read_line(struct arena *arena, const struct audit_head_keys *keys, const char *line,
          size_t length)
{
	struct audit_signed_head head = {.hash = ""};
	struct jwt_payload payload;
	enum jwt_verdict verdict =
	        jwt_verify(arena, keys->keys, &head_kind, line, length, &payload);

	if (verdict == JWT_UNKNOWN_KEY)
		head.fault = "is signed with an unknown key";
	else if (verdict != JWT_VALID || !read_members(&payload.object, &head))
		head.fault = "is not a signed head";
	else if (is_lost(keys, payload.kid, head.issued_s))
		head.fault = "is signed with a key that was distrusted before";
	head.torn = head.fault != NULL && verdict != JWT_UNKNOWN_KEY && verdict != JWT_VALID;
	return head;
}

static int
compare_positions(const void *a, const void *b)
{
	const struct audit_signed_head *left = a, *right = b;

	if (left->position != right->position)
		return left->position < right->position ? -1 : 1;
	return left->line < right->line ? -1 : left->line > right->line;
}

static size_t
count_lines(const char *text)
{
	size_t count = 1;

	for (; *text != '\0'; text++)
		count += *text == '\n';
	return count;
}

/* A torn line counts as such only where a valid head follows, perhaps behind other torn ones. */
static void
keep_torn(struct audit_signed_head *heads, size_t count)
{
	bool followed = false;

	for (size_t i = count; i-- > 0;) {
		heads[i].torn = heads[i].torn && followed;
		followed = heads[i].torn || heads[i].fault == NULL;
	}
}

void
audit_heads_read(struct task *task, const struct audit_head_keys *keys, const char *text,
                 const struct audit_signed_head **out, size_t *count)
{
	struct audit_signed_head *heads =
	        arena_array(task->arena, count_lines(text), sizeof(*heads));
	size_t length;

	*out = heads;
	*count = 0;
	for (int64_t line = 1; *text != '\0'; line++) {
		length = strcspn(text, "\n");
		if (length > 0) {
			heads[*count] = read_line(task->arena, keys, text, length);
			heads[(*count)++].line = line;
		}
		text += length + (text[length] == '\n');
	}
	keep_torn(heads, *count);
	qsort(heads, *count, sizeof(*heads), compare_positions);
}

static enum fail
sign_head(struct operation *operation, const struct license_key *key, char **token)
{
	struct task *task = operation->task;
	struct json_out json = json_out_new(task->arena, 256);
	struct audit_backfill backfill;
	struct audit_head head;

	TRY(audit_head_read(operation, &head));
	TRY(audit_backfill_read(operation, &backfill));
	json_out_open(&json, NULL, '{');
	json_out_string(&json, "iss", operation->billing->policy.issuer);
	json_out_int(&json, "iat", operation->now_ms / SECOND_MS);
	json_out_int(&json, "position", head.position);
	json_out_int(&json, "auditId", head.audit_id);
	json_out_string(&json, "hash", head.hash);
	json_out_int(&json, "backfillId", backfill.last_id);
	json_out_int(&json, "backfillEnded",
	             backfill.ended_at.known ? backfill.ended_at.ms : 0);
	json_out_close(&json, '}');
	return jwt_sign(task, key, &head_kind, json.text.data, token);
}

/* Appends a line in one write, so that the file may be one that can only be appended to. A part of a
 * line, of a full disk, is cut off again, where the file allows that. */
static enum fail
append_line(struct task *task, const char *path, const char *line)
{
	size_t length = strlen(line);
	int file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	off_t end = file < 0 ? -1 : lseek(file, 0, SEEK_END);
	ssize_t written = end < 0 ? -1 : write(file, line, length);
	int error = written < 0 ? errno : ENOSPC;
	bool fine = written == (ssize_t)length;

	if (written > 0 && !fine)
		(void)!ftruncate(file, end);
	else if (fine && fsync(file) != 0) {
		error = errno;
		fine = false;
	}
	if (file >= 0)
		close(file);
	return fine ? FAIL_NONE : file_unwritable(task, path, error);
}

/* Whether the last line is a head of today. */
static bool
is_signed_today(const struct operation *operation, const char *text)
{
	const struct audit_head_keys keys = {.keys = &operation->billing->keys};
	size_t length = strlen(text), start;
	struct audit_signed_head last;

	while (length > 0 && text[length - 1] == '\n')
		length--;
	for (start = length; start > 0 && text[start - 1] != '\n';)
		start--;
	last = read_line(operation->task->arena, &keys, text + start, length - start);
	return last.fault == NULL &&
	       last.issued_s * SECOND_MS / DAY_MS == operation->now_ms / DAY_MS;
}

enum fail
audit_heads_run(struct operation *operation, int64_t *done)
{
	const char *path = operation->billing->policy.audit_heads_file;
	const struct license_key *key = license_keys_signing(&operation->billing->keys);
	struct task *task = operation->task;
	const char *text, *end;
	char *token;

	*done = 0;
	if (key == NULL)
		return FAIL_NONE;
	TRY(audit_heads_file(task, path, &text));
	if (is_signed_today(operation, text))
		return FAIL_NONE;
	TRY(sign_head(operation, key, &token));
	end = *text == '\0' || text[strlen(text) - 1] == '\n' ? "" : "\n";
	return append_line(task, path, arena_printf(task->arena, "%s%s\n", end, token));
}
